"""What resources become when their item is missing, and when it is there again."""

from typing import Any

import pytest

from fhirbridge.documents.withdrawal import WITHDRAWN_TAG, restored_form, withdrawn_form

STATES = {
    "Appointment": "status",
    "CarePlan": "status",
    "Condition": "clinicalStatus",
    "Goal": "lifecycleStatus",
    "HealthcareService": "active",
    "RelatedPerson": "active",
    "ServiceRequest": "status",
    "Task": "status",
}


@pytest.mark.parametrize(("resource_type", "element"), STATES.items())
def test_what_is_no_longer_in_the_document_no_longer_holds(
    resource_type: str, element: str
) -> None:
    stored: dict[str, Any] = {"resourceType": resource_type, "id": "one", element: "was"}

    gone = withdrawn_form(stored)

    assert gone[element] != "was"
    assert gone["meta"]["tag"] == [WITHDRAWN_TAG]
    assert stored[element] == "was"


def test_a_type_without_such_a_state_is_tagged_only() -> None:
    stored = {"resourceType": "Location", "status": "active"}

    assert withdrawn_form(stored) == {**stored, "meta": {"tag": [WITHDRAWN_TAG]}}


def test_the_tag_goes_when_the_item_is_there_again() -> None:
    stored = {"resourceType": "RelatedPerson", "active": True}

    again = restored_form(withdrawn_form(stored))

    assert "meta" not in again
