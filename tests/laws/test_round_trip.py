"""The five laws of the mappings (design.md section 6), for generated documents of every kind."""

import copy
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mapping
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import round_trippable, to_native
from fhirbridge.conversion.update import update
from fhirbridge.fhir import wire
from fhirbridge.fhir.validation import check
from fhirbridge.mapping.check import leaves, readers
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.native import documents
from fhirbridge.native.documents import KINDS, Kind
from tests.laws.strategies import documents as generated

IDENTITY = Identity()
NAMESPACE = IDENTITY.namespace
ADDED = {"url": "https://elsewhere.example/extension", "valueString": "added by someone else"}


@cache
def mapping_of(kind: Kind) -> Mapping:
    return load_mapping(kind, base=DEFAULT_BASE)


def converted(kind: Kind, data: Any) -> tuple[Any, Any]:
    document = documents.load(kind, data)
    return document, to_fhir(document, mapping_of(kind), IDENTITY).bundle


@pytest.mark.parametrize("kind", KINDS)
class TestLaws:
    @given(data=st.data())
    def test_1_round_trip_gives_the_loaded_document_back(self, kind: Kind, data: Any) -> None:
        document, bundle = converted(kind, data.draw(generated(kind)))

        result = to_native(bundle, mapping_of(kind))

        expected = round_trippable(document.data, mapping_of(kind))
        assert wire.canonical(result.document) == wire.canonical(expected)
        assert [issue for issue in result.issues if issue.severity != "information"] == []

    @given(data=st.data())
    def test_2_update_keeps_what_others_added(self, kind: Kind, data: Any) -> None:
        mapping = mapping_of(kind)
        document = documents.load(kind, data.draw(generated(kind)))
        made = data.draw(st.sampled_from(mapping.encode(document.data, NAMESPACE).resources))
        stored = copy.deepcopy(made.resource)
        stored["extension"] = [*stored.get("extension", []), ADDED]
        stored["language"] = "es"
        changed = with_another_text(made.resource, data)
        template = mapping.compiled[made.instance.entry.name].template

        merged = update(stored, changed, template, lambda reference, entry: True)

        assert ADDED in merged["extension"]
        assert merged["language"] == "es"
        without = copy.deepcopy(merged)
        without["extension"] = [e for e in without["extension"] if e != ADDED]
        if not without["extension"]:
            del without["extension"]
        del without["language"]
        assert wire.canonical(without) == wire.canonical(changed)

    @given(data=st.data())
    def test_3_foreign_elements_are_listed(self, kind: Kind, data: Any) -> None:
        _, bundle = converted(kind, data.draw(generated(kind)))
        position = data.draw(st.integers(0, len(bundle["entry"]) - 1))
        resource = bundle["entry"][position]["resource"]
        resource["extension"] = [*resource.get("extension", []), ADDED]
        place = f"{resource['resourceType']}.extension"
        places = {place, f"{place}[{len(resource['extension']) - 1}]"}

        result = to_native(bundle, mapping_of(kind))

        assert places & {path for issue in result.issues for path in issue.expression}

    @given(data=st.data())
    def test_5_changed_element_changes_its_field_or_is_listed(self, kind: Kind, data: Any) -> None:
        document = documents.load(kind, data.draw(generated(kind)))
        made = to_fhir(document, mapping_of(kind), IDENTITY, explain=True)
        two_way = [
            e for e in made.lineage if e.native and not e.path.endswith((".id", ".reference"))
        ]
        chosen = data.draw(st.sampled_from(two_way))
        label = chosen.resource
        resource = next(
            entry["resource"]
            for entry in made.bundle["entry"]
            if f"{entry['resource']['resourceType']}/{entry['resource']['id']}" == label
        )
        before = to_native(made.bundle, mapping_of(kind))
        change_leaf(resource, chosen.path)

        after = to_native(made.bundle, mapping_of(kind))

        assert (
            wire.canonical(after.document) != wire.canonical(before.document)
            or after.issues != before.issues
        )

    @given(data=st.data())
    def test_every_conversion_passes_the_gate(self, kind: Kind, data: Any) -> None:
        _, bundle = converted(kind, data.draw(generated(kind)))

        assert [issue for issue in check(bundle) if issue.is_error] == []

    @given(data=st.data())
    def test_every_leaf_is_explained_once(self, kind: Kind, data: Any) -> None:
        document = documents.load(kind, data.draw(generated(kind)))

        made = to_fhir(document, mapping_of(kind), IDENTITY, explain=True)

        explained = sorted((e.resource, e.path) for e in made.lineage)
        present = sorted(
            (f"{r['resourceType']}/{r['id']}", path)
            for r in (entry["resource"] for entry in made.bundle["entry"])
            for path in leaf_paths(r, r["resourceType"])
        )
        assert explained == present


@pytest.mark.parametrize("kind", KINDS)
def test_4_every_field_is_read_by_one_rule_or_excused_with_a_reason(kind: Kind) -> None:
    mapping = mapping_of(kind)
    read = readers({name: item.template for name, item in mapping.compiled.items()})

    silent = [
        (rule.name, str(rule.place))
        for entry in mapping.pack.entries.values()
        for rule in entry.rules
        if rule.direction != "both" and not rule.reason
    ]

    assert silent == []
    assert all(reason for reason in mapping.pack.excused.values())
    assert len(read) > 0.9 * sum(1 for _ in leaves(mapping.shape)) - len(mapping.pack.excused) - 2


def with_another_text(resource: Any, data: Any) -> Any:
    """The resource as a changed document would make it: one text different."""
    changed = copy.deepcopy(resource)
    texts = [p for p in leaf_paths(changed, "") if p.endswith((".text", ".valueString", ".family"))]
    if texts:
        change_leaf(changed, "x" + data.draw(st.sampled_from(texts)))
    return changed


def leaf_paths(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaf_paths(item, f"{path}.{name}")]
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [leaf for i, item in enumerate(value) for leaf in leaf_paths(item, f"{path}[{i}]")]
    if isinstance(value, list):
        return [f"{path}[{i}]" for i in range(len(value))]
    return [path]


def change_leaf(resource: Any, path: str) -> None:
    """Change the primitive at a FHIRPath so that it means something else."""
    steps: list[str | int] = []
    for part in path.split(".")[1:]:
        name, _, index = part.partition("[")
        steps.append(name)
        if index:
            steps.append(int(index[:-1]))
    holder = resource
    for step in steps[:-1]:
        holder = holder[step]
    value = holder[steps[-1]]
    if isinstance(value, bool):
        holder[steps[-1]] = not value
    elif isinstance(value, str):
        holder[steps[-1]] = changed_text(value)
    else:
        holder[steps[-1]] = value + 1


def changed_text(value: str) -> str:
    if len(value) >= 10 and value[:4].isdigit() and value[4] == "-":
        return f"{int(value[:4]) - 1:04d}{value[4:]}"
    return f"{value}x"
