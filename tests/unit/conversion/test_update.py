"""Laying a newly encoded resource over a stored one: what others added stays whole."""

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

import pytest

from fhirbridge.conversion.update import update
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.mapping.template import Template
from fhirbridge.native import documents
from tests.unit.documents.desk import document, mappings

NAMESPACE = UUID("6f1d4f0a-52c4-5e0b-9a51-0d6c1b1e7a10")


@cache
def encoded(kind: documents.Kind) -> tuple[tuple[Template, Resource], ...]:
    mapping = mappings()[kind]
    loaded = documents.load(kind, document(kind, "maximal"))
    return tuple(
        (mapping.compiled[item.instance.entry.name].template, item.resource)
        for item in mapping.encode(loaded.data, NAMESPACE).resources
    )


def goal(*notes: str) -> tuple[Template, Resource]:
    template, resource = next(
        (t, r) for t, r in encoded("enrollment") if r["resourceType"] == "Goal"
    )
    return template, {**resource, "note": [{"text": text} for text in notes]}


def laid(
    template: Template, stored: Resource, new: Resource, base: Resource | None
) -> dict[str, Any]:
    before = copy.deepcopy((stored, new, base))
    merged = copy.deepcopy(update(stored, new, template, lambda *_: True, base=base))
    assert (stored, new, base) == before
    return merged


NOTE = {"text": "Seen in clinic.", "authorString": "Example EHR"}


class TestOrderedList:
    """Items that only their order tells apart: the notes of a goal."""

    def notes(self, ours: list[str], stored: list[Any], new: list[str]) -> Any:
        template, base = goal(*ours)
        _, fresh = goal(*new)
        result = laid(template, {**base, "note": stored}, fresh, base)
        return [note if note == NOTE else note["text"] for note in result["note"]]

    @pytest.mark.parametrize(
        ("new", "expected"),
        [
            (["a", "b"], ["a", "b", NOTE]),
            (["a", "c"], ["a", "c", NOTE]),
            (["a"], ["a", NOTE]),
            (["a", "b", "c"], ["a", "b", NOTE, "c"]),
            (["c", "a", "b"], ["c", "a", "b", NOTE]),
        ],
        ids=["same", "edited", "one fewer", "one more", "one before"],
    )
    def test_added_item_stays_whole(self, new: list[str], expected: list[Any]) -> None:
        stored = [{"text": "a"}, {"text": "b"}, NOTE]

        assert self.notes(["a", "b"], stored, new) == expected

    def test_added_item_before_ours_stays_whole(self) -> None:
        assert self.notes(["a"], [NOTE, {"text": "a"}], ["b"]) == [NOTE, "b"]

    def test_what_was_added_within_an_item_follows_that_item(self) -> None:
        template, base = goal("a", "b")
        signed = {"text": "b", "time": "2026-05-01"}
        _, fresh = goal("c", "a", "b")

        result = laid(template, {**base, "note": [{"text": "a"}, signed]}, fresh, base)

        assert result["note"] == [{"text": "c"}, {"text": "a"}, signed]

    def test_changed_item_of_ours_is_written_again(self) -> None:
        changed = [{"text": "changed by the EHR"}, {"text": "b"}]

        assert self.notes(["a", "b"], changed, ["a", "b"]) == ["a", "b"]


def lists(value: Any, path: str) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, dict):
        for name, below in value.items():
            if isinstance(below, list) and below and isinstance(below[0], dict):
                yield f"{path}.{name}", below
            yield from lists(below, f"{path}.{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from lists(item, f"{path}[{index}]")


def another(item: Any) -> Any:
    """An item that is somebody else's: each of its texts differs."""
    if isinstance(item, dict):
        fixed = ("url", "system", "use", "mode", "type", "code", "status", "reference")
        return {k: v if k in fixed else another(v) for k, v in item.items()}
    if isinstance(item, list):
        return [another(one) for one in item]
    return f"{item} (theirs)" if isinstance(item, str) else item


def unordered(value: Any) -> Any:
    """A form in which the order of lists does not count."""
    if isinstance(value, dict):
        return {name: unordered(below) for name, below in value.items()}
    if isinstance(value, list):
        return sorted(wire.canonical({"item": unordered(item)}).decode() for item in value)
    return value


@pytest.mark.parametrize("kind", documents.KINDS)
def test_item_that_others_added_to_any_list_stays_whole(kind: documents.Kind) -> None:
    lost = []
    by_entry = {template.entry.name: (template, made) for template, made in encoded(kind)}
    for template, resource in by_entry.values():
        seen = set()
        for index, (path, items) in enumerate(lists(resource, resource["resourceType"])):
            if (kind_of_place := re.sub(r"\d+", "", path)) in seen:
                continue
            seen.add(kind_of_place)
            theirs = {**another(items[-1]), "id": "theirs"}
            for place in (0, len(items)):
                stored = copy.deepcopy(resource)
                list(lists(stored, ""))[index][1].insert(place, theirs)

                merged = laid(template, stored, resource, resource)

                if unordered(merged) != unordered(stored):
                    lost.append(f"{path} at {place}")

    assert not lost
