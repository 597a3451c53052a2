"""What leaves: read, search, history and operations for others than the custodian."""

import json
from pathlib import Path

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.labels import ACT_CODE, CONFIDENTIALITY, ICD10CM
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.interactions import answering
from fhirbridge.jsontypes import JsonObject
from fhirbridge.operations import audits, consents
from fhirbridge.storage import audit
from tests.disclosure.support import CLINIC, STRANGER, Store, caller
from tests.unit.consent.support import consent, deny

FIXTURES = Path(__file__).parents[2] / "fixtures"


def enrollment(*, scope: list[str] | None = None) -> JsonObject:
    """The richest enrollment; with `scope` its consents describe that information only."""
    found: JsonObject = json.loads((FIXTURES / "enrollment/maximal/native.json").read_bytes())
    for each in found["consents"]:
        if scope is not None and each["type"] == "tpo":
            each["infoScope"] = scope
    return found


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite; test_non_interference asks PostgreSQL the same."""
    return f"sqlite:///{tmp_path / 'gate.db'}"


@pytest.fixture
def patient(store: Store) -> str:
    return store.receive("enrollment", enrollment())


def test_the_custodian_reads_what_is_stored(store: Store, patient: str) -> None:
    found = store.own("GET", patient)

    assert found.status == 200
    assert "security" not in found.body["meta"]


@pytest.mark.parametrize(
    "path",
    ["{}", "{}/_history", "{}/_history/1", "{}/$everything"],
    ids=["read", "history", "vread", "everything"],
)
def test_without_a_permit_nothing_is_there(store: Store, patient: str, path: str) -> None:
    hidden = store.get(path.format(patient), STRANGER)
    absent = store.get(path.format("Patient/none"), STRANGER)

    assert hidden.status == absent.status == 404
    assert json.dumps(hidden.body).replace(patient, "Patient/none") == json.dumps(absent.body)


@pytest.mark.parametrize(
    "path",
    ["Patient", "Condition", "CarePlan?status=active", "Appointment?_summary=count", "_history"],
)
def test_without_a_permit_nothing_is_found(store: Store, patient: str, path: str) -> None:
    found = store.get(path, STRANGER)

    assert found.status == 200
    assert not [name for name in found.references if not name.startswith(_DIRECTORIES)]
    assert "_summary" not in path or found.body["total"] == 0


_DIRECTORIES = (
    "Organization",
    "Practitioner",
    "Location",
    "CodeSystem",
    "ConceptMap",
    "HealthcareService",
    "NamingSystem",
    "StructureDefinition",
    "ValueSet",
)


def test_directories_leave_without_a_patient(store: Store, patient: str) -> None:
    assert store.get("Organization", STRANGER).body["total"] > 0
    assert "Redisclosure-Notice" not in store.get("Organization", STRANGER).headers


def test_a_permit_opens_the_record_with_labels_and_notice(store: Store, patient: str) -> None:
    found = store.get(patient)

    assert found.status == 200
    assert "prohibits unauthorized use" in found.headers["Redisclosure-Notice"]
    security = {(each["system"], each["code"]) for each in found.body["meta"]["security"]}
    assert (CONFIDENTIALITY, "R") in security
    assert {"42CFRPart2", "SUD", "PERSISTLABEL"} <= {code for _, code in security}
    assert "NORDSCLCD" not in {code for _, code in security}


def test_others_than_covered_entities_may_not_redisclose(store: Store, patient: str) -> None:
    lay = caller(CLINIC, recipient=Recipient("A Healer", classes=("TREATER",)))

    security = {each["code"] for each in store.get(patient, lay).body["meta"]["security"]}

    assert {"NORDSCLCD", "RedisclosureProhibitionMark"} <= security


def test_searches_match_only_what_is_permitted(store: Store) -> None:
    patient = store.receive("enrollment", enrollment(scope=["identity", "treatment-plan"]))
    own = store.own("GET", f"CarePlan?subject={patient}").body["entry"][0]["resource"]
    condition = own["addresses"][0]["reference"] if "addresses" in own else ""

    plan = store.get(f"CarePlan?subject={patient}")

    assert plan.body["total"] == 1
    resource = plan.body["entry"][0]["resource"]
    assert "addresses" not in resource
    assert "Condition" not in json.dumps(resource)
    assert store.get(f"Condition?subject={patient}").body["total"] == 0
    assert store.get(f"Appointment?patient={patient}").body["total"] == 0
    if condition:
        assert store.get(f"CarePlan?condition={condition}").body["total"] == 0
        assert store.get("CarePlan?condition:missing=false").body["total"] == 0
    everything = store.get(f"{patient}/$everything")
    assert {name.partition("/")[0] for name in everything.references} <= {
        "Patient",
        "CarePlan",
        "CareTeam",
        "Goal",
        "ServiceRequest",
        "EpisodeOfCare",
        "Encounter",
        "Observation",
        "RelatedPerson",
        "Provenance",
        "Consent",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Location",
    }


def test_texts_tell_only_what_may_be_seen(store: Store) -> None:
    patient = store.receive("enrollment", enrollment(scope=["identity", "treatment-plan"]))

    found = store.get(f"ServiceRequest?subject={patient}&_count=100")

    assert found.body["total"] > 0
    for entry in found.body["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "ServiceRequest":
            assert not {"reasonCode", "reasonReference", "insurance"} & resource.keys()
            assert "Reason" not in resource["text"]["div"]


def test_each_consent_is_seen_only_by_those_whom_it_permits(store: Store, patient: str) -> None:
    found = store.get(f"Consent?patient={patient}")

    assert found.body["total"] == 1
    resource = found.body["entry"][0]["resource"]
    assert resource["category"][0]["coding"][0]["code"] == "tpo"


def test_a_purpose_that_no_consent_has_opens_nothing(store: Store, patient: str) -> None:
    family = caller(CLINIC, purpose="FAMRQT")

    assert store.get(patient, family).status == 404
    assert store.get("Patient", family).body["total"] == 0


def test_a_consent_changed_by_others_permits_nothing(store: Store, patient: str) -> None:
    found = store.own("GET", f"Consent?patient={patient}").body["entry"]
    for entry in found:
        store.put({**entry["resource"], "dateTime": "2026-02-01T00:00:00Z"})

    assert store.get(patient).status == 404
    assert store.get("Patient").body["total"] == 0


def test_an_emergency_opens_one_patient_and_is_marked(store: Store, patient: str) -> None:
    found = store.own("GET", f"Consent?patient={patient}").body["entry"]
    for entry in found:
        store.own("DELETE", f"Consent/{entry['resource']['id']}")
    doctor = caller(CLINIC, purpose="ETREAT", reason="unconscious", actor="Dr. E, Example ER")

    assert store.get(patient, CLINIC).status == 404
    assert store.get(patient, doctor).status == 200
    assert store.get(f"MedicationRequest?subject={patient}", doctor).body["total"] > 0
    assert store.get("Patient", doctor).body["total"] == 0


def test_a_consent_may_speak_about_single_resources(store: Store) -> None:
    """A permit without sensitive records: pages and totals stay exact."""
    permit = consent(classes=("identity", "diagnosis"))
    permit["policyRule"] = {"text": "42 CFR Part 2"}
    for each in permit["provision"]["class"]:
        each["system"] = "http://example.org/class"
    permit["provision"]["provision"] = [
        {"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "HIV"}]}
    ]
    store.put(
        {"resourceType": "Organization", "id": "o1", "name": "Program"},
        {"resourceType": "Patient", "id": "p1"},
        permit,
        *(
            {
                "resourceType": "Condition",
                "id": f"c{number}",
                "subject": {"reference": "Patient/p1"},
                "code": {"coding": [{"system": ICD10CM, "code": code}]},
            }
            for number, code in enumerate(["I10", "B20", "F10.20"])
        ),
    )
    consents.attest(store.bridge, "c1", by="officer", confirmed=frozenset())

    found = store.get("Condition?_total=accurate&_count=1")

    assert found.body["total"] == 2
    assert store.get("Condition").references == ["Condition/c0", "Condition/c2"]
    assert store.get("Condition/c1").status == 404
    assert store.get("Condition?subject=Patient/p1").body["total"] == 2


def test_the_notice_says_under_which_consent(store: Store, patient: str) -> None:
    outcome = store.get(f"Goal?subject={patient}").body["entry"][-1]

    assert outcome["search"]["mode"] == "outcome"
    told = outcome["resource"]["issue"][0]["diagnostics"]
    assert "This record which has been disclosed to you is protected" in told
    assert "Disclosed under Consent/" in told


def test_a_consent_is_written_by_others_only_with_a_scope_for_it(store: Store) -> None:
    store.put({"resourceType": "Patient", "id": "p1"})
    given = {"resourceType": "Consent", **deny(), "policyRule": {"text": "42 CFR Part 2"}}
    given.pop("organization")
    given.pop("patient")
    del given["id"]
    everything = caller(CLINIC, scopes=frozenset({"system/*.cruds"}))
    named = caller(CLINIC, scopes=frozenset({"system/*.cruds", "system/Consent.c"}))

    refused = store.ask("POST", "Consent", given, caller=everything)
    scoped = store.ask("POST", "Consent", given, caller=named)

    assert refused.status == 403
    assert scoped.status != 403


def test_labels_that_leave_can_be_searched_for(store: Store, patient: str) -> None:
    part2 = f"{ACT_CODE}|42CFRPart2"

    def found(condition: str) -> int:
        return int(store.get(f"CarePlan?subject={patient}&{condition}").body["total"])

    every = found("_total=accurate")
    assert every > 0
    assert found(f"_security={part2}") == found("_security=SUD,x") == every
    assert found(f"_security={CONFIDENTIALITY}|") == found("_security:missing=false") == every
    assert found("_security=HIV") == found("_security:not=SUD") == found("_security=|SUD") == 0
    assert store.get(f"CarePlan?_security={part2}", STRANGER).body["total"] == 0


@pytest.mark.parametrize(
    "search",
    [
        "CarePlan?subject:Patient._security=R",
        "CarePlan?patient._security:not=R",
        "CarePlan?patient._security:missing=true",
        "Patient?_has:CarePlan:subject:_security=R",
        "Patient?_has:CarePlan:subject:_security:missing=true",
        "CarePlan?_sort=_security",
    ],
)
def test_labels_that_a_sender_gave_are_not_searched_through(store: Store, search: str) -> None:
    """Neither a chain nor an order tells a limited caller of labels that do not leave."""
    found = store.get(search)

    assert found.status == 400
    assert "_security" in found.body["issue"][0]["diagnostics"]


@pytest.mark.parametrize("level", ["nothing", "count", "section"])
def test_the_policy_says_what_is_told_of_what_stays(tmp_path: Path, level: str) -> None:
    """It does not depend on the question, or one would find out by asking."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"manifest": level}))
    url = f"sqlite:///{tmp_path / 'told.db'}"
    built = bridges.build(Settings(auth="none", database_url=url, consent_policy=policy))
    store = Store(built)
    patient = store.receive("enrollment", enrollment(scope=["identity", "appointments"]))

    answers = [
        store.get(path.format(patient))
        for path in ("{}", "{}/$everything?_count=1", "Appointment?actor={}&_count=2")
    ]
    said = {answer.headers.get("Withheld", "") for answer in answers}
    shown = store.get(f"Appointment?actor={patient}&_count=1").body["entry"][-1]["resource"]
    built.close()

    assert len(said) == 1
    words = said.pop()
    assert words in shown["issue"][0]["diagnostics"]
    assert bool(words) == (level != "nothing")
    assert ("Condition" in words) == (level == "section")
    assert words.endswith("records.") == (level == "count")


@pytest.mark.parametrize("level", ["nothing", "count", "section"])
def test_a_resource_of_which_a_part_stays_says_so_where_it_may(tmp_path: Path, level: str) -> None:
    """The label is of what leaves: it is not stored when the receiver writes it back."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"manifest": level}))
    url = f"sqlite:///{tmp_path / 'part.db'}"
    built = bridges.build(Settings(auth="none", database_url=url, consent_policy=policy))
    store = Store(built)
    patient = store.receive("enrollment", enrollment(scope=["identity", "appointments"]))
    whole = store.own("GET", f"Appointment?actor={patient}&_count=1").body["entry"][0]["resource"]
    commented = {**whole, "comment": "relapsed in March"}
    store.put(commented)

    def is_labelled(resource: JsonObject) -> bool:
        return "REDACTED" in {each["code"] for each in resource["meta"].get("security", ())}

    address = f"Appointment/{whole['id']}"
    shown = store.get(address).body
    back = store.ask("PUT", address, {**shown, "description": "Visit"})
    stored = store.own("GET", address).body
    built.close()

    assert "comment" not in shown
    assert is_labelled(shown) == (level != "nothing")
    assert back.status == 200, back.body
    assert (stored["comment"], stored["description"]) == ("relapsed in March", "Visit")
    assert not is_labelled(stored)


def test_nothing_in_an_answer_tells_of_patients_who_are_hidden(tmp_path: Path) -> None:
    """Neither what is told of the rest, nor the notice, nor the accounting of disclosures."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"manifest": "count"}))
    url = f"sqlite:///{tmp_path / 'hidden.db'}"
    built = bridges.build(Settings(auth="none", database_url=url, consent_policy=policy))
    store = Store(built)
    patient = store.receive("enrollment", enrollment(scope=["identity", "appointments"]))
    store.put(
        {"resourceType": "Patient", "id": "hidden"},
        {"resourceType": "Organization", "id": "ours", "name": "Program"},
    )

    def told(*paths: str) -> tuple[dict[str, str], list[str]]:
        entries = [{"request": {"method": "GET", "url": path}} for path in paths]
        found = store.ask("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries})
        return found.headers, [each["response"]["status"] for each in found.body["entry"]]

    for seen in (patient, "Organization/ours"):
        assert told(seen, "Patient/hidden") == told(seen, "Patient/nobody")
    disclosed = [audits.accounting(built, one) for one in ("hidden", patient)]
    built.close()

    assert disclosed[0] == []
    assert {each.patients for each in disclosed[1]} == {(patient,)}


def test_a_patch_that_is_refused_in_a_batch_discloses_nothing(store: Store, patient: str) -> None:
    found = store.get(f"Appointment?actor={patient}&_count=1").body["entry"][0]["resource"]
    before = len(audits.accounting(store.bridge, patient))
    patch = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "add"},
                    {"name": "path", "valueString": "Appointment"},
                    {"name": "name", "valueString": "reasonReference"},
                    {"name": "value", "valueReference": {"reference": "Condition/nobody"}},
                ],
            }
        ],
    }
    request = {"method": "PATCH", "url": f"Appointment/{found['id']}"}

    answered = store.ask(
        "POST",
        "",
        {
            "resourceType": "Bundle",
            "type": "batch",
            "entry": [{"request": request, "resource": patch}],
        },
    )

    assert answered.body["entry"][0]["response"]["status"].startswith("422")
    assert len(audits.accounting(store.bridge, patient)) == before


@pytest.mark.parametrize("who", [CLINIC, Caller(client_id="ours")], ids=lambda who: who.client_id)
def test_what_a_batch_wrote_is_in_the_audit_although_it_was_killed(
    store: Store, patient: str, who: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Sleep"},
        "subject": {"reference": patient},
    }
    refused = {**goal, "addresses": [{"reference": "Condition/nobody"}]}
    post = {"method": "POST", "url": "Goal"}
    entries: list[JsonObject] = [
        {"request": post, "resource": goal},
        {"request": post, "resource": refused},
        {"request": {"method": "GET", "url": patient}},
    ]
    batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    before = len(audits.accounting(store.bridge, patient))

    def rows() -> list[tuple[str, int, int]]:
        with store.bridge.database.read() as session:
            found = audit.find(session, store.bridge.custodian.id, action="batch")
        return [
            (
                row.decision,
                len(row.entry.get("received", ())),
                len(row.entry.get("resources", ())),
            )
            for row in found
        ]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(answering, "_write", killed)
        with pytest.raises(KeyboardInterrupt):
            store.ask("POST", "", batch, caller=who)
    is_own = who.recipient is None
    wrote, showed = ("own" if is_own else "received", 1, 0), ("own" if is_own else "permit", 0, 1)
    assert rows() == [wrote]
    assert len(audits.accounting(store.bridge, patient)) == before

    answered = store.ask("POST", "", batch, caller=who)

    statuses = [each["response"]["status"][:3] for each in answered.body["entry"]]
    assert statuses == ["201", "422", "200"]
    assert rows() == [showed, wrote, wrote]
    assert len(audits.accounting(store.bridge, patient)) == before + (not is_own)
    assert audits.check(store.bridge).broken_at == 0
