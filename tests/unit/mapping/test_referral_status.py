"""Task.status and Task.businessStatus together say where a referral stands (domain.md 4.4)."""

import pytest

from fhirbridge.jsontypes import Json, Resource
from fhirbridge.native.vocabularies import REFERRAL_STATUS
from tests.unit.mapping.referrals import back, bundle_of, the

BSER = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"


def task_of(status: str) -> tuple[Resource, Resource]:
    bundle = bundle_of(status=status)
    return bundle, the(bundle, "Task")


def bser(code: str) -> Json:
    return {"coding": [{"system": BSER, "code": code}]}


@pytest.mark.parametrize("status", REFERRAL_STATUS)
def test_every_state_comes_back_without_an_extension(status: str) -> None:
    bundle, task = task_of(status)

    result = back(bundle)

    assert result.document["status"] == status
    assert [issue for issue in result.issues if issue.severity != "information"] == []
    assert "extension" not in task


@pytest.mark.parametrize("status", REFERRAL_STATUS)
def test_business_status_is_one_coding(status: str) -> None:
    _, task = task_of(status)

    assert len(task.get("businessStatus", {"coding": [{}]})["coding"]) == 1


@pytest.mark.parametrize(
    ("before", "code", "after"),
    [
        ("scheduled", "5.1.2", "no-show"),
        ("no-show", "5.1.1", "scheduled"),
        ("scheduled", "5.1.4", "in-service"),
        ("in-service", "5.2", "cancel-requested"),
    ],
)
def test_partner_that_changes_only_the_business_status_is_heard(
    before: str, code: str, after: str
) -> None:
    bundle, task = task_of(before)
    task["businessStatus"] = bser(code)

    assert back(bundle).document["status"] == after


def test_own_coding_tells_a_waiting_list_from_an_acceptance() -> None:
    bundle, task = task_of("accepted")
    task["businessStatus"] = the(bundle_of(status="waitlisted"), "Task")["businessStatus"]

    assert back(bundle).document["status"] == "waitlisted"


def test_business_status_that_contradicts_the_status_is_ignored_and_listed() -> None:
    bundle, task = task_of("scheduled")
    task["status"] = "completed"

    result = back(bundle)

    assert result.document["status"] == "completed"
    assert ("Task.businessStatus.coding[0].code",) in {i.expression for i in result.issues}


def test_status_alone_is_read_as_the_first_state_that_has_it() -> None:
    bundle, task = task_of("no-show")
    del task["businessStatus"]

    assert back(bundle).document["status"] == "scheduled"
