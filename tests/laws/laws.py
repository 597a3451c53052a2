"""The laws of the mappings (design.md section 6), each as a function: case -> what breaks it.

`pytest tests/laws` holds them against 200 documents of each kind, `python -m benchmarks.laws`
against as many as one likes. A case is made once and all laws look at it.
"""

import copy
import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mapping
from fhirbridge.conversion.model import ToFhir, ToNative
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import round_trippable, to_native
from fhirbridge.conversion.update import update
from fhirbridge.fhir import wire
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.compiler import Mapping as Compiled
from fhirbridge.native import documents
from fhirbridge.native.documents import Document, Kind
from tests.laws.strategies import STREAMS, Stream

IDENTITY = Identity()
ADDED = {"url": "https://elsewhere.example/extension", "valueString": "added by someone else"}


@cache
def mapping_of(kind: Kind) -> Compiled:
    return load_mapping(kind, base=DEFAULT_BASE)


def streams(count: int, number: int) -> list[Stream]:
    """As many as Hypothesis draws under a seed."""
    drawn: list[Stream] = []

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        derandomize=False,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(STREAMS)
    def collect(stream: Stream) -> None:
        drawn.append(stream)

    collect()
    return drawn


class Case:
    """One generated document with all that the laws need of it, each part made when first asked."""

    def __init__(self, kind: Kind, stream: Stream, chance: int = 0) -> None:
        self.kind = kind
        self.mapping = mapping_of(kind)
        self.native = stream.document(kind)
        self._chance = chance

    def chance(self, law: str) -> random.Random:
        """What a law chooses by: the same for the same case."""
        return random.Random(f"{self._chance} {law}")

    @cached_property
    def document(self) -> Document:
        return documents.load(self.kind, self.native)

    @cached_property
    def made(self) -> ToFhir:
        """With lineage; that the Bundle is the same without is a law of its own."""
        return to_fhir(self.document, self.mapping, IDENTITY, explain=True)

    @cached_property
    def back(self) -> ToNative:
        return to_native(self.made.bundle, self.mapping)

    def with_resource(self, position: int, resource: Resource) -> JsonObject:
        """The Bundle with another resource in one entry."""
        entries = list(self.made.bundle["entry"])
        entries[position] = {**entries[position], "resource": resource}
        return {**self.made.bundle, "entry": entries}


def law_1_round_trip(case: Case) -> Iterator[str]:
    expected = round_trippable(case.document.data, case.mapping)
    if wire.canonical(case.back.document) != wire.canonical(expected):
        yield "the document that comes back differs"
    for issue in case.back.issues:
        if issue.severity != "information":
            yield f"coming back is not silent: {issue.expression} {issue.diagnostics}"


def law_2_update_keeps_what_others_added(case: Case) -> Iterator[str]:
    chance = case.chance("2")
    mapping = case.mapping
    made = chance.choice(mapping.encode(case.document.data, IDENTITY.namespace).resources)
    stored = copy.deepcopy(made.resource)
    stored["extension"] = [*stored.get("extension", []), ADDED]
    stored["language"] = "es"
    changed = with_another_text(made.resource, chance)
    template = mapping.compiled[made.instance.entry.name].template

    merged = copy.deepcopy(update(stored, changed, template, lambda reference, entry: True))

    if ADDED not in merged.get("extension", ()) or merged.pop("language", "") != "es":
        yield f"{made.resource['resourceType']}: an addition is lost"
    merged["extension"] = [item for item in merged.get("extension", ()) if item != ADDED]
    if not merged["extension"]:
        del merged["extension"]
    if wire.canonical(merged) != wire.canonical(changed):
        yield f"{made.resource['resourceType']}: the rest is not what the new document says"


def law_3_foreign_elements_are_listed(case: Case) -> Iterator[str]:
    chance = case.chance("3")
    position = chance.randrange(len(case.made.bundle["entry"]))
    resource = copy.deepcopy(case.made.bundle["entry"][position]["resource"])
    path, holder = chance.choice(list(objects(resource, resource["resourceType"])))
    holder["extension"] = [*holder.get("extension", []), ADDED]
    place = f"{path}.extension"
    places = {place, f"{place}[{len(holder['extension']) - 1}]", *ancestors(path)}

    found = to_native(case.with_resource(position, resource), case.mapping)

    if not places & {path for issue in found.issues for path in issue.expression}:
        yield f"{place} was added and is not listed"


def law_5_changed_element_changes_its_field_or_is_listed(case: Case) -> Iterator[str]:
    chance = case.chance("5")
    two_way = [
        item
        for item in case.made.lineage
        if item.native and not item.path.endswith((".id", ".reference"))
    ]
    # a rule first, else the many sessions of an enrollment hide the rest
    place = chance.choice(sorted({(item.place, item.rule) for item in two_way}))
    chosen = chance.choice([item for item in two_way if (item.place, item.rule) == place])
    position, resource = next(
        (position, entry["resource"])
        for position, entry in enumerate(case.made.bundle["entry"])
        if f"{entry['resource']['resourceType']}/{entry['resource']['id']}" == chosen.resource
    )
    changed = copy.deepcopy(resource)
    change_leaf(changed, chosen.path)

    after = to_native(case.with_resource(position, changed), case.mapping)

    same = wire.canonical(after.document) == wire.canonical(case.back.document)
    if same and after.issues == case.back.issues:
        yield f"{chosen.path} ({chosen.place} {chosen.rule}) was changed, and nothing tells"


def gate_finds_no_fault(case: Case) -> Iterator[str]:
    for issue in check(case.made.bundle, ours=True):
        if issue.is_error:
            yield f"{issue.expression} {issue.diagnostics}"


def every_leaf_is_explained_once(case: Case) -> Iterator[str]:
    explained = sorted((item.resource, item.path) for item in case.made.lineage)
    present = sorted(
        (f"{resource['resourceType']}/{resource['id']}", path)
        for resource in (entry["resource"] for entry in case.made.bundle["entry"])
        for path in leaf_paths(resource, resource["resourceType"])
    )
    if explained != present:
        odd = set(explained) ^ set(present)
        yield f"not explained exactly once: {sorted(path for _, path in odd)[:5]}"


def explaining_changes_nothing(case: Case) -> Iterator[str]:
    plain = to_fhir(case.document, case.mapping, IDENTITY)
    if wire.canonical(plain.bundle) != wire.canonical(case.made.bundle):
        yield "the Bundle differs when it is explained"
    if plain.issues != case.made.issues:
        yield "the issues differ when it is explained"


LAWS: Mapping[str, Callable[[Case], Iterator[str]]] = {
    law.__name__: law
    for law in (
        law_1_round_trip,
        law_2_update_keeps_what_others_added,
        law_3_foreign_elements_are_listed,
        law_5_changed_element_changes_its_field_or_is_listed,
        gate_finds_no_fault,
        every_leaf_is_explained_once,
        explaining_changes_nothing,
    )
}


def broken(case: Case) -> dict[str, list[str]]:
    """The laws that a case breaks, and how; an exception breaks a law too."""
    found: dict[str, list[str]] = {}
    for name, law in LAWS.items():
        try:
            faults = list(law(case))
        except Exception as error:
            faults = [f"{type(error).__name__}: {error}"]
        if faults:
            found[name] = faults
    return found


def with_another_text(resource: Resource, chance: random.Random) -> Resource:
    """The resource as a changed document would make it: one text different."""
    changed = copy.deepcopy(resource)
    texts = [p for p in leaf_paths(changed, "") if p.endswith((".text", ".valueString", ".family"))]
    if texts:
        change_leaf(changed, "x" + chance.choice(texts))
    return changed


def leaf_paths(value: Any, path: str) -> list[str]:
    """The paths of all primitives."""
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaf_paths(item, f"{path}.{name}")]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in leaf_paths(item, f"{path}[{i}]")]
    return [path]


def objects(value: Any, path: str) -> Iterator[tuple[str, JsonObject]]:
    """All objects with their paths."""
    if isinstance(value, dict):
        yield path, value
        for name, item in value.items():
            yield from objects(item, f"{path}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from objects(item, f"{path}[{i}]")


def ancestors(path: str) -> set[str]:
    """The elements around a path below the resource: listed as a whole counts too."""
    steps = path.split(".")
    return {".".join(steps[:count]) for count in range(2, len(steps) + 1)}


def change_leaf(resource: Resource, path: str) -> None:
    """Change the primitive at a FHIRPath so that it means something else."""
    steps: list[str | int] = []
    for part in path.split(".")[1:]:
        name, _, index = part.partition("[")
        steps.append(name)
        if index:
            steps.append(int(index[:-1]))
    holder: Any = resource
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
    """Another text of the same form where it is a date."""
    if len(value) >= 10 and value[:4].isdigit() and value[4] == "-":
        if value[5:10] == "02-29":  # the year before has no such day
            return f"{value[:5]}02-28{value[10:]}"
        return f"{int(value[:4]) - 1:04d}{value[4:]}"
    return f"{value}x"
