"""What a privacy officer asks of the document API: emergencies, their review, a breach."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.web.app import create_app
from tests.disclosure.support import CLINIC, Store, caller
from tests.disclosure.test_operations import MEDICATION, ORGANIZATION, PATIENT

DOCTOR = Caller(
    client_id="er",
    recipient=Recipient("Any Hospital", classes=("TREATER",)),
    purpose="BTG",
    reason="overdose",
    actor="Dr. E, Any Hospital",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    bridge = bridges.build(Settings(auth="none", database_url=f"sqlite:///{tmp_path}/api.db"))
    found = Store(bridge)
    found.put(ORGANIZATION, PATIENT, MEDICATION)
    yield found
    bridge.close()


@pytest.fixture
def client(store: Store) -> FlaskClient:
    return create_app(store.bridge).test_client()


def test_an_emergency_alerts_until_all_of_it_is_reviewed(store: Store, client: FlaskClient) -> None:
    store.get("Patient/p1", DOCTOR)
    store.get("MedicationRequest/m1", DOCTOR)

    [alert] = client.get("/api/alerts").get_json()["alerts"]
    waiting = client.get("/api/disclosures/$emergencies").get_json()["disclosures"]
    for number, each in enumerate(waiting, 1):
        said = {"by": "officer", "outcome": "justified"}
        left = client.post(f"/api/disclosures/{each['id']}/$review", json=said).get_json()
        assert len(left["disclosures"]) == len(waiting) - number
        open_alerts = client.get("/api/alerts").get_json()["alerts"]
        assert len(open_alerts) == (0 if number == len(waiting) else 1)

    assert (alert["kind"], alert["count"]) == ("emergency", 2)
    assert [each["actor"] for each in waiting] == [DOCTOR.actor] * 2


@pytest.mark.parametrize(
    ("number", "body", "status"),
    [
        ("99", {"by": "o", "outcome": "x"}, 404),
        ("none", {"by": "o", "outcome": "x"}, 404),
        ("1", {"by": "o"}, 400),
    ],
    ids=["unknown", "no number", "without outcome"],
)
def test_a_review_that_cannot_be_noted(
    client: FlaskClient, number: str, body: dict[str, str], status: int
) -> None:
    assert client.post(f"/api/disclosures/{number}/$review", json=body).status_code == status


def test_a_breach_concerns_what_left_to_one_recipient_in_a_time(
    store: Store, client: FlaskClient
) -> None:
    store.get("Patient/p1", DOCTOR)
    store.get("Patient/p1", caller(CLINIC, purpose="BTG", reason="r", actor="a"))
    asked = "/api/disclosures/$breach?since=2020-01-01T00:00:00Z"

    every = client.get(asked).get_json()["disclosures"]
    one = client.get(f"{asked}&recipient=Any%20Hospital").get_json()["disclosures"]
    none = client.get(f"{asked}&until=2020-01-02T00:00:00Z").get_json()["disclosures"]

    assert [each["patients"] for each in every] == [["Patient/p1"]] * 2
    assert [each["recipient"] for each in one] == ["Any Hospital"]
    assert none == []
    assert client.get("/api/disclosures/$breach").status_code == 400
