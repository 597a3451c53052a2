"""Each case in fixtures/ becomes exactly its golden Bundle, and comes back from it.

`pytest --update-golden` rewrites bundle.json and issues.json; the difference is reviewed like code.
"""

from functools import cache
from pathlib import Path

import fhirkit
import pytest

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings, load_mappings
from fhirbridge.conversion.own_codes import own_codes
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import round_trippable, to_native
from fhirbridge.errors import Issue
from fhirbridge.fhir import wire
from fhirbridge.fhir.models import second_opinion
from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.own_codes import OwnCodes
from fhirbridge.fhir.validation.profiles import check_profile, known_profiles
from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.native import documents

FIXTURES = Path(__file__).parents[2] / "fixtures"
CASES = sorted(
    path.parent for kind in documents.KINDS for path in FIXTURES.glob(f"{kind}/*/native.json")
)


def case_id(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


@cache
def mappings() -> Mappings:
    return load_mappings(base=DEFAULT_BASE)


@cache
def systems() -> OwnCodes:
    return own_codes(mappings())


@cache
def made(case: Path) -> tuple[documents.Document, JsonObject, list[Issue]]:
    data = wire.parse((case / "native.json").read_bytes())
    document = documents.load(documents.kind_of(data), data)
    result = to_fhir(document, mappings()[document.kind], Identity())
    return document, result.bundle, [*document.issues, *result.issues]


def told(issues: list[Issue]) -> Json:
    return [
        {
            "severity": issue.severity,
            "code": issue.code,
            "expression": list(issue.expression),
            "diagnostics": issue.diagnostics,
            "rule": issue.rule,
        }
        for issue in issues
    ]


def test_every_document_has_at_least_twelve_cases() -> None:
    counts = {kind: sum(case.parent.name == kind for case in CASES) for kind in documents.KINDS}

    assert min(counts.values()) >= 12, counts
    assert len(list((FIXTURES / "invalid").iterdir())) >= 15


@pytest.mark.parametrize("case", CASES, ids=case_id)
class TestCase:
    def test_output_is_the_golden_one(self, case: Path, update_golden: bool) -> None:
        _, bundle, issues = made(case)
        expected = {"bundle.json": bundle, "issues.json": told(issues)}
        if update_golden:
            for name, value in expected.items():
                (case / name).write_bytes(wire.dump(value, pretty=True) + b"\n")

        for name, value in expected.items():
            assert wire.dump(value, pretty=True) + b"\n" == (case / name).read_bytes(), name

    def test_gate_finds_no_fault(self, case: Path) -> None:
        _, bundle, _ = made(case)

        assert check(bundle, ours=True, own_codes=systems()) == []

    def test_claimed_profiles_hold_in_every_version_of_us_core(self, case: Path) -> None:
        _, bundle, _ = made(case)
        types = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}

        broken = {
            (resource["resourceType"], issue.diagnostics)
            for resource in (entry["resource"] for entry in bundle["entry"])
            for claim in resource.get("meta", {}).get("profile", ())
            for issue in check_profile(resource, claim.partition("|")[0], types=types)
        }

        assert broken == set()

    def test_what_has_a_profile_in_us_core_claims_it(self, case: Path) -> None:
        _, bundle, _ = made(case)

        silent = {
            resource["resourceType"]
            for resource in (entry["resource"] for entry in bundle["entry"])
            if resource["resourceType"] in known_profiles().values()
            and not resource.get("meta", {}).get("profile")
        }

        # Observation has profiles of many kinds in US Core; ours is the one of screenings.
        assert silent <= {"Observation"}

    def test_fhirkit_finds_no_fault(self, case: Path) -> None:
        _, bundle, _ = made(case)

        assert [str(issue) for issue in fhirkit.validate(wire.dump(bundle).decode())] == []

    def test_fhir_resources_reads_it(self, case: Path) -> None:
        _, bundle, _ = made(case)

        assert second_opinion(bundle) == []

    def test_document_comes_back(self, case: Path) -> None:
        document, bundle, _ = made(case)

        result = to_native(bundle, mappings()[document.kind])

        expected = round_trippable(document.data, mappings()[document.kind])
        assert wire.canonical(result.document) == wire.canonical(expected)
        assert [issue for issue in result.issues if issue.severity != "information"] == []
