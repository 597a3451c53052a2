"""Codes of our own code systems."""

from typing import Any

import pytest

from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.own_codes import OwnCodes, check_own_codes

PREFIX = "https://base.example/CodeSystem/"
OWN = OwnCodes(
    PREFIX,
    {f"{PREFIX}closed": frozenset({"a", "b"}), f"{PREFIX}open": None},
)


def goal(system: str, code: str) -> Any:
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "category": [{"coding": [{"system": "https://other.example", "code": "z"}]}],
        "description": {"coding": [{"system": system, "code": code}]},
        "subject": {"reference": "Patient/p"},
    }


@pytest.mark.parametrize(
    ("system", "code"),
    [("closed", "a"), ("open", "anything")],
    ids=["known code", "open vocabulary"],
)
def test_code_that_its_system_has_passes(system: str, code: str) -> None:
    assert check(goal(PREFIX + system, code), own_codes=OWN) == []


@pytest.mark.parametrize(
    ("system", "code"),
    [("closed", "c"), ("unheard-of", "a")],
    ids=["unknown code", "unknown system"],
)
def test_code_or_system_that_is_not_ours_is_refused_with_its_place(system: str, code: str) -> None:
    (issue,) = check(goal(PREFIX + system, code), own_codes=OWN)

    assert (issue.severity, issue.code) == ("error", "business-rule")
    assert issue.expression == ("Goal.description.coding[0].code",)
    assert code not in issue.diagnostics.split()


def test_systems_of_others_are_their_business() -> None:
    assert check_own_codes(goal("https://base.example/other", "c"), OWN) == []


def test_codes_are_not_looked_at_unless_asked() -> None:
    assert check(goal(f"{PREFIX}closed", "c")) == []
