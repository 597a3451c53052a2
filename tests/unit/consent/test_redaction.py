"""What is left of a resource for somebody who may not see all of it."""

from collections.abc import Callable

import pytest

from fhirbridge.consent.classes import CLASSES, content_class
from fhirbridge.consent.redaction import redact
from fhirbridge.consent.stripping import View
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import JsonObject

SUBJECT = {"reference": "Patient/p1", "display": "Ada Ash"}
PLAN: JsonObject = {
    "resourceType": "CarePlan",
    "id": "c1",
    "status": "active",
    "intent": "plan",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">F10</div>'},
    "subject": SUBJECT,
    "addresses": [{"reference": "Condition/h1"}],
    "contained": [
        {"resourceType": "Condition", "id": "k1", "subject": SUBJECT},
        {"resourceType": "Goal", "id": "k2", "lifecycleStatus": "active", "subject": SUBJECT}
        | {"description": {"text": "x"}},
    ],
    "goal": [{"reference": "#k2"}, {"reference": "Goal/g1"}, {"reference": "Goal/hidden"}],
    "supportingInfo": [{"reference": "#k1"}],
    "activity": [
        {"reference": {"reference": "MedicationRequest/hidden"}},
        {"detail": {"status": "scheduled", "reasonCode": [{"text": "alcohol"}]}},
    ],
}


def seen(*classes: str, sees: Callable[[str], bool] = lambda name: "hidden" not in name) -> View:
    return View(frozenset(classes), sees, frozenset({"Patient/p1"}))


def test_what_may_be_seen_whole_is_the_same_object() -> None:
    view = seen(*CLASSES, sees=lambda _: True)

    assert redact(PLAN, view, of_class="treatment-plan") is PLAN


def test_elements_references_and_texts_go() -> None:
    left = redact(PLAN, seen("treatment-plan", "identity"), of_class="treatment-plan")

    assert left is not None
    assert not {"addresses", "supportingInfo"} & left.keys()
    assert [each["id"] for each in left["contained"]] == ["k2"]
    assert [each["reference"] for each in left["goal"]] == ["#k2", "Goal/g1"]
    assert left["activity"] == [{"detail": {"status": "scheduled"}}]
    assert "F10" not in left["text"]["div"] and "alcohol" not in left["text"]["div"]
    assert not [issue for issue in check(left) if issue.is_error]


def test_the_patient_has_no_name_where_identity_is_withheld() -> None:
    left = redact(PLAN, seen("treatment-plan"), of_class="treatment-plan")

    assert left is not None
    assert left["subject"] == {"reference": "Patient/p1"}


@pytest.mark.parametrize(
    ("resource", "is_left"),
    [
        (
            {
                "resourceType": "Provenance",
                "target": [{"reference": "Condition/hidden"}],
                "recorded": "2026-01-01T00:00:00Z",
                "agent": [{"who": {"reference": "Organization/o1"}}],
            },
            False,
        ),
        (
            {
                "resourceType": "Appointment",
                "status": "proposed",
                "comment": "secret",
                "participant": [
                    {"actor": SUBJECT, "status": "accepted"},
                    {"actor": {"reference": "RelatedPerson/hidden"}, "status": "accepted"},
                ],
            },
            True,
        ),
        (
            {
                "resourceType": "MedicationRequest",
                "status": "active",
                "intent": "order",
                "subject": SUBJECT,
                "medicationReference": {"reference": "Medication/hidden"},
            },
            False,
        ),
    ],
    ids=["nothing to be about", "one participant less", "no drug"],
)
def test_what_would_not_be_valid_is_dropped(resource: JsonObject, is_left: bool) -> None:
    of_class = content_class(resource)

    left = redact(resource, seen(of_class), of_class=of_class)

    assert (left is not None) == is_left
    if left is not None:
        assert "comment" not in left
        assert len(left["participant"]) == 1
        assert not [issue for issue in check(left) if issue.is_error]


@pytest.mark.parametrize(
    ("reference", "is_left"),
    [
        ({"display": "Urine drug screen"}, False),
        ({"identifier": {"system": "urn:lab", "value": "1"}}, False),
        ({"type": "Goal", "display": "Walk"}, True),
        ({"type": "Observation", "display": "Urine drug screen"}, False),
        ({"reference": "http://else.example/fhir/Condition/1", "display": "Alcohol"}, False),
        ({"reference": "http://else.example/fhir/Goal/1"}, True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_name_without_a_type_may_be_that_of_something_withheld(
    reference: JsonObject, is_left: bool
) -> None:
    plan = {**PLAN, "supportingInfo": [{"reference": "#k1"}, reference]}

    left = redact(plan, seen("treatment-plan", "identity"), of_class="treatment-plan")
    whole = redact(plan, seen(*CLASSES), of_class="treatment-plan")

    assert left is not None and whole is not None
    assert left.get("supportingInfo", []) == [reference] * is_left
    assert whole["supportingInfo"] == plan["supportingInfo"]


def test_a_name_stays_where_nothing_that_it_may_mean_is_withheld() -> None:
    doctor = {"display": "Dr. E"}
    npi = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}}
    flag: JsonObject = {"resourceType": "Flag", "id": "f", "status": "active", "subject": SUBJECT}
    flag |= {"code": {"text": "x"}, "author": doctor}

    left = redact(flag, seen("treatment-plan", "identity"), of_class="treatment-plan")
    fewer = redact({**PLAN, "author": npi}, seen("treatment-plan"), of_class="treatment-plan")

    assert left is not None and fewer is not None
    assert left["author"] == doctor
    assert fewer["author"] == npi
