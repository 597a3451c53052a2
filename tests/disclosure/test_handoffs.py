"""Consent decides when a handoff is sent: what goes, what stays, and why."""

import json
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import responses

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.stored import prepare_as
from fhirbridge.errors import Conflict, Forbidden, InvalidContent
from fhirbridge.fhir.definitions import definitions
from fhirbridge.handoffs import partners, repair, view
from fhirbridge.handoffs.deliver import attempt
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.tasks import circumstances
from fhirbridge.jsontypes import JsonObject
from fhirbridge.operations import consents as operations
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import audit, consents, resources
from fhirbridge.storage.consents import Mark
from fhirbridge.workflow.words import DeliveryState
from tests.disclosure.conftest import Clock
from tests.unit.consent.support import deny
from tests.unit.partners.test_plan import capability

BASE = "https://ehr.example/fhir"
PLANS = Path(__file__).parents[2] / "fixtures/aftercare-plan"
CLINIC = Recipient("Springfield Example Clinic", classes=("TREATER",), covered_entity=True)


@pytest.fixture
def bridge(tmp_path: Path, clock: Clock) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/p.db"), now=clock)
    yield built
    built.close()


@pytest.fixture
def ehr() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        statement = capability("transaction", types=tuple(definitions().resource_types))
        mock.get(f"{BASE}/metadata", json=statement)
        yield mock


def send(
    bridge: Bridge,
    recipient: Recipient | None = CLINIC,
    case: str = "maximal",
    *,
    purpose: str = "",
    classes: tuple[str, ...] = (),
) -> str:
    """Register the EHR and hand a plan over to it; consents describe `classes` if given."""
    with bridge.database.transaction() as session:
        partners.save(session, bridge, Partner("ehr", BASE, recipient=recipient))
    document: JsonObject = json.loads((PLANS / case / "native.json").read_bytes())
    for each in document["consents"] if classes else ():
        each["infoScope"] = list(classes)
    prepared = prepare_as(bridge, "aftercare-plan", document)
    receiving = Receiving(bridge, prepared)
    return str(hand_over(bridge, "ehr", receiving, purpose=purpose).outbox_id)


def sent(ehr: responses.RequestsMock) -> JsonObject:
    """The Bundle that went out."""
    posted = [call.request for call in ehr.calls if call.request.method == "POST"]
    assert len(posted) == 1
    found: JsonObject = json.loads(posted[0].body or "{}")
    return found


def accepting(ehr: responses.RequestsMock) -> None:
    def take(request: Any) -> tuple[int, dict[str, str], str]:
        count = len(json.loads(request.body)["entry"])
        entry = [
            {"response": {"status": "201", "location": f"Basic/{number}"}}
            for number in range(count)
        ]
        made = {"resourceType": "Bundle", "type": "transaction-response", "entry": entry}
        return 200, {}, json.dumps(made)

    ehr.add_callback(responses.POST, BASE, callback=take)


def test_what_goes_has_labels_notice_and_the_consent(
    bridge: Bridge, ehr: responses.RequestsMock
) -> None:
    outbox_id = send(bridge)
    accepting(ehr)

    attempt(bridge, "worker")

    assert view.show(bridge, outbox_id).row.state is DeliveryState.DELIVERED
    resources = [entry["resource"] for entry in sent(ehr)["entry"]]
    tasks = [each for each in resources if each["resourceType"] == "Task" and "focus" in each]
    assert "42 CFR part 2 prohibits" in tasks[0]["note"][-1]["text"]
    assert "Consent/" in tasks[0]["note"][-1]["text"]
    consents_sent = [each for each in resources if each["resourceType"] == "Consent"]
    assert len(consents_sent) == 1
    plans = [each for each in resources if each["resourceType"] == "CarePlan"]
    assert all("42CFRPart2" in json.dumps(each["meta"]["security"]) for each in plans)


@pytest.mark.parametrize("level", ["nothing", "section"])
def test_what_goes_without_a_part_says_so_where_it_may(
    tmp_path: Path, clock: Clock, ehr: responses.RequestsMock, level: str
) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"manifest": level}))
    settings = Settings(database_url=f"sqlite:///{tmp_path}/part.db", consent_policy=policy)
    built = bridges.build(settings, now=clock)
    accepting(ehr)
    send(built, classes=("identity", "treatment-plan", "appointments"))
    attempt(built, "worker")
    built.close()

    labelled = {
        entry["resource"]["resourceType"]
        for entry in sent(ehr)["entry"]
        for each in entry["resource"].get("meta", {}).get("security", ())
        if each["code"] == "REDACTED"
    }
    assert ("CarePlan" in labelled) == (level == "section")
    assert "Patient" not in labelled


def test_a_disclosure_is_recorded_with_its_evidence(
    bridge: Bridge, ehr: responses.RequestsMock
) -> None:
    send(bridge)
    accepting(ehr)
    attempt(bridge, "worker")

    with bridge.database.read() as session:
        rows = audit.find(session, bridge.custodian.id, action="handoff")

    assert [row.decision for row in rows] == ["permit"]
    entry = rows[0].entry
    assert entry["recipient"] == "Springfield Example Clinic"
    assert entry["consents"] and entry["hash"] and entry["resources"] and entry["policy"]


def test_the_purpose_of_a_handoff_is_decided_and_recorded(
    bridge: Bridge, ehr: responses.RequestsMock
) -> None:
    accepting(ehr)
    send(bridge, purpose="HPAYMT")
    with pytest.raises(Forbidden):
        send(bridge, purpose="PATRQT")  # the consent is for others
    with pytest.raises(InvalidContent):
        send(bridge, purpose="BTG")  # an emergency is no handoff

    attempt(bridge, "worker")

    found = [each["resource"] for each in sent(ehr)["entry"]]
    notes = [note["text"] for each in found for note in each.get("note", ()) if "text" in note]
    assert any("for HPAYMT under Consent/" in text for text in notes)
    with bridge.database.read() as session:
        rows = audit.find(session, bridge.custodian.id, action="handoff")
    assert [row.entry["purpose"] for row in rows] == ["HPAYMT"]


def test_a_handoff_on_its_way_keeps_its_purpose(
    bridge: Bridge, ehr: responses.RequestsMock
) -> None:
    accepting(ehr)
    queued = send(bridge)
    assert send(bridge, purpose="TREAT") == queued
    with pytest.raises(Conflict, match=rf"for TREAT already .*outbox retry {queued} --close"):
        send(bridge, purpose="HPAYMT")

    repair.close(bridge, queued, reason="It is for payment")
    sent_for_payment = send(bridge, purpose="HPAYMT")
    attempt(bridge, "worker")

    assert view.show(bridge, sent_for_payment).row.state is DeliveryState.DELIVERED
    with pytest.raises(Conflict, match=r"for HPAYMT already .*Hand over a newer version"):
        send(bridge)
    with bridge.database.read() as session:
        rows = audit.find(session, bridge.custodian.id, action="handoff")
    assert [row.entry["purpose"] for row in rows] == ["HPAYMT"]


def test_a_partner_that_no_consent_names_gets_nothing(
    bridge: Bridge, ehr: responses.RequestsMock
) -> None:
    with pytest.raises(Forbidden) as refused:
        send(bridge, Recipient("Another Hospital"))

    assert any("does not name this recipient" in each.diagnostics for each in refused.value.issues)
    assert view.list_deliveries(bridge) == []


def test_without_any_consent_nothing_is_enqueued(
    bridge: Bridge, ehr: responses.RequestsMock
) -> None:
    with pytest.raises(Forbidden):
        send(bridge, case="minimal")


def test_a_consent_that_ended_meanwhile_withholds_the_delivery(
    bridge: Bridge, ehr: responses.RequestsMock, clock: Clock
) -> None:
    outbox_id = send(bridge)
    accepting(ehr)
    _end_all(bridge, clock)

    attempt(bridge, "worker")

    shown = view.show(bridge, outbox_id)
    assert shown.row.state is DeliveryState.WITHHELD
    assert shown.word.text.startswith("Withheld")
    assert shown.attempts is not None
    reasons = shown.attempts[0].details["reasons"]
    assert "consent-revoked" in {each["code"] for each in reasons}
    assert not [call for call in ehr.calls if call.request.method == "POST"]
    with bridge.database.read() as session:
        rows = audit.find(session, bridge.custodian.id, action="handoff")
    assert [row.decision for row in rows] == ["withhold"]


def test_a_revocation_between_two_requests_stops_the_second(
    bridge: Bridge, ehr: responses.RequestsMock, clock: Clock
) -> None:
    outbox_id = send(bridge)

    def revoke_and_lose(request: Any) -> tuple[int, dict[str, str], str]:
        _end_all(bridge, clock)
        return 503, {}, ""

    ehr.add_callback(responses.POST, BASE, callback=revoke_and_lose)

    attempt(bridge, "worker", chance=lambda: 1.0)
    clock.at += timedelta(hours=1)
    attempt(bridge, "worker", chance=lambda: 1.0)

    assert len([call for call in ehr.calls if call.request.method == "POST"]) == 1
    assert view.show(bridge, outbox_id).row.state in (
        DeliveryState.WITHHELD,
        DeliveryState.NEEDS_PERSON,
    )


def _end_all(bridge: Bridge, clock: Clock) -> None:
    with bridge.database.transaction() as session:
        found = consents.by_patient(session, bridge.custodian.id)
        for each in [one for listed in found.values() for one in listed]:
            mark = Mark(
                consent_id=each.consent_id,
                version_id=each.version_id,
                kind="ended",
                made_by="officer",
                made_at=clock(),
                effective_at=clock(),
            )
            consents.add_mark(session, bridge.custodian.id, mark)


def test_a_revocation_waits_for_what_is_on_the_wire(
    bridge: Bridge, ehr: responses.RequestsMock, clock: Clock
) -> None:
    """Nothing begins after the effective time, and what had begun before is named."""
    outbox_id = int(send(bridge))
    with bridge.database.read() as session:
        found = consents.by_patient(session, bridge.custodian.id)
    permits = [each.consent_id for listed in found.values() for each in listed]
    revocations: list[operations.Revocation] = []
    on_the_wire, revoking = threading.Event(), threading.Event()

    def take(request: Any) -> tuple[int, dict[str, str], str]:
        on_the_wire.set()
        assert revoking.wait(20)
        clock.at += timedelta(seconds=5)
        return 400, {}, ""

    def revoke_all() -> None:
        assert on_the_wire.wait(20)
        for number, name in enumerate(permits):
            found = operations.revoke(
                bridge, name, by="officer", sleep=lambda _: revoking.set(), wait_seconds=2000
            )
            revocations.append(found)
            assert number or found.in_flight == (outbox_id,)

    ehr.add_callback(responses.POST, BASE, callback=take)
    officer = threading.Thread(target=revoke_all)
    officer.start()

    attempt(bridge, "worker", chance=lambda: 1.0)
    officer.join(30)

    assert not officer.is_alive()
    first = revocations[0]
    assert first.effective_at == datetime(2026, 6, 1, 12, 0, 5, tzinfo=UTC)
    assert [each.recipient for each in first.holders] == ["Springfield Example Clinic"]
    assert attempt(bridge, "worker", chance=lambda: 1.0) is None
    assert len([call for call in ehr.calls if call.request.method == "POST"]) == 1


def test_a_class_withdrawn_between_two_requests_is_not_sent(bridge: Bridge, clock: Clock) -> None:
    """On the rung of single creates: what is no longer permitted stays, the rest arrives."""
    order: list[str] = []

    def narrow() -> None:
        with bridge.database.transaction() as session:
            found = consents.by_patient(session, bridge.custodian.id)
            stored = next(one for listed in found.values() for one in listed)
            patient = json.loads(stored.content)["patient"]
            denial = deny(**{"class": [{"code": "medications"}]}) | {"patient": patient}
            resources.create(session, circumstances(bridge), denial, resource_id="denial")

    def take(request: Any) -> tuple[int, dict[str, str], str]:
        made = json.loads(request.body)["resourceType"]
        if not order:
            narrow()
        order.append(made)
        return 201, {"Location": f"{BASE}/{made}/{len(order)}"}, ""

    with responses.RequestsMock(assert_all_requests_are_fired=False) as ehr:
        statement = capability(types=tuple(definitions().resource_types))
        ehr.get(f"{BASE}/metadata", json=statement)
        ehr.add_callback(responses.POST, re.compile(f"{BASE}/.*"), callback=take)
        outbox_id = send(bridge)

        first = attempt(bridge, "worker", chance=lambda: 1.0)
        clock.at += timedelta(hours=1)
        attempt(bridge, "worker", chance=lambda: 1.0)

    assert first is not None
    assert first.ending.error_class == "consent-changed"
    assert view.show(bridge, outbox_id).row.state is DeliveryState.DELIVERED
    assert "MedicationRequest" not in order
    assert order.count("CarePlan") and order.count("Task")
