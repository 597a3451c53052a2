"""What is done along the schema of a document: references, keys of lists, order, doubts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.containers import Listing, Object
from fhirbridge.native.fields import Value
from fhirbridge.native.rules.findings import Findings, entries, member


@dataclass(frozen=True, slots=True)
class Leaf:
    """A single value with its field and place."""

    path: Path
    field: Value
    value: Any


@dataclass(frozen=True, slots=True)
class Keyed:
    """A list whose items have keys, with its place."""

    path: Path
    field: Listing
    items: list[Any]


def walk(schema: Schema, value: JsonObject, path: Path = ()) -> Iterator[Leaf | Keyed]:
    """Every value and every keyed list of an object, depth first."""
    for name, field in schema.fields.items():
        if name in value:
            yield from _walk_field(field, value[name], (*path, name))


def _walk_field(field: Any, value: Any, path: Path) -> Iterator[Leaf | Keyed]:
    if isinstance(field, Object):
        if isinstance(value, dict):
            yield from walk(field.schema, value, path)
    elif isinstance(field, Listing):
        if field.key not in (None, "."):
            yield Keyed(path, field, value)
        for index, item in enumerate(value):
            if item is not None:
                yield from _walk_field(field.item, item, (*path, index))
    else:
        yield Leaf(path, field, value)


def check(schema: Schema, document: JsonObject, findings: Findings) -> None:
    """Find references without target and keys that occur twice; speak of doubtful values."""
    targets = _targets(document)
    for place in walk(schema, document):
        if isinstance(place, Keyed):
            _check_keys(place, findings)
            continue
        if place.field.ref and place.value not in targets[place.field.ref]:
            findings.error(
                place.path,
                f"No entry of {_NAMED[place.field.ref]} has this id.",
                f"{place.field.ref}-reference",
                code="not-found",
            )
        advice = place.field.advise(place.value)
        if advice is not None:
            findings.warn(place.path, advice.sentence, advice.rule, code="code-invalid")


_NAMED = {
    "staff": "`staff` or `authors`",
    "consents": "`consents`",
    "schedule": "`schedule`",
    "triggers": "`triggers`",
}


def _targets(document: JsonObject) -> dict[str, set[Any]]:
    prevention = member(document, "relapsePreventionPlan")
    return {
        "staff": _ids(document, "staff") | _ids(document, "authors"),
        "consents": _ids(document, "consents"),
        "schedule": _ids(document, "schedule"),
        "triggers": _ids(prevention, "triggers"),
    }


def _ids(parent: JsonObject, name: str) -> set[Any]:
    return {entry["id"] for _, entry in entries(parent, name) if "id" in entry}


def key_of(field: Listing, item: JsonObject) -> tuple[Any, ...]:
    """The key of an item, as a tuple that sorts; a missing part is None."""
    names = field.key if isinstance(field.key, tuple) else (str(field.key),)
    return tuple(item.get(name) for name in names)


def _check_keys(place: Keyed, findings: Findings) -> None:
    seen: set[tuple[Any, ...]] = set()
    for index, item in enumerate(place.items):
        if not isinstance(item, dict):
            continue
        key = key_of(place.field, item)
        if None in key:
            continue
        if key in seen:
            names = place.field.key if isinstance(place.field.key, tuple) else (place.field.key,)
            findings.error(
                (*place.path, index, str(names[-1])),
                "Another entry of the list is the same by "
                f"{' and '.join(f'`{name}`' for name in names)}.",
                "duplicate-key",
                code="duplicate",
            )
        seen.add(key)


def arrange(schema: Schema, value: JsonObject) -> JsonObject:
    """A copy of a valid object with its keyed lists in order and its sets without repeats."""
    return {
        name: _arrange_field(field, value[name])
        for name, field in schema.fields.items()
        if name in value
    }


def _arrange_field(field: Any, value: Any) -> Any:
    if isinstance(field, Object):
        return arrange(field.schema, value)
    if not isinstance(field, Listing):
        return value
    if field.key == ".":
        return sorted(set(value))
    items = [_arrange_field(field.item, item) for item in value]
    if field.key is not None:
        items.sort(key=lambda item: key_of(field, item))
    return items
