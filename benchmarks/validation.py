"""Our validator against fhir.resources (R4B) on the same resources, already parsed."""

from collections.abc import Callable
from functools import partial

from benchmarks.timing import ROOT, Row, compare
from fhirbridge.fhir import wire
from fhirbridge.fhir.models import model_of, second_opinion
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Resource
from tests import official_examples

GOALS = {"ours": 0.15}
CASES = ("aftercare-plan/mother-of-two", "enrollment/mother-of-two", "referral/maximal")


def rows() -> list[Row]:
    """All figures of validation."""
    found: list[Row] = []
    for case in CASES:
        bundle = wire.parse((ROOT / "fixtures" / case / "bundle.json").read_bytes())
        entries = [entry["resource"] for entry in bundle["entry"]]
        kinds = ("CarePlan", "ServiceRequest")
        one = next(r for kind in kinds for r in entries if r["resourceType"] == kind)
        found += against(f"{one['resourceType']} of {case}", [one])
        found += against(f"Bundle {case}", [bundle])
    examples = [wire.parse(content) for content in official_examples.sample().values()]
    readable = [resource for resource in examples if not second_opinion(resource)]
    found += against(f"{len(readable)} official examples", readable)
    return found


def against(group: str, resources: list[Resource]) -> list[Row]:
    """The same resources by fhir.resources and by us; US Core, which the library does not know, is
    checked where it is claimed, and counted apart."""
    plain = [without_claims(resource) for resource in resources]
    functions: dict[str, Callable[[], object]] = {
        "fhir.resources": partial(_each, model_of, plain),
        "ours": partial(_each, check, plain),
    }
    if plain != resources:
        functions["ours, and the US Core profiles it claims"] = partial(_each, check, resources)
    return compare(f"validate {group}", functions, goals=GOALS, rounds=9)


def without_claims(resource: Resource) -> Resource:
    """The resource, and those in its entries, without meta.profile."""
    made = dict(resource)
    if isinstance(made.get("meta"), dict):
        made["meta"] = {name: value for name, value in made["meta"].items() if name != "profile"}
        if not made["meta"]:
            del made["meta"]
    if made["resourceType"] == "Bundle":
        made["entry"] = [
            {**entry, "resource": without_claims(entry["resource"])}
            if "resource" in entry
            else entry
            for entry in made.get("entry", ())
        ]
    return made


def _each(function: Callable[[Resource], object], resources: list[Resource]) -> None:
    for resource in resources:
        function(resource)
