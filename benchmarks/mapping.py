"""Mapping both ways, against a function written by hand that makes the same resources."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial

import orjson

from benchmarks import handwritten
from benchmarks.timing import ROOT, Row, compare
from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings, load_mappings
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.compiler import Mapping, compile_pack
from fhirbridge.mapping.model import Entry
from fhirbridge.native import documents
from fhirbridge.native.documents import Document

IDENTITY = Identity()
GOALS = {"compiled": 2.0, "compiled, with lineage": 7.0}
AGAINST = ("enrollment/mother-of-two", "enrollment/maximal")
WHOLE = ("enrollment/mother-of-two", "aftercare-plan/mother-of-two", "referral/maximal")

Functions = dict[str, Callable[[], object]]


class Different(Exception):
    """The function written by hand does not make what the mapping makes."""


def read(case: str) -> JsonObject:
    """The native document of a fixture."""
    return wire.parse((ROOT / "fixtures" / case / "native.json").read_bytes())


def load(case: str) -> Document:
    """The same, loaded."""
    data = read(case)
    return documents.load(documents.kind_of(data), data)


def floor(name: str) -> list[Row]:
    """How fast this machine is now: orjson reads and writes the largest golden Bundle."""
    text = (ROOT / "fixtures/enrollment/maximal/bundle.json").read_bytes()
    return compare("machine", {name: lambda: orjson.dumps(orjson.loads(text))})


def rows() -> list[Row]:
    """All figures of the mapping and of loading documents."""
    mappings = load_mappings(base=DEFAULT_BASE)
    found: list[Row] = []
    sessions = subset(mappings["enrollment"], handwritten.SUBSET)
    codes = handwritten.Codes(sessions.pack)
    for case in AGAINST:
        document = load(case)
        by_hand = partial(handwritten.series, document.data, codes, IDENTITY.namespace)
        found += against(f"map the sessions of {case}", document, sessions, by_hand)
    for case in WHOLE:
        found += both_ways(case, mappings)
    return found


def subset(mapping: Mapping, names: tuple[str, ...]) -> Mapping:
    """The mapping of these entries alone, without links to others."""

    def closed(entry: Entry) -> Entry:
        kept = (r for r in entry.rules if set(r.link.replace(",", " ").split()) <= set(names))
        return replace(entry, rules=tuple(kept))

    entries = {name: closed(mapping.pack.entries[name]) for name in names}
    return compile_pack(replace(mapping.pack, entries=entries), mapping.shape)


def against(
    group: str, document: Document, mapping: Mapping, by_hand: Callable[[], list[JsonObject]]
) -> list[Row]:
    """One document, by hand and compiled. Raises Different unless both make the same."""
    made = [item.resource for item in mapping.encode(document.data, IDENTITY.namespace).resources]
    if in_order(made) != in_order(by_hand()):
        raise Different(
            f"{group}: benchmarks/handwritten.py no longer does what the mapping does; change it"
            " with the rule that was changed."
        )
    functions: Functions = {
        "by hand": by_hand,
        "compiled": partial(mapping.encode, document.data, IDENTITY.namespace),
        "compiled, with lineage": partial(
            mapping.encode, document.data, IDENTITY.namespace, trace=True
        ),
    }
    return compare(f"{group} ({len(made)} resources)", functions, goals=GOALS)


def in_order(resources: Iterable[Resource]) -> bytes:
    """Resources as bytes to compare, whatever their order."""
    return wire.canonical(sorted(resources, key=lambda resource: str(resource["id"])))


def both_ways(case: str, mappings: Mappings) -> list[Row]:
    """A whole document: load it, encode it, decode it."""
    data = read(case)
    kind = documents.kind_of(data)
    document = documents.load(kind, data)
    mapping = mappings[kind]
    bundle = to_fhir(document, mapping, IDENTITY).bundle
    text = wire.dump(data)
    functions: Functions = {
        "parse the JSON": partial(wire.parse, text),
        "load": partial(documents.load, kind, data),
        "encode": partial(mapping.encode, document.data, IDENTITY.namespace),
        "encode, with lineage": partial(
            mapping.encode, document.data, IDENTITY.namespace, trace=True
        ),
        "to FHIR: encode, narrative, profiles": partial(to_fhir, document, mapping, IDENTITY),
        "to native: decode and prove": partial(to_native, bundle, mapping),
    }
    return compare(f"{case} ({len(bundle['entry'])} resources)", functions, rounds=7)
