"""Consents that speak about single resources: labels, codes, types, references, exceptions."""

from pathlib import Path
from typing import Any

import pytest

from fhirbridge.consent.classes import CLASSES
from fhirbridge.consent.labels import ACT_CODE, ICD10CM
from fhirbridge.disclosure.packages import Authorised, authorise
from fhirbridge.errors import NotFound
from fhirbridge.handoffs.consenting import gate_to
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import audits, consents, explanations
from fhirbridge.operations.explanations import OfResource
from fhirbridge.partners.registry import Partner
from tests.disclosure.support import CLINIC, Store, caller
from tests.unit.consent.support import consent

P1 = {"reference": "Patient/p1"}
NO_HIV = {"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "HIV"}]}
CLASS = "http://example.org/class"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'single.db'}"


def coded(code: str) -> JsonObject:
    return {"coding": [{"system": ICD10CM, "code": code}]}


def visit(resource_id: str, code: str, **more: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": resource_id,
        "status": "proposed",
        "reasonCode": [coded(code)],
        "participant": [{"actor": P1, "status": "accepted"}],
        **more,
    }


@pytest.fixture
def record(store: Store) -> Store:
    store.put(
        {"resourceType": "Organization", "id": "o1", "name": "Program"},
        {"resourceType": "Patient", "id": "p1", "birthDate": "1980-01-01"},
        {"resourceType": "Condition", "id": "plain", "subject": P1, "code": coded("I10")},
        {"resourceType": "Condition", "id": "hiv", "subject": P1, "code": coded("B20")},
        visit("a", "I10"),
        visit("b", "Z59.0"),
    )
    return store


def sign(store: Store, *exceptions: JsonObject, consent_id: str = "c1", **changes: Any) -> None:
    made = consent(id=consent_id, classes=CLASSES, policyRule={"text": "Part 2"}, **changes)
    if exceptions:
        made["provision"]["provision"] = list(exceptions)
    for provision in (made["provision"], *exceptions):
        for each in provision.get("class", ()):
            each.setdefault("system", CLASS)
    store.put(made)
    consents.attest(store.bridge, consent_id, by="officer", confirmed=frozenset())


def sent(store: Store, *names: str) -> Authorised:
    """What of a package would go to the clinic."""
    found = [store.own("GET", name).body for name in ("Patient/p1", *names)]
    urls = {f"{one['resourceType']}/{one['id']}": f"urn:uuid:{one['id']}" for one in found}
    entries = [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in found]
    for each in found:
        for basis in each.get("basedOn", ()):
            basis["reference"] = urls[basis["reference"]]
    partner = Partner("ehr", "https://ehr.example/fhir", recipient=CLINIC.recipient)
    with store.bridge.database.read() as session:
        gate = gate_to(store.bridge, partner)
        answer = authorise(session, gate, {"resourceType": "Bundle", "entry": entries})
    assert isinstance(answer, Authorised), answer.reasons
    return answer


def test_a_handoff_leaves_without_what_an_exception_names(record: Store) -> None:
    sign(record, NO_HIV)

    answer = sent(record, "Condition/plain", "Condition/hiv", "Appointment/a")

    ids = [each["resource"]["id"] for each in answer.bundle["entry"]]
    assert ids == ["p1", "plain", "a"]
    assert answer.bundle["entry"][2]["resource"]["reasonCode"] == [coded("I10")]
    assert (answer.consents, answer.redisclosure) == (("Consent/c1",), "hipaa")


def test_what_an_exception_leaves_is_whole_marked_and_accounted_for(record: Store) -> None:
    by_name = {"kind": "release", "recipients": ("Springfield Example Clinic",)}
    sign(record, NO_HIV, purposes=("TREAT",), **by_name)
    emergency = caller(CLINIC, purpose="ETREAT", reason="overdose", actor="Dr. E")

    found = record.get("Appointment/a")
    record.get("Condition/plain", emergency)
    record.get("Condition/hiv", emergency)

    assert found.body["reasonCode"] == [coded("I10")]
    marks = {each["code"] for each in found.body["meta"]["security"]}
    assert {"NORDSCLCD", "RedisclosureProhibitionMark"} <= marks
    told = [(each.consents, each.is_emergency) for each in audits.accounting(record.bridge, "p1")]
    assert told == [((), True), (("Consent/c1",), False), (("Consent/c1",), False)]


def test_no_text_tells_that_a_reference_was_taken_out(record: Store) -> None:
    sign(record, NO_HIV)
    div = '<div xmlns="http://www.w3.org/1999/xhtml">as its author put it</div>'
    own = {"text": {"status": "additional", "div": div}}
    record.put(
        visit("c", "I10", **own),
        visit("d", "I10", **own, reasonReference=[{"reference": "Condition/hiv"}]),
    )

    bodies = [record.get(f"Appointment/{name}").body for name in ("c", "d")]

    assert bodies[0] == {**bodies[1], "id": "c"}


def test_no_search_finds_an_element_that_an_exception_withholds(record: Store) -> None:
    no_reason = {"type": "deny", "class": [{"code": "diagnosis"}], "code": [coded("Z59.0")]}
    sign(record, no_reason)

    assert record.get("Condition").references == ["Condition/hiv", "Condition/plain"]
    assert "reasonCode" not in record.get("Appointment/b").body
    assert record.get(f"Appointment?reason-code={ICD10CM}|I10").references == ["Appointment/a"]
    for search in (f"reason-code={ICD10CM}|Z59.0", f"actor=Patient/p1&reason-code={ICD10CM}|Z59.0"):
        assert record.get(f"Appointment?{search}").references == []


@pytest.mark.parametrize(
    "named",
    [
        {"reference": "ServiceRequest/order"},
        {"reference": "http://localhost/fhir/ServiceRequest/order"},
        {"reference": "ServiceRequest/order/_history/1"},
        {"identifier": {"system": "urn:o", "value": "1"}},
    ],
    ids=["plain", "absolute", "version", "identifier"],
)
@pytest.mark.parametrize("meaning", ["instance", "related", "dependents"])
def test_a_restriction_of_one_order_holds_however_it_is_named(
    record: Store, meaning: str, named: JsonObject
) -> None:
    order = {"resourceType": "ServiceRequest", "id": "order", "status": "active", "intent": "order"}
    basis = {"reference": "http://localhost/fhir/ServiceRequest/order"}
    record.put({**order, "subject": P1, "code": coded("I10")}, visit("c", "I10", basedOn=[basis]))
    sign(record)
    restriction = {"type": "deny", "data": [{"meaning": meaning, "reference": named}]}
    made = consent(id="d1", provision=restriction, policyRule={"text": "Part 2"})
    record.put({**made, "status": "active"})

    assert record.get("ServiceRequest/order").status == 404
    visible = record.get("Appointment/c").status == 200
    assert visible == (meaning == "instance" and named == {"reference": "ServiceRequest/order"})


def test_a_restriction_of_an_order_holds_in_a_package(record: Store) -> None:
    order = {"resourceType": "ServiceRequest", "id": "order", "status": "active", "intent": "order"}
    basis = {"reference": "ServiceRequest/order"}
    record.put({**order, "subject": P1, "code": coded("I10")}, visit("c", "I10", basedOn=[basis]))
    restriction = {"type": "deny", "data": [{"meaning": "related", "reference": basis}]}
    sign(record, restriction)

    answer = sent(record, "ServiceRequest/order", "Appointment/c", "Appointment/a")

    assert [each["resource"]["id"] for each in answer.bundle["entry"]] == ["p1", "a"]


def test_a_restriction_of_counseling_notes_leaves_the_rest(record: Store) -> None:
    sign(record, {"type": "deny", "class": [{"code": "counseling-notes"}]})

    assert record.get("Appointment/a").status == 200


@pytest.mark.parametrize("how", ["one", "several", "narrowed"])
def test_only_one_consent_for_all_three_purposes_lets_hipaa_rule(record: Store, how: str) -> None:
    by_name = {"kind": "release", "recipients": ("Springfield Example Clinic",)}
    match how:
        case "one":
            sign(record)
        case "several":
            for number, purpose in enumerate(("TREAT", "HPAYMT", "HOPERAT")):
                sign(record, consent_id=f"c{number}", purposes=(purpose,), **by_name)
        case _:
            sign(record, {"type": "deny", "purpose": [{"code": "HOPERAT"}]})

    found = record.get("Appointment/a").body["meta"]["security"]

    assert ("NORDSCLCD" in {each["code"] for each in found}) == (how != "one")
    assert (sent(record, "Appointment/a").redisclosure == "hipaa") == (how == "one")


@pytest.mark.parametrize(
    ("dates", "permit", "deny"),
    [
        ({"onsetDateTime": "2019-05"}, False, True),
        ({"onsetDateTime": "2024-05-01"}, True, False),
        ({"onsetDateTime": "2019", "recordedDate": "2024-05-01"}, False, False),
        ({"onsetPeriod": {"end": "2024-05-01"}}, False, False),
        ({"onsetPeriod": {"start": "2024-05-01"}}, True, False),
    ],
    ids=["before", "inside", "both", "until", "since"],
)
def test_data_of_a_time_is_what_tells_of_that_time(
    record: Store, dates: JsonObject, permit: bool, deny: bool
) -> None:
    """When it was stored tells nothing: records of long ago are imported today."""
    condition = {"resourceType": "Condition", "subject": P1, "code": coded("I10")}
    record.put({**condition, "id": "timed", **dates})
    since = {"dataPeriod": {"start": "2023-01-01"}}

    sign(record, provision={**consent(classes=CLASSES)["provision"], **since})
    assert (record.get("Condition/timed").status == 200) == permit
    sign(record, {"type": "deny", **since})
    assert (record.get("Condition/timed").status == 200) == deny


def test_an_explanation_of_one_resource_goes_down_to_its_elements(record: Store) -> None:
    no_reason = {"type": "deny", "class": [{"code": "diagnosis"}], "code": [coded("Z59.0")]}
    sign(record, no_reason, NO_HIV)

    def explained(reference: str = "") -> tuple[bool, OfResource | None]:
        found = explanations.explain(record.bridge, "p1", CLINIC, resource=reference)
        return found.is_permitted, found.resource

    whole, part, nothing = (
        explained(name) for name in ("Appointment/a", "Appointment/b", "Condition/hiv")
    )

    assert explained() == (True, None)
    assert whole == (True, OfResource("Appointment/a", "appointments", True, ()))
    assert part == (True, OfResource("Appointment/b", "appointments", True, ("reasonCode",)))
    assert nothing == (False, OfResource("Condition/hiv", "diagnosis", False, ()))
    found = explanations.explain(record.bridge, "p1", CLINIC, resource="Appointment/b")
    reasons = explanations.explanation_json(found)["decisions"][1]["reasons"]
    assert (reasons[0]["code"], reasons[0]["consent"]) == ("denied", "Consent/c1")
    with pytest.raises(NotFound):
        explained("Organization/o1")
