"""Mapping both ways against functions written by hand that make the same Bundles."""

from dataclasses import replace
from functools import partial

import orjson

from benchmarks import handwritten, handwritten_series
from benchmarks.timing import ROOT, Row, compare
from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings, load_mappings
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.mapping.compiler import Mapping, compile_pack
from fhirbridge.native import documents
from fhirbridge.native.documents import Document

IDENTITY = Identity()
GOALS = {"compiled": 2.0, "compiled, with lineage": 7.0}


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
    referral = mappings["referral"]
    codes = handwritten.Codes(referral.pack)
    for case in ("referral/scheduled", "referral/maximal"):
        document = load(case)
        by_hand = partial(handwritten.referral, document.data, codes, IDENTITY.namespace)
        found += against(f"map {case}", document, referral, by_hand)
    series = subset(mappings["enrollment"], handwritten_series.SUBSET)
    codes = handwritten.Codes(series.pack)
    for case in ("enrollment/mother-of-two", "enrollment/maximal"):
        document = load(case)
        by_hand = partial(handwritten_series.series, document.data, codes, IDENTITY.namespace)
        found += against(f"map {case}, sessions", document, series, by_hand)
    for case in ("enrollment/mother-of-two", "enrollment/maximal", "aftercare-plan/mother-of-two"):
        found += both_ways(case, mappings)
    return found


def subset(mapping: Mapping, names: tuple[str, ...]) -> Mapping:
    """The mapping of these entries alone."""
    entries = {name: mapping.pack.entries[name] for name in names}
    return compile_pack(replace(mapping.pack, entries=entries), mapping.shape)


def against(
    group: str, document: Document, mapping: Mapping, by_hand: "partial[JsonObject]"
) -> list[Row]:
    """One document, by hand and compiled. Raises Different unless both give the same Bundle."""
    made = to_fhir(document, mapping, IDENTITY).bundle
    if in_order(made) != in_order(by_hand()):
        raise Different(
            f"{group}: benchmarks/handwritten*.py no longer does what the mapping does; change it"
            " with the rule that was changed."
        )
    functions = {
        "by hand": by_hand,
        "compiled": lambda: to_fhir(document, mapping, IDENTITY),
        "compiled, with lineage": lambda: to_fhir(document, mapping, IDENTITY, explain=True),
    }
    return compare(f"{group} ({len(made['entry'])} resources)", functions, goals=GOALS)


def in_order(bundle: JsonObject) -> bytes:
    """The entries of a Bundle, whose order does not matter, as bytes to compare."""
    return wire.canonical(sorted(bundle["entry"], key=lambda entry: str(entry["fullUrl"])))


def both_ways(case: str, mappings: Mappings) -> list[Row]:
    """A whole document: load it, encode it, decode it."""
    data = read(case)
    kind = documents.kind_of(data)
    document = documents.load(kind, data)
    mapping = mappings[kind]
    bundle = to_fhir(document, mapping, IDENTITY).bundle
    text = wire.dump(data)
    functions = {
        "parse the JSON": lambda: wire.parse(text),
        "load": lambda: documents.load(kind, data),
        "encode": lambda: to_fhir(document, mapping, IDENTITY),
        "encode, with lineage": lambda: to_fhir(document, mapping, IDENTITY, explain=True),
        "decode": lambda: to_native(bundle, mapping),
    }
    return compare(f"{case} ({len(bundle['entry'])} resources)", functions, rounds=7)
