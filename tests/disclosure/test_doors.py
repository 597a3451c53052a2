"""Doors that are not reading: what others write, match, move or delete shows nothing withheld."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.consent.classes import CLASSES
from fhirbridge.disclosure.caller import Caller
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import audits, consents
from tests.disclosure.support import CLINIC, Store, caller
from tests.unit.consent.support import consent

P1, P2 = {"reference": "Patient/p1"}, {"reference": "Patient/p2"}
HIDDEN = "relapsed in March"
EMERGENCY = caller(CLINIC, purpose="BTG", reason="unconscious", actor="Dr. E, Example ER")


def written(consent_id: str, patient: JsonObject, *classes: str, **changes: Any) -> JsonObject:
    """A complete consent about a patient, as the R4 gate takes it."""
    made = consent(classes=classes, id=consent_id, patient=patient, **changes)
    made["policyRule"] = {"text": "42 CFR Part 2"}
    for each in made["provision"]["class"]:
        each["system"] = "http://example.org/class"
    return made


def appointment(resource_id: str, **more: Any) -> Resource:
    return {
        "resourceType": "Appointment",
        "id": resource_id,
        "identifier": [{"system": "urn:a", "value": resource_id}],
        "status": "proposed",
        "comment": HIDDEN,
        "participant": [{"actor": P1, "status": "accepted"}],
        **more,
    }


def plan() -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": P1,
        "addresses": [{"reference": "Condition/h1"}],
        "activity": [
            {"progress": [{"text": HIDDEN}], "detail": {"status": "in-progress"}},
            {"detail": {"status": "completed"}},
        ],
    }


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'doors.db'}"


@pytest.fixture
def record(store: Store) -> Store:
    """The clinic sees plan and appointments of the first patient, everything of the second."""
    store.put(
        {"resourceType": "Organization", "id": "o1", "name": "Program"},
        {"resourceType": "Patient", "id": "p1", "birthDate": "1980-01-01"},
        {"resourceType": "Patient", "id": "p2"},
        written("c1", P1, "identity", "treatment-plan", "appointments"),
        written("c2", P2, *CLASSES),
        {"resourceType": "Condition", "id": "h1", "subject": P1, "code": {"text": "craving"}},
        {"resourceType": "Condition", "id": "h2", "subject": P1, "code": {"text": "other"}},
        appointment("a1"),
        plan(),
    )
    for each in ("c1", "c2"):
        consents.attest(store.bridge, each, by="officer", confirmed=frozenset())
    return store


def bare(resource: Resource) -> Resource:
    return {name: value for name, value in resource.items() if name != "meta"}


def test_the_match_of_a_conditional_create_leaves_as_a_read_would(record: Store) -> None:
    body = bare(appointment("x"))
    criteria = "identifier=urn:a|a1"
    entry = {
        "resource": body,
        "request": {"method": "POST", "url": "Appointment", "ifNoneExist": criteria},
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}

    alone = record.ask("POST", "Appointment", body, if_none_exist=criteria)

    assert alone.status == 200
    assert alone.body == record.get("Appointment/a1").body
    assert HIDDEN not in json.dumps(record.ask("POST", "", bundle).body)


def test_a_deletion_has_the_number_that_the_caller_knows(record: Store) -> None:
    for number in range(3):  # changes of what is hidden
        record.put(appointment("a1", comment=f"note {number}"))

    assert record.get("Appointment/a1").headers["etag"] == 'W/"1"'
    assert record.ask("DELETE", "Appointment/a1").headers["etag"] == 'W/"2"'
    assert record.ask("DELETE", "Appointment/a1").headers["etag"] == 'W/"2"'
    gone = record.ask("PATCH", "Appointment/a1", {"resourceType": "Parameters"})
    assert gone.status == 410
    assert "version 2" in json.dumps(gone.body)


@pytest.mark.parametrize("path", ["_history", "Patient/_history", "Condition/_history"])
def test_an_emergency_opens_no_histories_of_all(record: Store, path: str) -> None:
    for each in ("c1", "c2"):
        record.own("DELETE", f"Consent/{each}")

    assert record.get("Patient/p1/_history", EMERGENCY).references == ["Patient/p1"]
    assert not [
        name for name in record.get(path, EMERGENCY).references if not name.startswith("Organ")
    ]


@pytest.mark.parametrize(
    "search", ["CarePlan", "CarePlan?_id=plan", "CarePlan?subject=Patient/p1,Patient/p2"]
)
def test_an_emergency_opens_no_search_that_names_not_one_patient(
    record: Store, search: str
) -> None:
    ordinary = record.get(search)
    found = record.get(search, EMERGENCY)
    opened = record.get("CarePlan?subject=Patient/p1", EMERGENCY)

    assert [each["resource"] for each in found.body["entry"]] == [
        each["resource"] for each in ordinary.body["entry"]
    ]
    assert HIDDEN in json.dumps(opened.body) and HIDDEN not in json.dumps(found.body)
    told = audits.accounting(record.bridge, "p1")
    assert [each.is_emergency for each in reversed(told)] == [False, False, True]


def test_parts_of_versions_are_for_others_too(record: Store) -> None:
    """Source: R4 http.html#parameters"""
    (entry,) = record.get("Patient/p2/_history?_elements=birthDate").body["entry"]

    assert entry["resource"]["meta"]["tag"][-1]["code"] == "SUBSETTED"


def test_who_sees_a_part_moves_it_to_no_other_patient(record: Store) -> None:
    seen = record.get("Appointment/a1").body
    assert HIDDEN not in json.dumps(seen)

    moved = record.ask(
        "PUT", "Appointment/a1", {**seen, "participant": [{"actor": P2, "status": "accepted"}]}
    )

    assert moved.status == 403
    assert HIDDEN not in json.dumps(record.get("Appointment/a1").body)


def test_who_sees_a_part_makes_it_nothing_else(record: Store) -> None:
    visit = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": P1,
        "period": {"start": "2026-03-05"},
    }
    record.put(visit)
    seen = record.get("Encounter/e1").body
    kind = {"system": "http://example.org/CodeSystem/encounter-kind", "code": "episode"}

    answer = record.ask("PUT", "Encounter/e1", {**seen, "type": [{"coding": [kind]}]})

    assert answer.status == 403
    assert "period" not in record.get("Encounter/e1").body


def test_writing_back_what_was_seen_changes_nothing(record: Store) -> None:
    seen = record.get("CarePlan/plan").body
    assert HIDDEN not in json.dumps(seen)

    answer = record.ask("PUT", "CarePlan/plan", seen)
    again = record.ask("PUT", "CarePlan/plan", {**seen, "title": "Ours"})

    assert answer.headers["etag"] == 'W/"1"'
    assert again.body["activity"] == seen["activity"]
    assert record.own("GET", "CarePlan/plan").body["activity"] == plan()["activity"]


def test_a_guessed_reference_is_refused_whether_it_stands_there_or_not(record: Store) -> None:
    seen = record.get("CarePlan/plan").body
    found = [
        record.ask("PUT", "CarePlan/plan", {**seen, "addresses": [{"reference": guess}]})
        for guess in ("Condition/h1", "Condition/h2", "Condition/h3")
    ]

    assert [each.status for each in found] == [422, 422, 422]
    said = {json.dumps(each.body).replace(f"h{n}", "h") for n, each in enumerate(found, 1)}
    assert len(said) == 1


@pytest.mark.parametrize("named", ["Encounter/e1", "Encounter/none"])
def test_a_reference_in_the_place_of_a_hidden_one_is_taken_as_elsewhere(
    record: Store, named: str
) -> None:
    visit = {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"}}
    record.put(
        {"resourceType": "Patient", "id": "p3"},
        {**visit, "id": "e1", "subject": P1},
        {**visit, "id": "h3", "subject": {"reference": "Patient/p3"}},
        {**plan(), "encounter": {"reference": "Encounter/h3"}},
        {**plan(), "id": "open"},
    )
    answers = []
    for name in ("plan", "open"):
        seen = record.get(f"CarePlan/{name}").body
        changed = {**seen, "encounter": {"reference": named}}
        answers.append(record.ask("PUT", f"CarePlan/{name}", changed))

    assert answers[0].status == answers[1].status
    assert answers[0].body.get("encounter") == answers[1].body.get("encounter")


@pytest.mark.parametrize("wrapped", [True, False], ids=["Bundle", "contained"])
def test_resources_inside_others_lose_what_they_would_lose_alone(
    record: Store, wrapped: bool
) -> None:
    inner = appointment("inner", text={"status": "generated", "div": _div(HIDDEN)})
    if wrapped:
        outer: Resource = {"resourceType": "Bundle", "id": "outer", "type": "collection"}
        outer["entry"] = [{"fullUrl": "http://localhost/fhir/Appointment/inner", "resource": inner}]
    else:
        del inner["text"]
        outer = {**plan(), "id": "outer", "contained": [inner]}
        outer["activity"] = [{"reference": {"reference": "#inner"}}]
    record.put(outer)

    found = record.get(f"{outer['resourceType']}/outer")

    assert found.status == 200
    assert '"Appointment"' in json.dumps(found.body)
    assert HIDDEN not in json.dumps(found.body)


def _div(text: str) -> str:
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'


def test_nobody_takes_the_name_of_a_recipient(record: Store) -> None:
    record.put({"resourceType": "Organization", "id": "o2", "name": "Other Hospital"})
    seen = record.get("Organization/o2").body

    taken = record.ask("PUT", "Organization/o2", {**seen, "name": "springfield example CLINIC"})
    other = record.ask("PUT", "Organization/o2", {**seen, "alias": ["OH"]})

    assert (taken.status, other.status) == (403, 200)


WRITER: Caller = caller(CLINIC, scopes=frozenset({"system/*.cruds", "system/Consent.cruds"}))


@pytest.fixture
def restricted(record: Store) -> Store:
    """The consent for the plan excepts appointments; another one would permit them."""
    made = written("c3", P1, "identity", "treatment-plan")
    made["provision"]["provision"] = [
        {"type": "deny", "class": [{"system": "http://example.org/class", "code": "appointments"}]}
    ]
    made["provision"]["class"].append(
        {"system": "http://example.org/class", "code": "appointments"}
    )
    record.put(made)
    consents.attest(record.bridge, "c3", by="officer", confirmed=frozenset())
    assert record.get("Appointment/a1").status == 404
    return record


def test_others_lift_no_restriction(restricted: Store) -> None:
    seen = restricted.get("Consent/c3", WRITER)
    assert seen.status == 200
    freed = bare(seen.body)
    freed["provision"] = {k: v for k, v in freed["provision"].items() if k != "provision"}

    statuses = [
        restricted.ask("PUT", "Consent/c3", freed, caller=WRITER).status,
        restricted.ask("DELETE", "Consent/c3", caller=WRITER).status,
        restricted.ask("DELETE", "Consent/c1", caller=caller(CLINIC, scopes=_ALL)).status,
    ]

    assert statuses == [403, 403, 403]
    assert restricted.get("Appointment/a1").status == 404


_ALL = frozenset({"system/*.cruds"})


def test_a_consent_patched_by_others_loses_its_force(record: Store) -> None:
    part = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Consent.dateTime"},
        {"name": "value", "valueDateTime": "2026-02-01"},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}

    answer = record.ask("PATCH", "Consent/c2", patch, caller=WRITER)

    assert answer.status == 200
    assert record.get("Patient/p2").status == 404


def test_a_consent_that_others_bring_permits_nothing(record: Store) -> None:
    brought = bare(written("c9", P1, *CLASSES))
    del brought["id"]

    made = record.ask("POST", "Consent", brought, caller=WRITER)

    assert made.status == 201
    assert record.get("Condition/h1").status == 404


def test_a_denial_that_others_bring_is_stored_and_holds_at_once(record: Store) -> None:
    denial = bare(written("c9", P2, *CLASSES))
    denial["provision"] = {"type": "deny", "actor": denial["provision"]["actor"]}
    del denial["id"]
    assert record.get("Patient/p2", WRITER).status == 200

    made = record.ask("POST", "Consent", denial, caller=WRITER)

    assert made.status == 201, made.body
    assert record.get("Patient/p2", WRITER).status == 404


def test_others_change_no_birth_date_and_delete_no_patient(record: Store) -> None:
    seen = record.get("Patient/p1").body
    part = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.birthDate"},
        {"name": "value", "valueDate": "1990-01-01"},
    ]
    patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    without = {name: value for name, value in seen.items() if name != "birthDate"}

    statuses = [
        record.ask("PUT", "Patient/p1", {**seen, "birthDate": "1990-01-01"}).status,
        record.ask("PUT", "Patient/p1", without).status,
        record.ask("PATCH", "Patient/p1", patch).status,
        record.ask("DELETE", "Patient/p1").status,
        record.ask("DELETE", "Organization/o1").status,
    ]

    assert statuses == [403] * 5
    assert record.ask("PUT", "Patient/p1", {**seen, "gender": "female"}).status == 200


def test_a_deletion_names_only_referrers_that_are_seen(record: Store) -> None:
    hidden = {
        "resourceType": "Observation",
        "id": "lab",
        "status": "final",
        "code": {"text": HIDDEN},
        "subject": P1,
        "focus": [{"reference": "Appointment/a1"}],
    }
    record.put(hidden)
    assert record.ask("DELETE", "Appointment/a1").status == 204

    record.put(appointment("a2"))
    record.put({**plan(), "activity": [{"reference": {"reference": "Appointment/a2"}}]})
    refused = record.ask("DELETE", "Appointment/a2")
    entry = {"request": {"method": "DELETE", "url": "Appointment/a2"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}

    assert refused.status == record.ask("POST", "", bundle).status == 409
    assert "referred to by CarePlan/plan." in json.dumps(refused.body)


def test_contacts_of_a_patient_belong_to_the_plan(record: Store) -> None:
    contact = {"name": {"text": "A sponsor"}}
    record.put(
        {"resourceType": "Patient", "id": "p2", "contact": [contact]},
        written("c2", P2, "identity"),
    )
    consents.attest(record.bridge, "c2", by="officer", confirmed=frozenset())

    assert "contact" not in record.get("Patient/p2").body


@pytest.mark.parametrize(
    "query", ["Encounter?length=90", "Encounter?location-period=2026-03", "Encounter?date=2026-03"]
)
def test_no_search_tells_when_a_visit_was(record: Store, query: str) -> None:
    period = {"start": "2026-03-05T10:00:00Z", "end": "2026-03-05T11:00:00Z"}
    record.put(
        {"resourceType": "Location", "id": "l1"},
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": P1,
            "period": period,
            "length": {"value": 90},
            "statusHistory": [{"status": "arrived", "period": period}],
            "location": [{"location": {"reference": "Location/l1"}, "period": period}],
        },
    )

    assert record.own("GET", query).references == ["Encounter/e1"]
    assert record.get(query).references == []
    assert "2026-03" not in json.dumps({**record.get("Encounter/e1").body, "meta": {}})


def test_who_may_not_know_the_patient_finds_nobody_by_a_number(record: Store) -> None:
    record.put(
        {
            "resourceType": "Goal",
            "id": "g1",
            "lifecycleStatus": "active",
            "description": {"text": "Stay sober"},
            "subject": {**P2, "identifier": {"system": "urn:ssn", "value": "7"}},
        },
        written("c2", P2, "treatment-plan"),
    )
    consents.attest(record.bridge, "c2", by="officer", confirmed=frozenset())

    assert record.get("Goal/g1").status == 200
    assert "identifier" not in record.get("Goal/g1").body["subject"]
    assert record.own("GET", "Goal?subject:identifier=urn:ssn|7").references == ["Goal/g1"]
    assert record.get("Goal?subject:identifier=urn:ssn|7").references == []


def test_a_reference_tells_of_no_version_that_was_withheld(record: Store) -> None:
    record.put(appointment("a1", comment="changed"))
    note = {name: plan()[name] for name in ("resourceType", "status", "intent", "subject")}

    found = [
        record.ask(
            "POST",
            "CarePlan",
            {**note, "supportingInfo": [{"reference": f"Appointment/a1/_history/{number}"}]},
        ).status
        for number in (1, 2, 3)
    ]

    assert found == [201, 201, 201]
