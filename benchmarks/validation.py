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
        plan = next((r for r in entries if r["resourceType"] == "CarePlan"), entries[-1])
        found += against(f"{plan['resourceType']} of {case}", [plan])
        found += against(f"Bundle {case}", [bundle])
    examples = [wire.parse(content) for content in official_examples.sample().values()]
    readable = [resource for resource in examples if not second_opinion(resource)]
    found += against(f"{len(readable)} official examples", readable)
    return found


def against(group: str, resources: list[Resource]) -> list[Row]:
    """The same resources by fhir.resources and by us."""
    functions: dict[str, Callable[[], object]] = {
        "fhir.resources": partial(_each, model_of, resources),
        "ours": partial(_each, check, resources),
    }
    return compare(f"validate {group}", functions, goals=GOALS, rounds=9)


def _each(function: Callable[[Resource], object], resources: list[Resource]) -> None:
    for resource in resources:
        function(resource)
