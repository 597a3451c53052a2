"""42 CFR Part 2, row by row of domain.md section 3: what a rule asks for is what happens.

The decisions themselves, with all their variants, are in tests/unit/consent/test_decision.py.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.classes import CLASSES
from fhirbridge.consent.elements import ELEMENTS
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.packages import Authorised, authorise
from fhirbridge.handoffs.consenting import gate_to
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import audits, consents, explanations
from fhirbridge.partners.registry import Partner
from tests.disclosure.conftest import NOW, Clock
from tests.disclosure.support import CLINIC, STRANGER, Store, caller
from tests.unit.consent.support import consent

PAYER = Caller(
    client_id="payer",
    recipient=Recipient("Sample Health Plan", classes=("PAYOR",), covered_entity=True),
    purpose="HPAYMT",
)


class World(Store):
    """A store whose time can be turned, with a new patient for every row."""

    def __init__(self, bridge: Bridge, clock: "Clock") -> None:
        super().__init__(bridge)
        self.clock = clock
        self.number = 0

    def person(self, *, born: str = "1980-01-01", **more: Any) -> str:
        """A patient with a medication and a goal; returns the id."""
        self.number += 1
        name = f"p{self.number}"
        subject = {"reference": f"Patient/{name}"}
        self.put(
            {"resourceType": "Patient", "id": name, "birthDate": born, **more},
            {
                "resourceType": "MedicationRequest",
                "id": f"m-{name}",
                "status": "active",
                "intent": "order",
                "subject": subject,
                "medicationCodeableConcept": {"text": "naltrexone"},
                "reasonCode": [{"text": "alcohol use disorder"}],
            },
        )
        return name

    def sign(self, patient: str, consent_id: str = "", **changes: Any) -> str:
        """A complete consent for treatment, payment and operations, unless `changes` say else."""
        made = consent(**changes)
        made |= {"id": consent_id or f"c-{patient}", "policyRule": {"text": "42 CFR Part 2"}}
        if made.get("patient"):
            made["patient"] = {"reference": f"Patient/{patient}"}
        for each in made["provision"].get("class", ()):
            each["system"] = "http://example.org/class"
        self.put(made)
        if made["provision"]["type"] == "permit":
            consents.attest(self.bridge, made["id"], by="officer", confirmed=frozenset())
        return str(made["id"])

    def sees(self, patient: str, who: Caller = CLINIC) -> bool:
        return self.get(f"MedicationRequest/m-{patient}", who).status == 200


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    clock = Clock()
    url = f"sqlite:///{tmp_path_factory.mktemp('rows') / 'rows.db'}"
    built = bridges.build(Settings(auth="none", database_url=url), now=clock)
    found = World(built, clock)
    found.put({"resourceType": "Organization", "id": "o1", "name": "Program"})
    yield found
    built.close()


def row_1_default_deny_also_for_existence(world: World) -> None:
    patient = world.person()

    for path in ("Patient/{}", "MedicationRequest/m-{}", "Patient/{}/$everything"):
        hidden, absent = (world.get(path.format(name)) for name in (patient, "none"))
        assert hidden.status == absent.status == 404
        assert json.dumps(hidden.body).replace(patient, "none") == json.dumps(absent.body)
    assert world.get(f"MedicationRequest?subject=Patient/{patient}").body["total"] == 0


def row_2_written_elements(world: World) -> None:
    patient = world.person()
    whole = consent(recipients=("Springfield Example Clinic",), purposes=("TREAT",), kind="release")
    without: dict[str, dict[str, Any]] = {
        "discloser": {"organization": None},
        "information": {"provision": _without(whole, "class")},
        "recipients": {"provision": _without(whole, "actor")},
        "purpose": {"provision": _without(whole, "purpose")},
        "right-to-revoke": {"extension": None},
        "expiry": {"provision": _without(whole, "period")},
        "signature": {"performer": None},
        "date-signed": {"dateTime": None},
    }
    assert without.keys() | {"patient"} == set(list(ELEMENTS)[:9])
    for code, changes in without.items():
        shape = {"kind": "release", "recipients": ("Springfield Example Clinic",)}
        world.sign(patient, purposes=("TREAT",), **{**shape, **changes})
        found = explanations.explain(world.bridge, patient, CLINIC)
        assert code in found.missing[f"Consent/c-{patient}"]
        assert not world.sees(patient), code
    world.sign(patient, kind="release", recipients=("Springfield Example Clinic",))
    assert world.sees(patient)


def _without(whole: JsonObject, name: str) -> JsonObject:
    return {key: value for key, value in whole["provision"].items() if key != name}


def row_3_statements_of_a_tpo_consent(world: World) -> None:
    patient = world.person()
    every = consent()["extension"][0]
    for name in ("hipaaRedisclosure", "lossOfProtection", "refusalConsequences"):
        said = [part for part in every["extension"] if part["url"] != name]
        world.sign(patient, extension=[{**every, "extension": said}])
        assert not world.sees(patient), name


def row_4_one_tpo_consent_by_class(world: World) -> None:
    patient = world.person()
    provision = _without(consent(), "period")  # no end is needed
    world.sign(patient, provision=provision)

    assert world.sees(patient) and world.sees(patient, PAYER)
    assert not world.sees(patient, STRANGER)
    assert not world.sees(patient, caller(CLINIC, purpose="PATRQT"))


def row_5_list_of_disclosures_by_general_designation(world: World) -> None:
    patient = world.person()
    world.sign(patient)
    world.sign(patient, f"by-name-{patient}", kind="release", recipients=("Nobody's Hospital",))
    world.get(f"MedicationRequest/m-{patient}", PAYER)
    world.get(f"MedicationRequest/m-{patient}", STRANGER)

    listed = audits.accounting(world.bridge, patient, designated=True)

    assert [(each.recipient, each.resources) for each in listed] == [
        ("Sample Health Plan", {"MedicationRequest": 1})
    ]


def row_6_the_notice_goes_with_it(world: World) -> None:
    patient = world.person()
    world.sign(patient)

    read = world.get(f"MedicationRequest/m-{patient}")
    searched = world.get(f"MedicationRequest?subject=Patient/{patient}").body["entry"][-1]

    notice = world.bridge.policy.notice
    assert read.headers["Redisclosure-Notice"] == notice.short
    assert notice.long in searched["resource"]["issue"][0]["diagnostics"]
    assert notice.version and notice.source


def row_7_the_scope_goes_with_it(world: World) -> None:
    patient = world.person()
    consent_id = world.sign(patient)

    found = world.get(f"MedicationRequest?subject=Patient/{patient}").body["entry"][-1]
    sent = _sent(world, patient)

    assert f"Consent/{consent_id}" in found["resource"]["issue"][0]["diagnostics"]
    read = world.get(f"MedicationRequest/m-{patient}")
    assert read.headers["Disclosed-Under"] == f"Consent/{consent_id}"
    notes = [each["text"] for each in _of(sent, "Task")["note"]]
    assert f"under Consent/{consent_id}; information: " in notes[-1]
    assert _of(sent, "Consent")["id"] == consent_id


def _sent(world: World, patient: str) -> Authorised:
    """What of a package would go to the clinic."""
    names = (f"Patient/{patient}", f"Consent/c-{patient}", f"MedicationRequest/m-{patient}")
    found = [world.own("GET", name).body for name in names]
    task = {"resourceType": "Task", "id": "t", "status": "requested", "intent": "order"}
    entries = [{"fullUrl": f"urn:uuid:{each['id']}", "resource": each} for each in [*found, task]]
    partner = Partner("ehr", "https://ehr.example/fhir", recipient=CLINIC.recipient)
    with world.bridge.database.read() as session:
        gate = gate_to(world.bridge, partner)
        sent = authorise(session, gate, {"resourceType": "Bundle", "entry": entries})
    assert isinstance(sent, Authorised)
    return sent


def _of(sent: Authorised, resource_type: str) -> Resource:
    resources = [each["resource"] for each in sent.bundle["entry"]]
    return next(each for each in resources if each["resourceType"] == resource_type)


def row_8_redisclosure_by_class_of_recipient(world: World) -> None:
    patient = world.person()
    world.sign(patient)
    lay = caller(CLINIC, recipient=Recipient("A Healer", classes=("TREATER",)))

    def marks(who: Caller) -> set[str]:
        found = world.get(f"MedicationRequest/m-{patient}", who).body["meta"]["security"]
        return {each["code"] for each in found}

    assert "PERSISTLABEL" in marks(CLINIC) & marks(lay)
    assert "RedisclosureProhibitionMark" in marks(lay) - marks(CLINIC)
    assert _sent(world, patient).redisclosure == "hipaa"


def row_9_proceedings(world: World) -> None:
    patient = world.person()
    world.sign(patient, purposes=("TREAT", "HPAYMT", "HOPERAT", "HLEGAL"))

    assert not world.sees(patient, caller(CLINIC, purpose="HLEGAL"))
    assert not world.sees(patient)  # nor is it combined with others


def row_10_no_more_than_is_described(world: World) -> None:
    patient = world.person()
    world.sign(patient, classes=("identity", "medications"))

    found = world.get(f"MedicationRequest/m-{patient}").body

    assert "reasonCode" not in found and found["status"] == "active"
    assert world.get(f"MedicationRequest?subject=Patient/{patient}").body["total"] == 1
    assert world.get(f"Consent/c-{patient}").status == 200


def row_11_counseling_notes(world: World) -> None:
    patient = world.person()
    label = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "PSYTHPN"}
    world.put(
        {
            "resourceType": "DocumentReference",
            "id": f"n-{patient}",
            "meta": {"security": [label]},
            "status": "current",
            "subject": {"reference": f"Patient/{patient}"},
            "content": [{"attachment": {"title": "Session"}}],
        }
    )
    world.sign(patient, classes=(*CLASSES, "counseling-notes"))
    assert world.get(f"DocumentReference/n-{patient}").status == 404

    world.sign(
        patient,
        f"notes-{patient}",
        kind="sud-counseling-notes",
        classes=("counseling-notes",),
        purposes=("TREAT",),
    )
    assert world.get(f"DocumentReference/n-{patient}").status == 200


def row_12_revocation_stops_and_tells_who_knows(world: World) -> None:
    patient = world.person()
    consent_id = world.sign(patient)
    assert world.sees(patient)

    found = consents.revoke(world.bridge, consent_id, by="officer", sleep=lambda _: None)

    assert not world.sees(patient)
    assert [each.recipient for each in found.holders] == ["Springfield Example Clinic"]
    assert len(audits.accounting(world.bridge, patient)) == 1  # what was told stays listed


def row_13_it_is_decided_when_it_leaves(world: World) -> None:
    patient = world.person()
    provision = consent()["provision"] | {"period": {"end": "2026-06-30"}}
    world.sign(patient, provision=provision)
    assert world.sees(patient)

    world.clock.at += timedelta(days=60)

    assert not world.sees(patient)


def row_14_emergencies(world: World) -> None:
    patient = world.person()
    doctor = caller(CLINIC, purpose="BTG", reason="unconscious", actor="Dr. E, Example ER")

    assert not world.sees(patient, replace(doctor, reason=""))
    assert not world.sees(patient, replace(doctor, actor=""))
    assert not world.sees(patient, caller(PAYER, purpose="BTG", reason="x", actor="y"))
    opened = world.get(f"MedicationRequest/m-{patient}", doctor)
    assert (opened.status, opened.headers["Disclosed-Under"]) == (200, "a medical emergency")
    waiting = [each for each in audits.unreviewed(world.bridge) if each.recipient]
    assert {(each.actor, each.reason) for each in waiting} == {(doctor.actor, doctor.reason)}
    assert audits.accounting(world.bridge, patient)[0].is_emergency


def row_15_auditors_get_no_copies(world: World) -> None:
    _never(world, "HACCRED", "HCOMPL")


def row_16_research_and_public_health_get_nothing(world: World) -> None:
    _never(world, "HRESCH", "CLINTRCH", "PUBHLTH")


def row_24_no_fundraising(world: World) -> None:
    _never(world, "FUNDRAISING", "HMARKT")


def _never(world: World, *purposes: str) -> None:
    patient = world.person()
    world.sign(patient, purposes=("TREAT", "HPAYMT", "HOPERAT", *purposes))
    for purpose in purposes:
        assert not world.sees(patient, caller(CLINIC, purpose=purpose))


def row_17_accounting_of_three_years(world: World) -> None:
    patient = world.person()
    consent_id = world.sign(patient)
    world.sees(patient)
    world.sees(patient, STRANGER)

    (found,) = audits.accounting(world.bridge, patient)

    assert (found.recipient, found.purpose) == ("Springfield Example Clinic", "TREAT")
    assert found.consents == (f"Consent/{consent_id}",)
    assert (found.resources, bool(found.policy)) == ({"MedicationRequest": 1}, True)
    assert found.redisclosure == "hipaa"
    world.clock.at += timedelta(days=4 * 366)
    assert audits.accounting(world.bridge, patient) == []


def row_18_restrictions(world: World) -> None:
    patient = world.person()
    world.sign(patient)
    payers = [{"role": {"coding": [{"code": "IRCP"}]}, "reference": {"display": "health-plans"}}]
    world.sign(patient, f"d-{patient}", provision={"type": "deny", "actor": payers})

    assert world.sees(patient)
    assert not world.sees(patient, PAYER)  # who pays oneself
    assert world.own("GET", f"Patient/{patient}/$everything").status == 200


def row_19_minors(world: World) -> None:
    patient = world.person(born="2012-01-01")
    world.sign(patient)
    assert not world.sees(patient)
    world.sign(patient, roles=("patient", "parent"))
    assert world.sees(patient)

    parent = Caller(recipient=Recipient("A Parent", classes=("PARENT",)), purpose="FAMRQT")
    asked = {"recipients": ("A Parent",), "purposes": ("PATRQT",), "kind": "release"}
    world.sign(patient, f"p-{patient}", roles=("parent",), **asked)
    assert not world.sees(patient, parent)
    rule = world.bridge.policy.minor_rule
    assert rule.with_parent and rule.source and rule.as_of


def row_20_who_signs_for_another_proves_it(world: World) -> None:
    patient = world.person()
    world.sign(patient, roles=("guardian",))
    assert not world.sees(patient)
    found = explanations.explain(world.bridge, patient, CLINIC)
    assert "signer-authority" in found.missing[f"Consent/c-{patient}"]

    proof = {"contentType": "application/pdf", "title": "Letters of guardianship"}
    world.sign(patient, roles=("guardian",), sourceAttachment=proof)
    assert world.sees(patient)


def row_21_breach_report_and_a_chain_that_shows_changes(world: World) -> None:
    patient = world.person()
    world.sign(patient)
    start = world.clock.at
    world.sees(patient)
    world.sees(patient, PAYER)

    found = audits.breach(world.bridge, since=start, recipient="payer")

    assert [each.patients for each in found][:1] == [(f"Patient/{patient}",)]
    assert audits.check(world.bridge).broken_at == 0


def row_22_the_notice_to_patients_is_kept_and_permits_nothing(world: World) -> None:
    patient = world.person()
    read = [{"coding": [{"system": "http://loinc.org", "code": "57016-8"}]}]
    world.sign(patient, category=read)

    assert not world.sees(patient)
    assert world.own("GET", "Consent?category=http://loinc.org|57016-8").body["total"] == 1


def row_23_labels_of_a_sender_persist(world: World) -> None:
    patient = world.person()
    world.sign(patient)
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    sent = world.own("GET", f"MedicationRequest/m-{patient}").body
    very = {"system": system, "code": "V", "display": "very restricted"}
    world.put({**sent, "meta": {"security": [very]}})

    found = world.get(f"MedicationRequest/m-{patient}").body["meta"]["security"]

    assert very in found
    assert {"42CFRPart2", "SUD"} <= {each["code"] for each in found}


def row_25_evidence(world: World) -> None:
    patient = world.person()
    world.sign(patient)
    world.sees(patient)
    world.sees(patient, STRANGER)

    event, refused = reversed(world.own("GET", "AuditEvent?_count=2").body["entry"])

    found = event["resource"]
    named = {each["what"]["reference"] for each in found["entity"]}
    assert {f"Consent/c-{patient}", f"MedicationRequest/m-{patient}/_history/1"} <= named
    assert (found["outcomeDesc"], refused["resource"]["outcomeDesc"]) == ("permit", "withhold")


ROWS: dict[int, Callable[[World], None]] = {
    int(name.split("_")[1]): value for name, value in globals().items() if name.startswith("row_")
}


@pytest.mark.parametrize("number", sorted(ROWS), ids=lambda number: ROWS[number].__name__)
def test_the_rule_holds(world: World, number: int) -> None:
    world.clock.at = NOW

    ROWS[number](world)


def test_no_row_is_left_out() -> None:
    assert sorted(ROWS) == list(range(1, 26))


def test_the_accounting_of_a_patient_names_no_other(world: World) -> None:
    world.clock.at = NOW
    one, other = world.person(), world.person()
    for each in (one, other):
        world.sign(each)

    found = world.get(f"MedicationRequest?patient={one},{other}").references

    assert sorted(found) == sorted((f"MedicationRequest/m-{one}", f"MedicationRequest/m-{other}"))
    [disclosed] = audits.accounting(world.bridge, one)
    assert disclosed.patients == (f"Patient/{one}",)
    assert disclosed.resources == {"MedicationRequest": 1}
    assert disclosed.consents == (f"Consent/c-{one}",)
    revoked = consents.revoke(world.bridge, f"c-{other}", by="officer", sleep=lambda _: None)
    assert [each.consents for each in revoked.holders] == [(f"Consent/c-{other}",)]


def test_an_emergency_of_one_patient_is_none_of_another(world: World) -> None:
    world.clock.at = NOW
    one, other, written = world.person(), world.person(), world.person()
    for each in (one, written):
        world.sign(each, classes=CLASSES)
    doctor = caller(CLINIC, purpose="ETREAT", reason="seizure", actor="Dr. F, Example ER")
    entries: list[JsonObject] = [
        {"request": {"method": "GET", "url": f"MedicationRequest/m-{each}"}}
        for each in (one, other)
    ]
    new = world.own("GET", f"MedicationRequest/m-{written}").body
    new.pop("id")
    entries.append({"request": {"method": "POST", "url": "MedicationRequest"}, "resource": new})

    world.ask(
        "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries}, caller=doctor
    )

    told = [audits.accounting(world.bridge, each) for each in (one, other, written)]
    assert [[each.is_emergency for each in found] for found in told] == [[False], [True], []]
    assert [each.consents for found in told for each in found] == [(f"Consent/c-{one}",), ()]


NPI = "http://hl7.org/fhir/sid/us-npi"
NAMED: dict[str, JsonObject] = {
    "number": {"reference": {"identifier": {"system": NPI, "value": "1234567893"}}},
    "reference": {"reference": {"reference": "Organization/plan"}},
    "name": {"reference": {"display": "sample  health plan"}},
}


@pytest.mark.parametrize("how", sorted(NAMED))
def test_who_is_named_by_number_or_reference_is_no_designation(world: World, how: str) -> None:
    world.clock.at = NOW
    number = {"system": NPI, "value": "1234567893"}
    world.put(
        {"resourceType": "Organization", "id": "plan", "name": "A plan", "identifier": [number]}
    )
    assert PAYER.recipient is not None
    payer = caller(PAYER, recipient=replace(PAYER.recipient, identifiers=((NPI, "1234567893"),)))
    other = caller(PAYER, recipient=replace(PAYER.recipient, name="Another plan"))
    patient = world.person()
    whole = consent()["provision"]
    role = {"coding": [{"code": "IRCP"}]}
    actors = [*whole["actor"], {"role": role, **NAMED[how]}]
    world.sign(patient, provision={**whole, "actor": actors})

    assert world.sees(patient, payer) and world.sees(patient, other)

    assert len(audits.accounting(world.bridge, patient)) == 2
    listed = audits.accounting(world.bridge, patient, designated=True)
    assert [each.recipient for each in listed] == ["Another plan"]
