"""Explaining, attesting and revoking consents; accounting, reviews and the chain of the audit."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.errors import Conflict, NotFound
from fhirbridge.fhir.validation import check as validate
from fhirbridge.jsontypes import JsonObject
from fhirbridge.operations import audits, consents, explanations
from fhirbridge.storage import tables
from fhirbridge.storage.reindex import reindex
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.tables import audit_events
from tests.disclosure.support import CLINIC, STRANGER, Store, caller
from tests.unit.consent.support import consent

PATIENT = {"resourceType": "Patient", "id": "p1", "name": [{"family": "Ash"}]}
MEDICATION = {
    "resourceType": "MedicationRequest",
    "id": "m1",
    "status": "active",
    "intent": "order",
    "subject": {"reference": "Patient/p1"},
    "medicationCodeableConcept": {"text": "naltrexone"},
}
ORGANIZATION = {"resourceType": "Organization", "id": "o1", "name": "Program"}


def written(**changes: object) -> JsonObject:
    """A complete consent, as the R4 gate takes it."""
    made = consent(**changes)  # type: ignore[arg-type]
    made["policyRule"] = {"text": "42 CFR Part 2"}
    for each in made["provision"]["class"]:
        each["system"] = "http://example.org/class"
    return made


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'records.db'}"


@pytest.fixture
def record(store: Store) -> Store:
    """A patient with one medication and an attested consent."""
    store.put(ORGANIZATION, PATIENT, MEDICATION, written())
    consents.attest(store.bridge, "c1", by="officer", confirmed=frozenset())
    return store


def test_attestation_lets_a_consent_from_elsewhere_permit(store: Store) -> None:
    store.put(ORGANIZATION, PATIENT, MEDICATION, written())
    before = store.get("MedicationRequest/m1").status

    consents.attest(store.bridge, "c1", by="officer", confirmed=frozenset())

    assert (before, store.get("MedicationRequest/m1").status) == (404, 200)


def test_attestation_holds_for_one_version(record: Store) -> None:
    record.put(written(dateTime="2026-02-01T10:00:00Z"))

    assert record.get("MedicationRequest/m1").status == 404


def test_an_explanation_says_what_would_change_it(record: Store) -> None:
    found = explanations.explain(record.bridge, "p1", CLINIC)
    other = explanations.explain(record.bridge, "p1", STRANGER)

    shown = explanations.explanation_json(found)
    by_class = {each["information"]: each["decision"] for each in shown["decisions"]}
    assert (by_class["medications"], by_class["labs"]) == ("permit", "withhold")
    assert found.is_permitted and not other.is_permitted
    reason = explanations.explanation_json(other)["decisions"][0]["reasons"][0]
    assert reason["code"] == "not-covered-actor"
    assert reason["change"].startswith("A consent that names the recipient")
    with pytest.raises(NotFound):
        explanations.explain(record.bridge, "nobody", CLINIC)


def test_revoking_closes_the_record_and_names_who_was_told(record: Store) -> None:
    record.get("MedicationRequest/m1")

    found = consents.revoke(record.bridge, "c1", by="officer", sleep=lambda _: None)

    assert found.effective_at is not None
    assert [each.recipient for each in found.holders] == ["Springfield Example Clinic"]
    assert record.get("MedicationRequest/m1").status == 404
    assert record.get("MedicationRequest").body["total"] == 0


def test_every_disclosure_is_accounted_for(record: Store) -> None:
    record.get("MedicationRequest/m1")
    record.get("MedicationRequest/m1", STRANGER)
    record.get("MedicationRequest?subject=Patient/p1")

    found = audits.accounting(record.bridge, "p1")

    assert [(each.recipient, each.purpose) for each in found] == [
        ("Springfield Example Clinic", "TREAT")
    ] * 2
    assert found[0].consents == ("Consent/c1",)
    assert found[0].resources == {"MedicationRequest": 1}
    assert audits.accounting(record.bridge, "p2") == []
    start = record.bridge.now()
    assert len(audits.breach(record.bridge, since=start, recipient="clinic")) == 2
    assert audits.breach(record.bridge, since=start, recipient="stranger") == []


@pytest.mark.parametrize("only", ["_summary=count", "_count=0"])
def test_a_number_of_matches_is_a_disclosure_too(record: Store, only: str) -> None:
    found = record.get(f"MedicationRequest?status=active&{only}")
    record.get(f"MedicationRequest?status=stopped&{only}")

    [told] = audits.accounting(record.bridge, "p1")
    assert (found.body["total"], told.resources) == (1, {"MedicationRequest": 1})
    assert "entry" not in found.body
    assert found.headers["Disclosed-Under"] == "Consent/c1"


def test_a_stricter_class_after_a_reindex_holds_for_reads_too(store: Store) -> None:
    """As after an update of fhirbridge that knows better what a resource tells."""
    bridge = store.bridge
    plans = written(classes=("identity", "treatment-plan"))
    store.put(ORGANIZATION, PATIENT, MEDICATION, plans)
    consents.attest(bridge, "c1", by="officer", confirmed=frozenset())
    with bridge.database.transaction() as session:
        for table in (tables.resources, tables.resource_versions):
            session.execute(
                sa.update(table)
                .where(table.c.content_class == "medications")
                .values(content_class="treatment-plan")
            )
    before = store.get("MedicationRequest/m1").status

    reindex(
        bridge.database,
        Circumstances(
            custodian_id=bridge.custodian.id, now=bridge.now(), zone=bridge.settings.zone
        ),
        report=lambda _: None,
    )

    assert before == 200
    assert store.get("MedicationRequest/m1").status == 404
    assert store.get("MedicationRequest/m1/_history").status == 404
    assert store.get("MedicationRequest").references == []


def test_a_header_does_not_grow_with_the_patients(record: Store) -> None:
    for number in range(20):
        patient = {"resourceType": "Patient", "id": f"more-{number}"}
        whose = {"reference": f"Patient/more-{number}"}
        record.put(patient, written(id=f"consent-{number}", patient=whose))
        consents.attest(record.bridge, f"consent-{number}", by="officer", confirmed=frozenset())

    found = record.get("Patient")

    assert found.headers["Disclosed-Under"] == "21 consents"
    assert "Consent/consent-19" in json.dumps(found.body)


def test_what_a_write_shows_is_a_disclosure_too(record: Store) -> None:
    identified = {**MEDICATION, "identifier": [{"system": "urn:m", "value": "1"}]}
    record.put(identified)
    body = {name: value for name, value in identified.items() if name != "id"}
    read = {"request": {"method": "GET", "url": "MedicationRequest/m1"}}
    dose = [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"}]
    dose += [{"name": "name", "valueString": "gender"}, {"name": "value", "valueCode": "male"}]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": dose}]}

    record.ask("POST", "MedicationRequest", body, if_none_exist="identifier=urn:m|1")
    for kind in ("batch", "transaction"):
        record.ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [read]})
    record.ask("PATCH", "Patient/p1", patch)
    record.ask("POST", "MedicationRequest", body)  # what was sent is no news

    found = audits.accounting(record.bridge, "p1")
    assert [(each.action, each.resources) for each in reversed(found)] == [
        ("create", {"MedicationRequest": 1}),
        ("batch", {"MedicationRequest": 1}),
        ("batch", {"MedicationRequest": 1}),
        ("patch", {"Patient": 1}),
    ]
    newest = record.own("GET", "AuditEvent?_count=1").body["entry"][0]["resource"]
    assert any("MedicationRequest/" in each["what"]["reference"] for each in newest["entity"])


def test_an_emergency_waits_for_a_review(record: Store) -> None:
    hospital = Recipient("Any Hospital", classes=("TREATER",))
    doctor = Caller(
        client_id="er", recipient=hospital, purpose="BTG", reason="overdose", actor="Dr. E"
    )
    consents.end(record.bridge, "c1", by="officer")
    assert record.get("MedicationRequest/m1", caller(doctor, reason="")).status == 404
    assert record.get("MedicationRequest/m1", doctor).status == 200

    waiting = audits.unreviewed(record.bridge)
    assert [(each.actor, each.reason) for each in waiting] == [("Dr. E", "overdose")]
    audits.review(record.bridge, waiting[0].id, by="officer", outcome="justified")

    assert audits.unreviewed(record.bridge) == []
    with pytest.raises(Conflict):
        audits.review(record.bridge, waiting[0].id, by="officer", outcome="again")


def test_the_chain_shows_a_changed_row(record: Store) -> None:
    for _ in range(3):
        record.get("MedicationRequest/m1")
    sound = audits.check(record.bridge)

    with record.bridge.database.transaction() as session:
        entry = json.dumps({"status": 200})
        changed = sa.update(audit_events).where(audit_events.c.id == 3).values(entry=entry)
        session.execute(changed)

    assert (sound.broken_at, sound.rows) == (0, 4)
    assert audits.check(record.bridge).broken_at == 3


def test_audit_events_are_rendered_for_the_custodian_only(record: Store) -> None:
    for _ in range(3):
        record.get("MedicationRequest/m1")

    page = record.own("GET", "AuditEvent?patient=p1&_count=2")
    event = page.body["entry"][0]["resource"]

    assert [each["resource"]["id"] for each in page.body["entry"]] == ["audit-4", "audit-3"]
    assert not [issue for issue in validate(event) if issue.is_error]
    assert event["agent"][0]["who"]["display"] == "Springfield Example Clinic"
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "TREAT"
    references = {each["what"]["reference"] for each in event["entity"]}
    assert {"Patient/p1", "MedicationRequest/m1/_history/1", "Consent/c1"} <= references
    assert record.own("GET", "AuditEvent/audit-3").body["id"] == "audit-3"
    assert record.get("AuditEvent/audit-3").status == 404
    assert record.get("AuditEvent").body["total"] == 0


def test_audit_events_of_others_follow_our_own(record: Store) -> None:
    record.get("MedicationRequest/m1")
    rendered = record.own("GET", "AuditEvent").body
    event = {**rendered["entry"][0]["resource"], "id": "theirs"}
    record.put({name: value for name, value in event.items() if name != "meta"})

    pages, link = [], "AuditEvent"
    while link:
        page = record.own("GET", link)
        pages.append([each["resource"]["id"] for each in page.body.get("entry", ())])
        following = [each["url"] for each in page.body["link"] if each["relation"] == "next"]
        link = following[0].partition("/fhir/")[2] if following else ""

    assert pages == [["audit-2", "audit-1"], ["theirs"]]


def test_a_reindex_classifies_what_an_older_version_stored(record: Store) -> None:
    bridge = record.bridge
    for table in (tables.resources, tables.resource_versions):
        with bridge.database.transaction() as session:
            session.execute(sa.update(table).values(content_class=""))
    before = record.get("MedicationRequest/m1").status

    circumstances = Circumstances(
        custodian_id=bridge.custodian.id, now=bridge.now(), zone=bridge.settings.zone
    )
    reindex(bridge.database, circumstances, report=lambda _: None)

    assert (before, record.get("MedicationRequest/m1").status) == (404, 200)
    assert record.get("MedicationRequest").body["total"] == 1
