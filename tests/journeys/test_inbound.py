"""An EHR asks us for something: it becomes a document, is answered, and the EHR sees the answer."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.documents.pull import pull
from fhirbridge.documents.stored import find, page
from fhirbridge.documents.taking import keep
from fhirbridge.errors import Conflict, InvalidContent
from fhirbridge.fhir import wire
from fhirbridge.handoffs import feed, inbound, partners, referrals
from fhirbridge.handoffs.answer import Answer, answer
from fhirbridge.handoffs.events import Event, Taken
from fhirbridge.handoffs.feed import read_feed
from fhirbridge.handoffs.worker import drain
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer as Answered
from fhirbridge.partners.http import PartnerSession
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import relative
from fhirbridge.storage.session import Session
from fhirbridge.web.app import create_app
from tests.served import Server

START = datetime(2026, 3, 9, 15, tzinfo=UTC)
PROFILES = {
    "base": [],
    "bser": ["http://hl7.org/fhir/us/bser/StructureDefinition/BSeR-ReferralTask"],
    "gravity": [
        "http://hl7.org/fhir/us/sdoh-clinicalcare/StructureDefinition/SDOHCC-TaskForReferralManagement"
    ],
}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(auth="none", database_url=f"sqlite:///{tmp_path}/ours.db"))
    yield built
    built.close()


def ask(bridge: Bridge, method: str, *path: str, body: Any = None) -> dict[str, Any]:
    """A request of the EHR to our FHIR API."""
    answered = (
        create_app(bridge)
        .test_client()
        .open(
            "/".join(("/fhir", *path)),
            method=method,
            data=wire.dump(body) if body else None,
            content_type="application/fhir+json",
        )
    )
    assert answered.status_code < 300, answered.get_data(as_text=True)
    return wire.parse(answered.get_data())


def refer(bridge: Bridge, *, shape: str = "base") -> str:
    """The EHR posts a patient, an order and a Task; returns the id of the inbound referral."""
    ask(bridge, "POST", body=referral_bundle(shape))
    read_feed(bridge)
    return referrals.list_cases(bridge, direction="inbound")[0].handoff.id


def referral_bundle(shape: str) -> dict[str, Any]:
    """A patient, who asks, an order and a Task, as a transaction."""
    entries = [
        {
            "resourceType": "Patient",
            "identifier": [{"system": "urn:ehr", "value": "p1"}],
            "name": [{"family": "Example", "given": ["Ada"]}],
            "birthDate": "1990-01-02",
            "gender": "female",
        },
        {
            "resourceType": "Organization",
            "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}],
            "active": True,
            "name": "Example Hospital",
        },
        {
            "resourceType": "ServiceRequest",
            "status": "active",
            "intent": "order",
            "priority": "urgent",
            "subject": {"reference": "urn:uuid:0"},
            "requester": {"reference": "urn:uuid:1"},
            "code": {
                "coding": [{"system": "http://snomed.info/sct", "code": "183524004"}],
                "text": "Psychiatry",
            },
        },
        {
            "resourceType": "Task",
            "meta": {"profile": PROFILES[shape]} if PROFILES[shape] else {"tag": []},
            "status": "received" if shape == "bser" else "requested",
            "intent": "order",
            "code": {
                "coding": [
                    {"system": "http://hl7.org/fhir/CodeSystem/task-code", "code": "fulfill"}
                ]
            },
            "focus": {"reference": "urn:uuid:2"},
            "for": {"reference": "urn:uuid:0"},
            "requester": {"reference": "urn:uuid:1"},
            "authoredOn": "2026-03-02T12:00:00Z",
        },
    ]
    if not PROFILES[shape]:
        del entries[3]["meta"]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": f"urn:uuid:{number}",
                "resource": one,
                "request": {"method": "POST", "url": one["resourceType"]},
            }
            for number, one in enumerate(renumbered(entries))
        ],
    }
    for number, entry in enumerate(bundle["entry"]):
        entry["fullUrl"] = uuid(number)
    return bundle


def uuid(number: int) -> str:
    return f"urn:uuid:00000000-0000-4000-8000-00000000000{number}"


def renumbered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    text = wire.dump({"e": entries}).decode()
    for number in range(4):
        text = text.replace(f'"urn:uuid:{number}"', f'"{uuid(number)}"')
    return list(wire.parse(text.encode())["e"])


def task_of(bridge: Bridge, handoff_id: str) -> dict[str, Any]:
    reference = referrals.show(bridge, handoff_id).handoff.details["taskHere"]
    return ask(bridge, "GET", *reference.split("/"))


@pytest.mark.parametrize("shape", list(PROFILES))
def test_a_referral_of_each_shape_becomes_a_document(bridge: Bridge, shape: str) -> None:
    handoff_id = refer(bridge, shape=shape)

    case = referrals.show(bridge, handoff_id)
    document = inbound.document_of(bridge, handoff_id).document

    assert (case.direction, case.handoff.status) == ("inbound", "sent")
    assert case.handoff.details["profile"] == shape
    assert case.word.next_by == "receiver"
    assert document["direction"] == "inbound"
    assert document["patient"]["name"]["family"] == "Example"
    assert document["requester"]["org"] == "Example Hospital"
    assert document["priority"] == "urgent"
    assert document["serviceRequested"]["kind"] == "psychiatry"


@pytest.mark.parametrize(
    ("base", "partner"), [("", "ehr"), ("https://elsewhere.example/fhir/", "")]
)
def test_who_asks_is_a_partner_by_their_number_here_only(
    bridge: Bridge, base: str, partner: str
) -> None:
    number = (("http://hl7.org/fhir/sid/us-npi", "1234567893"),)
    known = Partner("ehr", "https://ehr.example/fhir", recipient=Recipient("Hospital", number))
    with bridge.database.transaction() as session:
        partners.save(session, bridge, known)
    body = referral_bundle("base")
    hospital = body["entry"][1]
    hospital["resource"]["id"] = "h"
    hospital["request"] = {"method": "PUT", "url": "Organization/h"}
    body["entry"][3]["resource"]["requester"] = {"reference": f"{base}Organization/h"}

    ask(bridge, "POST", body=body)
    read_feed(bridge)

    assert referrals.list_cases(bridge, direction="inbound")[0].handoff.partner == partner


@pytest.mark.parametrize("shape", list(PROFILES))
def test_the_ehr_sees_every_answer_in_task_and_appointment(bridge: Bridge, shape: str) -> None:
    handoff_id = refer(bridge, shape=shape)
    order = referrals.show(bridge, handoff_id).handoff.details["orderHere"]
    before = ask(bridge, "GET", *order.split("/"))

    answer(bridge, handoff_id, Answer("accept", by="ana"))
    accepted = task_of(bridge, handoff_id)
    booked = answer(bridge, handoff_id, Answer("schedule", start=START))
    visit = ask(bridge, "GET", *booked.appointment.split("/"))
    answer(bridge, handoff_id, Answer("no-show"))
    missed = ask(bridge, "GET", *booked.appointment.split("/"))
    answer(bridge, handoff_id, Answer("schedule", start=START))
    answer(bridge, handoff_id, Answer("start"))
    answer(bridge, handoff_id, Answer("outcome", text="Came to three sessions."))
    done = task_of(bridge, handoff_id)

    assert accepted["status"] == "accepted"
    assert visit["status"] == "booked"
    assert visit["basedOn"] == [{"reference": order}]
    assert missed["status"] == "noshow"
    assert done["status"] == "completed"
    assert done["output"][0]["valueReference"]["reference"] == booked.appointment
    assert ask(bridge, "GET", *order.split("/")) == before
    assert referrals.show(bridge, handoff_id).to_json()["done"]


def test_one_task_that_we_cannot_take_in_keeps_no_other_waiting(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [ask(bridge, "POST", body=referral_bundle("base")) for _ in range(3)]
    broken = relative(answers[1]["entry"][3]["response"]["location"])
    real = feed.route

    def route(bridge: Bridge, session: Session, event: Event) -> Iterator[Taken]:
        if event.reference == broken:
            raise OverflowError("a fault of ours")
        yield from real(bridge, session, event)

    monkeypatch.setattr(feed, "route", route)

    drain(bridge)

    kept = referrals.list_set_aside(bridge)
    assert [(one.code, one.reference) for one in kept] == [("fault-of-ours", broken)]
    assert len(referrals.list_cases(bridge, direction="inbound")) == 2


def test_what_is_no_business_of_ours_keeps_no_referral_waiting(bridge: Bridge) -> None:
    visit = {
        "resourceType": "Appointment",
        "status": "proposed",
        "participant": [{"actor": {"display": "Somebody"}, "status": "accepted"}],
    }
    request = {"method": "POST", "url": "Appointment"}
    many = [{"resource": visit, "request": request} for _ in range(120)]
    ask(bridge, "POST", body={"resourceType": "Bundle", "type": "transaction", "entry": many})
    ask(bridge, "POST", body=referral_bundle("base"))

    drain(bridge)

    assert len(referrals.list_cases(bridge, direction="inbound")) == 1


def test_an_order_that_is_revoked_alerts_until_the_referral_moves(bridge: Bridge) -> None:
    """Some EHRs take back the order and leave its Task as it is."""
    handoff_id = refer(bridge)
    reference = referrals.show(bridge, handoff_id).handoff.details["orderHere"].split("/")
    order = ask(bridge, "GET", *reference)
    for note in ("Moved away.", "Moved away, it seems."):
        note_ = [{"text": note}]
        ask(bridge, "PUT", *reference, body={**order, "status": "revoked", "note": note_})
        drain(bridge)

    def alerts() -> list[str]:
        return [one.kind for one in referrals.show(bridge, handoff_id).alerts]

    told = alerts()
    answer(bridge, handoff_id, Answer("decline", reason="client-declined"))

    assert (told, alerts()) == (["order-revoked"], [])


def test_a_missed_visit_stays_missed_when_another_is_booked(bridge: Bridge) -> None:
    handoff_id = refer(bridge)
    answer(bridge, handoff_id, Answer("accept"))
    first = answer(bridge, handoff_id, Answer("schedule", start=START)).appointment
    moved = answer(bridge, handoff_id, Answer("schedule", start=START.replace(hour=16)))
    answer(bridge, handoff_id, Answer("no-show"))
    second = answer(bridge, handoff_id, Answer("schedule", start=START.replace(day=10))).appointment
    while read_feed(bridge):
        pass

    visits = [ask(bridge, "GET", *one.split("/")) for one in (first, second)]
    assert moved.appointment == first
    assert [one["status"] for one in visits] == ["noshow", "booked"]
    output = task_of(bridge, handoff_id)["output"]
    assert [one["valueReference"]["reference"] for one in output] == [first, second]
    events = referrals.show(bridge, handoff_id).to_json()["events"]
    assert [one["result"] for one in events] == ["moved"] * 4


def test_what_came_was_not_seen_whatever_its_sender_calls_that(bridge: Bridge) -> None:
    """BSeR's Tasks are `received` when they are sent, and not all claim its profile."""
    body = referral_bundle("base")
    body["entry"][3]["resource"]["status"] = "received"
    ask(bridge, "POST", body=body)
    read_feed(bridge)
    [case] = referrals.list_cases(bridge, direction="inbound")

    answer(bridge, case.handoff.id, Answer("receive"))
    while read_feed(bridge):
        pass

    assert case.word.text == "Delivered, not seen yet"
    assert referrals.show(bridge, case.handoff.id).word.text == "Seen"
    assert referrals.list_set_aside(bridge) == []


@pytest.mark.parametrize("shape", list(PROFILES))
def test_having_seen_it_is_known_here_in_every_shape(bridge: Bridge, shape: str) -> None:
    """BSeR and Gravity have one word for sent and seen."""
    handoff_id = refer(bridge, shape=shape)

    answer(bridge, handoff_id, Answer("receive"))
    while read_feed(bridge):
        pass

    assert referrals.show(bridge, handoff_id).word.text == "Seen"
    answer(bridge, handoff_id, Answer("decline", reason="coverage"))
    assert task_of(bridge, handoff_id)["status"] == "rejected"


def test_what_we_report_done_without_a_visit_is_ours_to_enter(bridge: Bridge) -> None:
    handoff_id = refer(bridge)
    answer(bridge, handoff_id, Answer("accept"))

    answer(bridge, handoff_id, Answer("outcome"))

    shown = referrals.show(bridge, handoff_id)
    assert (shown.word.text, shown.word.next_by) == ("Reported done, no visit seen", "receiver")
    assert [one.kind for one in shown.alerts] == ["done-without-visit"]


def test_a_refusal_has_a_coded_reason(bridge: Bridge) -> None:
    handoff_id = refer(bridge)

    with pytest.raises(InvalidContent):
        answer(bridge, handoff_id, Answer("decline"))
    answer(bridge, handoff_id, Answer("decline", reason="no-capacity"))

    reason = task_of(bridge, handoff_id)["statusReason"]
    assert reason["coding"][0]["code"] == "no-capacity"
    assert reason["text"]


def test_asking_for_documents_says_which(bridge: Bridge) -> None:
    handoff_id = refer(bridge)

    answer(bridge, handoff_id, Answer("ask", text="The last medication list, please."))

    assert task_of(bridge, handoff_id)["status"] == "on-hold"
    assert referrals.show(bridge, handoff_id).word.next_by == "sender"


def test_who_asks_says_that_the_documents_came(bridge: Bridge) -> None:
    handoff_id = refer(bridge)
    answer(bridge, handoff_id, Answer("ask", text="The last medication list, please."))
    task = task_of(bridge, handoff_id)

    ask(bridge, "PUT", "Task", task["id"], body={**task, "status": "requested"})
    while read_feed(bridge):
        pass

    shown = referrals.show(bridge, handoff_id)
    assert (shown.handoff.status, shown.word.next_by) == ("received", "receiver")
    assert referrals.list_set_aside(bridge) == []


def test_a_move_that_is_not_allowed_is_refused(bridge: Bridge) -> None:
    handoff_id = refer(bridge)
    answer(bridge, handoff_id, Answer("decline", reason="coverage"))

    with pytest.raises(Conflict, match="declined cannot become accepted"):
        answer(bridge, handoff_id, Answer("accept"))


def test_what_somebody_else_sent_is_declined_not_withdrawn(bridge: Bridge) -> None:
    with pytest.raises(Conflict, match="decline it"):
        answer(bridge, refer(bridge), Answer("withdraw"))


def test_our_answers_read_back_from_the_feed_change_nothing(bridge: Bridge) -> None:
    handoff_id = refer(bridge)
    answer(bridge, handoff_id, Answer("accept"))
    before = referrals.show(bridge, handoff_id).to_json()

    while read_feed(bridge):
        pass

    assert referrals.show(bridge, handoff_id).to_json()["events"] == before["events"]
    assert referrals.list_set_aside(bridge) == []


def test_the_api_answers_and_lists(bridge: Bridge) -> None:
    handoff_id = refer(bridge)
    client = create_app(bridge).test_client()

    accepted = client.post(f"/api/handoffs/{handoff_id}/$accept", json={"by": "ana"})
    wrong = client.post(f"/api/handoffs/{handoff_id}/$decline", json={"reason": "no"})
    listed = client.get("/api/cases?direction=inbound").get_json()["cases"]
    shown = client.get(f"/api/cases/{handoff_id}").get_json()
    document = client.get(f"/api/cases/{handoff_id}/$document").get_json()

    assert (accepted.status_code, accepted.get_json()["state"]) == (200, "accepted")
    assert wrong.status_code == 400
    assert [one["id"] for one in listed] == [handoff_id]
    assert shown["events"][-1]["by"] == "ana"
    assert document["document"]["status"] == "accepted"


def test_a_notification_over_http_is_taken(bridge: Bridge) -> None:
    with bridge.database.transaction() as session:
        partners.save(session, bridge, Partner("ehr", "http://127.0.0.1:9/fhir"))
    stranger = {"resourceType": "Task", "id": "9", "status": "accepted", "intent": "order"}
    told = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": stranger}]}

    answered = (
        create_app(bridge)
        .test_client()
        .post("/notifications/ehr", data=wire.dump(told), content_type="application/fhir+json")
    )

    assert answered.status_code == 200
    assert [one.code for one in referrals.list_set_aside(bridge)] == ["unknown-referral"]


def test_a_rest_hook_of_r4_is_taken(bridge: Bridge) -> None:
    with bridge.database.transaction() as session:
        partners.save(session, bridge, Partner("ehr", "http://127.0.0.1:9/fhir"))
    client = create_app(bridge).test_client()
    task = {"resourceType": "Task", "id": "9", "status": "accepted", "intent": "order"}
    fhir = "application/fhir+json"

    empty = client.post("/notifications/ehr")
    whole = client.put("/notifications/ehr/Task/9", data=wire.dump(task), content_type=fhir)
    wrong = client.put("/notifications/ehr/Task/8", data=wire.dump(task), content_type=fhir)
    task["focus"] = "ServiceRequest/1"
    formless = client.put("/notifications/ehr/Task/9", data=wire.dump(task), content_type=fhir)

    assert [one.status_code for one in (empty, whole, wrong)] == [200, 200, 400]
    assert formless.status_code == 400
    assert formless.get_json()["issue"][0]["expression"] == ["Task.focus"]
    assert empty.get_json() == {"taken": [], "toLookAt": 0}
    assert [one.code for one in referrals.list_set_aside(bridge)] == ["unknown-referral"]


class TestMessages:
    """A BSeR partner sends one message with all that belongs to the order."""

    URL = "https://ehr.example/fhir"

    def message(self, shape: str, fullurl: str) -> dict[str, Any]:
        """The referral as a message: a header, then the same resources, by their own names."""
        listed = [one["resource"] for one in referral_bundle(shape)["entry"]]
        text = wire.dump({"e": listed}).decode()
        for number, one in enumerate(listed):
            text = text.replace(uuid(number), f"{one['resourceType']}/{number}")
        named = [{"id": str(n), **one} for n, one in enumerate(wire.parse(text.encode())["e"])]
        header = {
            "resourceType": "MessageHeader",
            "eventUri": "http://hl7.org/fhir/us/bser#referral",
            "source": {"endpoint": self.URL},
            "focus": [{"reference": "Task/3"}],
        }
        return {
            "resourceType": "Bundle",
            "type": "message",
            "entry": [
                {"fullUrl": fullurl.format(f"{one['resourceType']}/{one.get('id', 'h')}", n)}
                | {"resource": one}
                for n, one in enumerate([header, *named])
            ],
        }

    def post(self, bridge: Bridge, body: dict[str, Any]) -> dict[str, Any]:
        answered = self.told(bridge, body)
        assert answered.status_code == 200, answered.get_data(as_text=True)
        return wire.parse(answered.get_data())

    def told(self, bridge: Bridge, body: dict[str, Any]) -> Any:
        with bridge.database.transaction() as session:
            partners.save(session, bridge, Partner("ehr", self.URL))
        client = create_app(bridge).test_client()
        fhir = "application/fhir+json"
        return client.post("/notifications/ehr", data=wire.dump(body), content_type=fhir)

    def test_what_has_no_name_in_a_message_is_never_taken_for_another(self, bridge: Bridge) -> None:
        for number in (1, 2):
            body = self.message("base", f"urn:uuid:00000000-0000-4000-8000-{number:011}{{1}}")
            task = next(
                one["resource"]
                for one in body["entry"]
                if one["resource"]["resourceType"] == "Task"
            )
            task["id"] = f"t{number}"
            found = {"resourceType": "Observation", "status": "final", "code": {"text": "found"}}
            body["entry"] += [{"resource": found}, {"resource": found}]
            self.post(bridge, body)

        assert ask(bridge, "GET", "Observation")["total"] == 4

    @pytest.mark.parametrize("shape", list(PROFILES))
    @pytest.mark.parametrize("fullurl", ["https://ehr.example/fhir/{0}", "urn:uuid:{1}"])
    def test_a_new_order_in_a_message_becomes_a_document(
        self, bridge: Bridge, shape: str, fullurl: str
    ) -> None:
        told = self.post(bridge, self.message(shape, fullurl))
        handoff_id = told["taken"][0]["handoff"]
        while read_feed(bridge):
            pass

        document = inbound.document_of(bridge, handoff_id).document
        assert document["patient"]["name"]["family"] == "Example"
        assert document["requester"]["org"] == "Example Hospital"
        assert document["serviceRequested"]["kind"] == "psychiatry"
        assert [one.handoff.id for one in referrals.list_cases(bridge)] == [handoff_id]
        assert referrals.show(bridge, handoff_id).handoff.partner == "ehr"
        assert referrals.list_set_aside(bridge) == []

    @pytest.mark.parametrize(
        ("number", "said", "place"),
        [
            (4, {"focus": "ServiceRequest/2"}, ".focus"),
            (4, {"meta": "bser"}, ".meta"),
            (4, {"meta": {"profile": "bser"}}, ".meta.profile"),
            (4, {"businessStatus": "2.0"}, ".businessStatus"),
            (4, {"businessStatus": {"coding": ["2.0"]}}, ".businessStatus.coding[0]"),
            (3, {"identifier": ["x"]}, ".identifier[0]"),
            (3, {"identifier": [{"system": 7, "value": "x"}]}, ".identifier[0].system"),
            (3, {"meta": []}, ".meta"),
            (1, {"resourceType": "Robot"}, ""),
            (1, {"resourceType": None}, ""),
        ],
    )
    def test_a_message_that_cannot_be_read_is_refused_with_the_place(
        self, bridge: Bridge, number: int, said: dict[str, Any], place: str
    ) -> None:
        body = self.message("base", "https://ehr.example/fhir/{0}")
        body["entry"][number]["resource"] |= said

        refused = self.told(bridge, body)

        issues = refused.get_json()["issue"]
        assert refused.status_code == 400
        assert [one["expression"] for one in issues] == [
            [f"Bundle.entry[{number}].resource{place}"]
        ]
        assert referrals.list_cases(bridge) == []

    def test_what_a_newer_version_says_of_a_visit_is_passed_over(self, bridge: Bridge) -> None:
        """In R5 the priority is a concept, and the instruction a list of references."""
        newer = {
            "resourceType": "Appointment",
            "id": "5",
            "status": "booked",
            "start": "2026-06-02T15:00:00Z",
            "priority": {"text": "soon"},
            "patientInstruction": [{"reference": {"reference": "DocumentReference/1"}}],
            "subject": {"reference": "Patient/0"},
        }
        robot = {"resourceType": "Robot", "id": "1", "meta": "x"}
        body = {"resourceType": "Bundle", "type": "collection"}

        taken = self.told(bridge, body | {"entry": [{"resource": newer}, {"resource": robot}]})
        newer["start"] = "in June"
        refused = self.told(bridge, body | {"entry": [{"resource": newer}]})

        assert (taken.status_code, refused.status_code) == (200, 400)

    def test_a_repeated_message_changes_nothing_even_after_an_answer(self, bridge: Bridge) -> None:
        message = self.message("bser", "https://ehr.example/fhir/{0}")
        handoff_id = self.post(bridge, message)["taken"][0]["handoff"]
        answer(bridge, handoff_id, Answer("accept"))

        again = self.post(bridge, message)
        while read_feed(bridge):
            pass

        assert again["taken"] == []
        assert referrals.show(bridge, handoff_id).handoff.status == "accepted"
        assert len(referrals.list_cases(bridge)) == 1
        assert referrals.list_set_aside(bridge) == []
        assert ask(bridge, "GET", "Patient?_summary=count")["total"] == 1

    def test_a_later_message_asks_for_the_withdrawal(self, bridge: Bridge) -> None:
        message = self.message("bser", "https://ehr.example/fhir/{0}")
        handoff_id = self.post(bridge, message)["taken"][0]["handoff"]
        task = message["entry"][-1]["resource"]
        system = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"
        task["status"] = "in-progress"
        task["businessStatus"] = {"coding": [{"system": system, "code": "5.2"}]}

        self.post(bridge, message)
        answer(bridge, handoff_id, Answer("confirm-withdrawal"))

        assert task_of(bridge, handoff_id)["status"] == "cancelled"


def test_pull_keeps_plans_and_referrals_of_a_patient_as_documents_once(
    tmp_path: Path, bridge: Bridge
) -> None:
    plan = {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": uuid(0)},
        "period": {"start": "2026-01-01"},
    }
    body = referral_bundle("base")
    body["entry"].append({"resource": plan, "request": {"method": "POST", "url": "CarePlan"}})
    with Server(tmp_path, "--workers", "1") as server:
        ehr = Partner("ehr", f"{server.url}/fhir", recipient=Recipient("Example Hospital"))

        def pulled() -> list[tuple[str, str]]:
            found = [keep(bridge, ehr, one) for one in pull(bridge, ehr, "urn:ehr|p1")]
            return [(one.kind, one.stored) for one in found]

        with PartnerClient(PartnerSession(ehr.base_url)) as client:
            answered = client.send_bundle(body)
            assert isinstance(answered, Answered)
            assert answered.status == 200
            first, again = pulled(), pulled()
            place = wire.parse(answered.body)["entry"][-1]["response"]["location"]
            current = client.read(relative(place))
            assert isinstance(current, Answered)
            changed = {**wire.parse(current.body), "status": "completed"}
            client.update(relative(place), changed)
        third = pulled()

    assert first == [("aftercare-plan", "created"), ("referral", "created")]
    assert again == [("aftercare-plan", "unchanged"), ("referral", "unchanged")]
    assert third == [("aftercare-plan", "updated"), ("referral", "unchanged")]
    [listed] = page(bridge, "aftercare-plan", limit=10).documents
    held = find(bridge, "aftercare-plan", listed.key.record_id)
    document = wire.parse(held.content)
    assert (held.key.source_system, held.version, document["status"]) == ("ehr", 2, "completed")
    assert document["patient"] == {
        "mrn": "p1",
        "name": {"family": "Example", "given": ["Ada"]},
        "sex": "female",
        "birthDate": "1990-01-02",
    }
    sources = [
        entry["resource"]["entity"][0]["what"]["reference"]
        for entry in ask(bridge, "GET", "Provenance?_count=50")["entry"]
        if "entity" in entry["resource"]
    ]
    assert f"{ehr.base_url}/{relative(place)}" in sources
