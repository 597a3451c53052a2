"""A referral is moved by REST by whom it was handed to, and by nobody else who may see it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.purposes import is_same
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.stored import prepare_as
from fhirbridge.handoffs import inbound, partners, referrals
from fhirbridge.handoffs.feed import read_feed
from fhirbridge.handoffs.send import hand_over
from fhirbridge.native.documents import kind_of
from fhirbridge.partners.registry import Partner
from tests.disclosure.support import BASE, CLINIC, Store

FIXTURES = Path(__file__).parents[2] / "fixtures"
REFERRAL = "referral/step-up-partial-hospitalization"
NPI = "http://hl7.org/fhir/sid/us-npi"
MERCY = Recipient("Mercy Health", ((NPI, "1234567893"),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db"))
    yield Store(built)
    built.close()


def hand(
    store: Store, *, to: Recipient | None, name: str = "aftercare-plan/maximal"
) -> referrals.Case:
    """Hand a document to the clinic; then its partner turns out to be this organization."""
    bridge = store.bridge
    known = Partner("ehr", "https://ehr.example/fhir", recipient=CLINIC.recipient)
    with bridge.database.transaction() as session:
        partners.save(session, bridge, known)
    document = json.loads((FIXTURES / name / "native.json").read_bytes())
    prepared = prepare_as(bridge, kind_of(document), document)
    handoff_id = hand_over(bridge, "ehr", Receiving(bridge, prepared)).handoff_id
    with bridge.database.transaction() as session:
        partners.save(session, bridge, replace(known, recipient=to))
    while read_feed(bridge):
        pass
    return referrals.show(bridge, handoff_id)


def state(store: Store, case: referrals.Case) -> str:
    while read_feed(store.bridge):
        pass
    return referrals.show(store.bridge, case.handoff.id).handoff.status


def visit(case: referrals.Case) -> dict[str, Any]:
    details = case.handoff.details
    return {
        "resourceType": "Appointment",
        "status": "fulfilled",
        "start": "2026-06-02T15:00:00Z",
        "end": "2026-06-02T16:00:00Z",
        "basedOn": [{"reference": details["orderHere"]}],
        "participant": [{"actor": {"reference": details["patientHere"]}, "status": "accepted"}],
    }


def test_whom_it_was_handed_to_moves_the_task(store: Store) -> None:
    case = hand(store, to=CLINIC.recipient)
    place = case.handoff.details["taskHere"]
    task = store.get(place).body

    moved = store.ask("PUT", place, {**task, "status": "accepted"})

    assert moved.status == 200
    assert state(store, case) == "accepted"


def test_nobody_deletes_the_task_of_a_referral(store: Store) -> None:
    case = hand(store, to=CLINIC.recipient)

    refused = store.ask("DELETE", case.handoff.details["taskHere"])

    assert refused.status == 403
    assert "declined" in refused.body["issue"][0]["diagnostics"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_who_only_sees_it_does_not_move_the_task(store: Store, method: str) -> None:
    case = hand(store, to=MERCY)
    place = case.handoff.details["taskHere"]
    task = store.get(place).body

    refused = store.ask(method, place, {**task, "status": "rejected"})

    assert (task["resourceType"], refused.status) == ("Task", 403)
    assert state(store, case) == "sent"


def test_a_task_of_others_that_names_the_referral_is_kept_and_believed_by_nobody(
    store: Store,
) -> None:
    case = hand(store, to=MERCY)
    task = store.get(case.handoff.details["taskHere"]).body
    bare = {name: one for name, one in task.items() if name not in ("id", "meta", "text")}

    made = store.ask("POST", "Task", {**bare, "status": "rejected"})

    assert made.status == 201
    assert state(store, case) == "sent"
    assert [one.code for one in referrals.list_set_aside(store.bridge)] == ["no-party"]


@pytest.mark.parametrize(("to", "after"), [(CLINIC.recipient, "in-service"), (MERCY, "sent")])
def test_a_visit_counts_if_whom_it_was_handed_to_says_so(
    store: Store, to: Recipient, after: str
) -> None:
    case = hand(store, to=to, name=REFERRAL)

    made = store.ask("POST", "Appointment", visit(case))

    assert made.status == 201
    assert state(store, case) == after
    set_aside = [one.code for one in referrals.list_set_aside(store.bridge)]
    assert set_aside == ([] if after == "in-service" else ["no-party"])


def test_partners_without_a_number_are_known_by_name() -> None:
    assert is_same(Recipient("Mercy  health"), MERCY)
    assert not is_same(Recipient("Mercy Health", ((NPI, "1999999992"),)), MERCY)
    assert not is_same(Recipient(""), Recipient(""))


def test_who_asks_us_is_known_by_their_task_where_nobody_is_registered(store: Store) -> None:
    """Here the patient is known, and the clinic may see everything of theirs."""
    case = hand(store, to=CLINIC.recipient)
    patient = case.handoff.details["patientHere"]
    mercy = {"resourceType": "Organization", "id": "mercy", "active": True, "name": "Mercy Health"}
    order = {
        "resourceType": "ServiceRequest",
        "id": "asked",
        "status": "active",
        "intent": "order",
        "subject": {"reference": patient},
    }
    task = {
        "resourceType": "Task",
        "id": "asked",
        "status": "requested",
        "intent": "order",
        "focus": {"reference": "ServiceRequest/asked"},
        "for": {"reference": patient},
        "requester": {"reference": "Organization/mercy"},
        "authoredOn": "2026-03-02T12:00:00Z",
    }
    store.put(mercy, order, task)
    assert state(store, case) == "sent"
    asked = referrals.list_cases(store.bridge, direction="inbound")[0]

    refused = store.ask("PUT", "Task/asked", {**store.get("Task/asked").body, "status": "draft"})

    assert inbound.document_of(store.bridge, asked.handoff.id).document["direction"] == "inbound"
    assert refused.status == 403


def test_who_asks_us_may_be_named_in_any_way(store: Store) -> None:
    """A role, as BSeR has it, a number or a contained organization mean the same clinic.

    An organization of another server does not, whatever its id.
    """
    case = hand(store, to=CLINIC.recipient)
    number = {"system": NPI, "value": "1999999992"}
    clinic = {"resourceType": "Organization", "active": True, "identifier": [number], "name": "C"}
    store.put(
        {**clinic, "id": "c"},
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Example"}]},
        {
            "resourceType": "PractitionerRole",
            "id": "role",
            "practitioner": {"reference": "Practitioner/dr"},
            "organization": {"reference": "Organization/c"},
        },
        {
            "resourceType": "ServiceRequest",
            "id": "asked",
            "status": "active",
            "intent": "order",
            "subject": {"reference": case.handoff.details["patientHere"]},
        },
    )
    elsewhere = "https://elsewhere.example/fhir/Organization/c"
    requesters: dict[str, Any] = {
        "elsewhere": {"reference": elsewhere},
        "absolute": {"reference": f"{BASE}/Organization/c"},
        "role": {"reference": "PractitionerRole/role"},
        "number": {"type": "Organization", "identifier": number},
        "contained": {"reference": "#c"},
    }
    for name, requester in requesters.items():
        task = {
            "resourceType": "Task",
            "id": name,
            "contained": [{**clinic, "id": "c"}] if name == "contained" else [],
            "status": "requested",
            "intent": "order",
            "focus": {"reference": "ServiceRequest/asked"},
            "for": {"reference": case.handoff.details["patientHere"]},
            "requester": requester,
            "authoredOn": "2026-03-02T12:00:00Z",
        }
        store.put({key: value for key, value in task.items() if value})
    state(store, case)
    assert len(referrals.list_cases(store.bridge, direction="inbound")) == len(requesters)

    for whose, moved in (("1999999992", 200), ("1234567893", 403)):
        who = replace(CLINIC, recipient=replace(CLINIC.recipient, identifiers=((NPI, whose),)))
        for name in requesters:
            task = {**store.get(f"Task/{name}", who).body, "status": "cancelled"}
            assert store.ask("PUT", f"Task/{name}", task, caller=who).status == (
                403 if name == "elsewhere" else moved
            )


def asked_by(store: Store, who: Caller, **task: Any) -> referrals.Case:
    """The client of an organization asks us for something, in the name of a practitioner."""
    case = hand(store, to=CLINIC.recipient)
    patient = case.handoff.details["patientHere"]
    store.put(
        {"resourceType": "Practitioner", "id": "dr", "name": [{"family": "Example"}]},
        {
            "resourceType": "ServiceRequest",
            "id": "asked",
            "status": "active",
            "intent": "order",
            "subject": {"reference": patient},
        },
    )
    made = store.ask(
        "POST",
        "Task",
        {
            "resourceType": "Task",
            "status": "requested",
            "intent": "order",
            "focus": {"reference": "ServiceRequest/asked"},
            "for": {"reference": patient},
            "requester": {"reference": "Practitioner/dr"},
            "authoredOn": "2026-03-02T12:00:00Z",
            **task,
        },
        caller=who,
    )
    assert made.status == 201, made.body
    while read_feed(store.bridge):
        pass
    return referrals.list_cases(store.bridge, direction="inbound")[0]


def test_who_wrote_the_request_moves_it_in_whoevers_name_it_is(store: Store) -> None:
    case = asked_by(store, CLINIC)
    place = case.handoff.details["taskHere"]
    task = {**store.get(place).body, "status": "cancelled"}
    other = replace(CLINIC, client_id="other", recipient=replace(CLINIC.recipient, name="Other"))

    refused = store.ask("PUT", place, task, caller=other)
    moved = store.ask("PUT", place, task)

    assert (refused.status, moved.status) == (403, 200)
    assert case.handoff.partner == "ehr"  # known by whose client it was
    assert case.to_json()["askedBy"] == "Springfield Example Clinic"
    assert state(store, case) == "cancelled"


def test_who_asks_does_not_answer_itself(store: Store) -> None:
    """BSeR's table, and the receiver's moves of the others, hold for what is written to us."""
    case = asked_by(store, CLINIC)
    place = case.handoff.details["taskHere"]

    written = store.ask("PUT", place, {**store.get(place).body, "status": "accepted"})

    assert written.status == 200
    assert state(store, case) == "sent"
    assert [one.code for one in referrals.list_set_aside(store.bridge)] == ["wrong-actor"]


def test_an_order_of_another_server_is_none_of_ours_by_its_id(store: Store) -> None:
    elsewhere = "https://elsewhere.example/fhir/ServiceRequest/asked"

    with pytest.raises(IndexError):
        asked_by(store, CLINIC, focus={"reference": elsewhere})

    assert [one.code for one in referrals.list_set_aside(store.bridge)] == ["order-elsewhere"]
