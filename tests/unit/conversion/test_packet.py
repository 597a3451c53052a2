"""What a handoff carries: one Task, with everything the partner needs to act on it."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from fhirbridge.conversion.packet import Outgoing, Package, handoff_id, pack
from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import bundles
from fhirbridge.fhir.validation import check
from fhirbridge.workflow.words import Profile

NAMESPACE = UUID("6f1d4f0a-52c4-5e0b-9a51-0d6c1b1e7a10")
BASE = "https://fhirbridge.example/fhir"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def entry(resource: dict[str, Any], name: str) -> dict[str, Any]:
    return bundles.create_entry(resource, full_url=f"urn:uuid:{name}", if_none_exist="")


PATIENT = entry({"resourceType": "Patient", "id": "patient"}, "patient")
OTHER = entry({"resourceType": "Organization", "id": "other", "name": "Payer"}, "other")
HOME = entry({"resourceType": "Organization", "id": "home", "name": "Home"}, "home")
PLAN = entry(
    {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "urn:uuid:patient"},
    },
    "plan",
)
PART = entry({**PLAN["resource"], "id": "part", "partOf": [{"reference": "urn:uuid:plan"}]}, "part")
ORDER = entry({"resourceType": "ServiceRequest", "id": "order"}, "order")
TASK = entry({"resourceType": "Task", "id": "task", "status": "requested"}, "task")


def packed(
    *entries: dict[str, Any], kind: str = "referral", profile: Profile = "base", **more: Any
) -> Package:
    outgoing = Outgoing(kind, "iop", "r1", 1, bundles.transaction(entries), **more)
    return pack(
        outgoing,
        handoff=handoff_id(NAMESPACE, outgoing, "ehr"),
        namespace=NAMESPACE,
        base=BASE,
        partner="ehr",
        profile=profile,
        held=("urn:uuid:gone",),
        now=NOW,
    )


def task_of(package: Package) -> dict[str, Any]:
    return bundles.resources_of(package.bundle, "Task")[0]


def test_the_task_asks_for_the_plan_on_behalf_of_the_managing_organization() -> None:
    patient = entry(
        {**PATIENT["resource"], "managingOrganization": {"reference": "urn:uuid:home"}}, "patient"
    )

    package = packed(OTHER, HOME, patient, PART, PLAN, ORDER)

    task = task_of(package)
    assert (task["status"], task["intent"]) == ("requested", "order")
    assert task["focus"] == {"reference": "urn:uuid:plan"}
    assert task["for"] == {"reference": "urn:uuid:patient"}
    assert task["requester"] == {"reference": "urn:uuid:home"}
    assert task["authoredOn"] == "2026-03-02T12:00:00.000Z"
    assert [issue for issue in check(task) if issue.is_error] == []


def test_without_a_plan_the_order_is_what_is_asked_for() -> None:
    assert packed(PATIENT, ORDER).focus == "urn:uuid:order"


def test_the_task_is_the_same_task_whenever_it_is_made() -> None:
    first, second = packed(PATIENT, PLAN), packed(PATIENT, PLAN)

    assert first.task == second.task
    assert task_of(first)["identifier"] == task_of(second)["identifier"]


def test_a_referral_brings_its_own_task() -> None:
    package = packed(PATIENT, ORDER, TASK)

    assert package.task == "urn:uuid:task"
    assert len(bundles.resources_of(package.bundle, "Task")) == 1


@pytest.mark.parametrize(("profile", "count"), [("base", 2), ("bser", 1), ("gravity", 2)])
def test_a_consent_is_shaped_for_the_partners_profile(profile: Profile, count: int) -> None:
    """Source: domain.md 1.5"""
    release = {"system": "http://loinc.org", "code": "64292-6"}
    disclosure = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IDSCL"}
    categories = [{"coding": [release]}, {"coding": [disclosure]}]
    consent = {"resourceType": "Consent", "id": "consent", "category": categories}

    made = packed(PATIENT, ORDER, TASK, entry(consent, "consent"), profile=profile)

    [found] = bundles.resources_of(made.bundle, "Consent")
    assert len(found["category"]) == count
    assert [one for each in found["category"] for one in each["coding"]] == [release, disclosure]
    assert ("sourceReference" in found) is (profile == "gravity")


@pytest.mark.parametrize(
    ("profile", "status"), [("base", "requested"), ("bser", "received"), ("gravity", "requested")]
)
def test_a_referrals_own_task_is_sent_in_the_words_of_the_partners_profile(
    profile: Profile, status: str
) -> None:
    made = packed(PATIENT, ORDER, TASK, profile=profile)

    assert task_of(made)["status"] == status


def test_a_draft_referral_is_not_sent() -> None:
    draft = entry({**TASK["resource"], "status": "draft"}, "task")

    with pytest.raises(InvalidContent, match="draft"):
        packed(PATIENT, ORDER, draft)


@pytest.mark.parametrize("entries", [(PLAN,), (PATIENT,), (PATIENT, HOME)])
def test_a_handoff_without_patient_or_purpose_is_refused(
    entries: tuple[dict[str, Any], ...],
) -> None:
    with pytest.raises(InvalidContent):
        packed(*entries)


def test_withdrawn_items_go_only_to_who_holds_them() -> None:
    gone = {
        "resourceType": "Goal",
        "id": "gone",
        "meta": {"versionId": "4", "lastUpdated": "2026-03-01T00:00:00Z"},
        "subject": {"reference": "Patient/patient"},
    }

    package = packed(PATIENT, PLAN, withdrawn=(gone, {**gone, "id": "never-sent"}))

    goals = bundles.resources_of(package.bundle, "Goal")
    assert goals == [
        {"resourceType": "Goal", "id": "gone", "subject": {"reference": "urn:uuid:patient"}}
    ]


def test_a_handoff_has_one_id_per_document_and_partner() -> None:
    outgoing = Outgoing("referral", "iop", "r1", 1, {})
    newer = Outgoing("referral", "iop", "r1", 2, {})

    assert handoff_id(NAMESPACE, outgoing, "a") == handoff_id(NAMESPACE, newer, "a")
    assert handoff_id(NAMESPACE, outgoing, "a") != handoff_id(NAMESPACE, outgoing, "b")


def test_the_tasks_of_a_plan_do_not_ask_the_partner() -> None:
    package = packed(PATIENT, PLAN, TASK, kind="aftercare-plan")

    assert package.task != "urn:uuid:task"
    assert len(bundles.resources_of(package.bundle, "Task")) == 2
