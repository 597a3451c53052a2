"""Synthetic people and their documents."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from fhirbridge import synthetic
from fhirbridge.native import documents

MAKERS: dict[documents.Kind, Callable[..., Any]] = {
    "enrollment": synthetic.enrollment,
    "aftercare-plan": synthetic.aftercare_plan,
    "referral": synthetic.referral,
}


@pytest.mark.parametrize("kind", documents.KINDS)
@pytest.mark.parametrize("today", [synthetic.TODAY, date(2024, 2, 29), date(2026, 11, 1)], ids=str)
def test_documents_of_any_seed_and_day_load_without_warnings(
    kind: documents.Kind, today: date
) -> None:
    for seed in range(24):
        issues = documents.load(kind, MAKERS[kind](seed, today=today)).issues

        assert [issue for issue in issues if issue.severity != "information"] == []


@pytest.mark.parametrize("kind", documents.KINDS)
def test_same_seed_gives_the_same_document_and_another_seed_another(kind: documents.Kind) -> None:
    assert MAKERS[kind](7) == MAKERS[kind](7)
    assert MAKERS[kind](7) != MAKERS[kind](8)


def test_documents_of_a_seed_belong_together() -> None:
    enrollment, plan, referral = (make(3) for make in MAKERS.values())

    assert enrollment["patient"] == plan["patient"] == referral["patient"]
    assert plan["enrollmentId"] == enrollment["enrollmentId"]
    assert enrollment["discharge"]["aftercarePlanId"] == plan["planId"]
    assert referral["referralId"] in [item.get("referralId") for item in plan["items"]]


def test_telephone_numbers_are_reserved_for_fiction() -> None:
    for seed in range(24):
        assert synthetic.enrollment(seed)["patient"]["phone"].startswith("+121755501")
