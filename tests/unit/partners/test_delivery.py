"""Executing a plan: what is asked, in which order, and what is never sent twice."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
import requests
import responses

from fhirbridge.partners.abilities import abilities_of
from fhirbridge.partners.attempt import Outcome
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.delivery import deliver
from fhirbridge.partners.http import PartnerSession
from fhirbridge.partners.plan import SendPlan, plan
from fhirbridge.partners.verdict import Delivered, Refused, Retry, Unknown
from tests.unit.partners.test_plan import BUNDLE, ORDER, PATIENT, PLAN, TASK, capability

BASE = "https://ehr.example/fhir"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLACES = {TASK: "Task/4", PLAN: "CarePlan/2", ORDER: "ServiceRequest/3", PATIENT: "Patient/1"}


class Ledger:
    """Keeps what is reported as placed."""

    def __init__(self) -> None:
        self.reports: list[dict[str, str]] = []

    def __call__(self, locations: Mapping[str, str]) -> None:
        self.reports.append(dict(locations))


def run(
    made: SendPlan,
    *,
    ledger: dict[str, str] | None = None,
    look_first: bool = False,
    is_proven: bool = True,
    progress: Ledger | None = None,
) -> Outcome:
    with PartnerClient(PartnerSession(BASE)) as client:
        return deliver(
            made,
            client,
            anchor=TASK,
            ledger=ledger or {},
            look_first=look_first,
            is_proven=is_proven,
            now=lambda: NOW,
            progress=progress or Ledger(),
        )


def answered(*places: str, status: str = "201 Created") -> str:
    entries = [{"response": {"status": status, "location": place}} for place in places]
    return json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


def searchset(*resources: dict[str, Any]) -> str:
    entries = [{"resource": one} for one in resources]
    return json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entries})


def identified(resource_type: str, resource_id: str, value: str) -> dict[str, Any]:
    return {
        "resourceType": resource_type,
        "id": resource_id,
        "identifier": [{"system": "urn:x", "value": value}],
    }


def sent(index: int) -> Any:
    return json.loads(responses.calls[index].request.body or b"null")


def asked() -> list[str]:
    return [f"{call.request.method} {call.request.path_url}" for call in responses.calls]


TRANSACTION = plan(BUNDLE, abilities_of(capability("transaction")))
CREATES = plan(BUNDLE, abilities_of(capability()))
SEARCHES = plan(BUNDLE, abilities_of(capability(conditional=False)))
BATCH = plan(BUNDLE, abilities_of(capability("batch")))


@responses.activate
def test_a_transaction_is_one_request_with_conditions_and_places() -> None:
    responses.post(BASE, body=answered("Task/4", "CarePlan/2", "ServiceRequest/3", "Patient/1"))

    outcome = run(TRANSACTION)

    assert isinstance(outcome.verdict, Delivered)
    assert outcome.locations == PLACES
    assert (len(outcome.created), outcome.matched) == (4, 0)
    assert sent(0)["type"] == "transaction"
    assert sent(0)["entry"][3]["request"]["ifNoneExist"] == "identifier=urn:x|patient"
    assert sent(0)["entry"][0]["resource"]["focus"] == {"reference": ORDER}


@responses.activate
def test_after_an_unknown_outcome_the_task_is_looked_up_and_nothing_sent() -> None:
    responses.get(f"{BASE}/Task", body=searchset(identified("Task", "4", "task")))
    for kind, number, value in (
        ("CarePlan", "2", "plan"),
        ("ServiceRequest", "3", "order"),
        ("Patient", "1", "patient"),
    ):
        responses.get(f"{BASE}/{kind}", body=searchset(identified(kind, number, value)))

    outcome = run(TRANSACTION, look_first=True)

    assert isinstance(outcome.verdict, Delivered)
    assert outcome.looked == "found"
    assert outcome.locations == PLACES
    assert all(line.startswith("GET") for line in asked())


@responses.activate
def test_a_transaction_that_did_not_arrive_is_sent_again() -> None:
    responses.get(f"{BASE}/Task", body=searchset())
    responses.post(BASE, body=answered("Task/4", "CarePlan/2", "ServiceRequest/3", "Patient/1"))

    outcome = run(TRANSACTION, look_first=True)

    assert isinstance(outcome.verdict, Delivered)
    assert outcome.looked == "not-found"
    assert [line.split()[0] for line in asked()] == ["GET", "POST"]


@responses.activate
def test_where_nothing_proves_look_ups_a_person_is_asked_instead_of_sending_twice() -> None:
    """A partner may hide what we wrote until somebody there has seen to it."""
    responses.get(f"{BASE}/Task", body=searchset())

    outcome = run(TRANSACTION, look_first=True, is_proven=False)

    assert outcome.verdict == Unknown("look-up-not-proven")
    assert outcome.needs_person
    assert all(line.startswith("GET") for line in asked())


@responses.activate
@pytest.mark.parametrize("is_shown", [True, False])
def test_what_a_delivery_placed_before_proves_look_ups_if_it_is_shown(is_shown: bool) -> None:
    patient = [identified("Patient", "1", "patient")] if is_shown else []
    responses.get(f"{BASE}/Patient", body=searchset(*patient))
    for kind in ("CarePlan", "ServiceRequest", "Task"):
        responses.get(f"{BASE}/{kind}", body=searchset())
        responses.post(f"{BASE}/{kind}", status=201, headers={"Location": f"{BASE}/{kind}/9"})
        responses.put(f"{BASE}/{kind}/9", status=200)

    outcome = run(CREATES, ledger={PATIENT: "Patient/1"}, look_first=True, is_proven=False)

    assert outcome.needs_person != is_shown
    assert any(line.startswith("POST") for line in asked()) == is_shown


@responses.activate
def test_a_task_with_another_identifier_is_no_proof() -> None:
    responses.get(f"{BASE}/Task", body=searchset(identified("Task", "9", "another")))
    responses.post(BASE, body=answered("Task/4", "CarePlan/2", "ServiceRequest/3", "Patient/1"))

    outcome = run(TRANSACTION, look_first=True)

    assert outcome.looked == "not-found"
    assert outcome.locations[TASK] == "Task/4"


@responses.activate
def test_while_the_partner_cannot_be_asked_the_outcome_stays_unknown() -> None:
    responses.get(f"{BASE}/Task", status=503, headers={"Retry-After": "7"})

    outcome = run(TRANSACTION, look_first=True)

    assert outcome.verdict == Unknown("too-busy", 503, 7.0)
    assert outcome.looked == "failed"
    assert not outcome.needs_person


@responses.activate
def test_a_partner_that_never_tells_needs_a_person() -> None:
    responses.get(f"{BASE}/Task", status=400)

    outcome = run(TRANSACTION, look_first=True)

    assert isinstance(outcome.verdict, Unknown)
    assert outcome.needs_person


@responses.activate
def test_a_lost_answer_is_unknown() -> None:
    responses.post(BASE, body=requests.exceptions.ReadTimeout())

    assert run(TRANSACTION).verdict == Unknown("no-answer")


@responses.activate
def test_a_refusal_names_the_entry_in_what_was_sent() -> None:
    issue = {
        "severity": "error",
        "code": "value",
        "expression": ["Bundle.entry[1].resource.status"],
    }
    responses.post(BASE, status=422, json={"resourceType": "OperationOutcome", "issue": [issue]})

    outcome = run(TRANSACTION)

    assert isinstance(outcome.verdict, Refused)
    assert outcome.sequence[outcome.verdict.findings[0].entry] == PLAN


class Ehr:
    """Answers creates and updates one by one, with ids as they come."""

    NUMBERS: ClassVar = {"Patient": "1", "CarePlan": "2", "ServiceRequest": "3", "Task": "4"}

    def __init__(self) -> None:
        self.there: dict[str, dict[str, Any]] = {}
        pattern = re.compile(f"{BASE}/[A-Za-z]+$")
        responses.add_callback(responses.POST, pattern, self.create)
        responses.add_callback(responses.PUT, re.compile(f"{BASE}/[A-Za-z]+/\\d+$"), self.update)
        responses.add_callback(responses.GET, re.compile(f"{BASE}/[A-Za-z]+"), self.search)

    def create(self, request: Any) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body)
        kind = body["resourceType"]
        self.there[kind] = body
        return 201, {"Location": f"{BASE}/{kind}/{self.NUMBERS[kind]}/_history/1"}, ""

    def update(self, request: Any) -> tuple[int, dict[str, str], str]:
        body = json.loads(request.body)
        self.there[body["resourceType"]] = body
        return 200, {}, ""

    def search(self, request: Any) -> tuple[int, dict[str, str], str]:
        kind = request.path_url.split("?")[0].rpartition("/")[2]
        names = {"CarePlan": "plan", "ServiceRequest": "order"}
        held = [identified(kind, self.NUMBERS[kind], names.get(kind, kind.lower()))]
        return 200, {}, searchset(*held) if kind in self.there else searchset()


@responses.activate
def test_single_creates_go_in_order_are_conditional_and_close_the_ring() -> None:
    ehr = Ehr()
    ledger = Ledger()

    outcome = run(CREATES, progress=ledger)

    assert isinstance(outcome.verdict, Delivered)
    assert outcome.locations == PLACES
    assert asked() == [
        "POST /fhir/Patient",
        "POST /fhir/CarePlan",
        "POST /fhir/ServiceRequest",
        "POST /fhir/Task",
        "PUT /fhir/CarePlan/2",
    ]
    assert responses.calls[0].request.headers["If-None-Exist"] == "identifier=urn:x|patient"
    assert sent(1)["activity"] == [
        {"reference": {"identifier": {"system": "urn:x", "value": "order"}}}
    ]
    assert ehr.there["CarePlan"]["activity"] == [{"reference": {"reference": "ServiceRequest/3"}}]
    assert ehr.there["Task"]["focus"] == {"reference": "ServiceRequest/3"}
    assert [len(report) for report in ledger.reports] == [1, 2, 3, 4]


@responses.activate
def test_what_the_ledger_has_is_not_sent_again() -> None:
    Ehr()

    outcome = run(CREATES, ledger={PATIENT: "Patient/1", PLAN: "CarePlan/2"})

    assert isinstance(outcome.verdict, Delivered)
    assert asked() == ["POST /fhir/ServiceRequest", "POST /fhir/Task", "PUT /fhir/CarePlan/2"]


@responses.activate
def test_a_partner_without_conditions_is_asked_before_each_create() -> None:
    ehr = Ehr()
    ehr.there["Patient"] = {}

    outcome = run(SEARCHES)

    assert isinstance(outcome.verdict, Delivered)
    assert "POST /fhir/Patient" not in asked()
    assert "If-None-Exist" not in responses.calls[-2].request.headers
    assert outcome.locations == PLACES


@responses.activate
def test_an_interrupted_wave_is_looked_up_and_later_ones_are_sent() -> None:
    ehr = Ehr()
    ehr.there["CarePlan"] = {}

    outcome = run(CREATES, ledger={PATIENT: "Patient/1"}, look_first=True)

    assert isinstance(outcome.verdict, Delivered)
    assert outcome.looked == "found"
    assert [line for line in asked() if line.startswith("POST")] == [
        "POST /fhir/ServiceRequest",
        "POST /fhir/Task",
    ]


@responses.activate
def test_a_failure_in_the_middle_keeps_the_ledger() -> None:
    responses.post(f"{BASE}/Patient", status=201, headers={"Location": "Patient/1"})
    responses.post(f"{BASE}/CarePlan", status=429, headers={"Retry-After": "3"})

    outcome = run(CREATES)

    assert outcome.verdict == Retry("too-busy", 429, 3.0)
    assert outcome.locations == {PATIENT: "Patient/1"}


@responses.activate
def test_a_batch_wave_resolves_links_to_earlier_waves() -> None:
    numbers = iter(("Patient/1", "CarePlan/2", "ServiceRequest/3", "Task/4"))

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        entries = [
            {"response": {"status": "201", "location": next(numbers)}}
            for _ in json.loads(request.body)["entry"]
        ]
        body = {"resourceType": "Bundle", "type": "batch-response", "entry": entries}
        return 200, {}, json.dumps(body)

    responses.add_callback(responses.POST, BASE, answer)
    responses.put(f"{BASE}/CarePlan/2")

    outcome = run(BATCH)

    assert isinstance(outcome.verdict, Delivered)
    assert outcome.locations == PLACES
    assert sent(3)["type"] == "batch"
    assert sent(3)["entry"][0]["resource"]["for"] == {"reference": "Patient/1"}


@responses.activate
def test_a_patient_that_can_only_be_matched_and_is_unknown_there_is_refused() -> None:
    statement = capability("transaction")
    statement["rest"][0]["resource"][0]["interaction"] = [{"code": "search-type"}]
    responses.get(f"{BASE}/Patient", body=searchset())

    outcome = run(plan(BUNDLE, abilities_of(statement)))

    assert isinstance(outcome.verdict, Refused)
    assert outcome.verdict.error_class == "patient-not-known"
    assert asked() == ["GET /fhir/Patient?identifier=urn%3Ax%7Cpatient"]


@responses.activate
def test_links_to_what_the_partner_cannot_store_become_identifiers() -> None:
    only = capability("transaction", types=("Patient", "CarePlan"))
    responses.post(BASE, body=answered("CarePlan/2", "Patient/1"))

    outcome = run(plan(BUNDLE, abilities_of(only)))

    assert isinstance(outcome.verdict, Delivered)
    care_plan = sent(0)["entry"][0]["resource"]
    assert care_plan["activity"] == [
        {"reference": {"identifier": {"system": "urn:x", "value": "order"}}}
    ]
    assert care_plan["subject"] == {"reference": PATIENT}
