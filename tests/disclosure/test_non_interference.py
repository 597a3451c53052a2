"""Two stores that differ only in what is withheld answer identical requests byte for byte."""

import json
import random
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.classes import CLASSES
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import consents
from tests.disclosure.conftest import NOW, Clock
from tests.disclosure.support import CLINIC, STRANGER, Store
from tests.unit.consent.support import consent

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
P1, P2, P3, P4 = ({"reference": f"Patient/p{number}"} for number in (1, 2, 3, 4))
DEPRESSION = {"coding": [{"system": ICD, "code": "F33.1"}]}
# Shown is written at NOW, hidden an hour later, both are asked after two.
HALF_PAST, LATER = "2026-06-01T12:30:00Z", "2026-06-01T13:30:00Z"


def permit(consent_id: str, patient: JsonObject, *classes: str) -> Resource:
    made = consent(classes=classes, id=consent_id, patient=patient)
    made["policyRule"] = {"text": "42 CFR Part 2"}
    for each in made["provision"]["class"]:
        each["system"] = "http://example.org/class"
    return made


def shown() -> list[Resource]:
    """What the clinic may see, the consents for it included.

    Of p3 it may see everything, of p4 all but what is about depression.
    """
    but_depression = permit("c4", P4, *CLASSES)
    but_depression["provision"]["provision"] = [{"type": "deny", "code": [DEPRESSION]}]
    return [
        {"resourceType": "Organization", "id": "o1", "name": "Program"},
        {"resourceType": "Patient", "id": "p4", "birthDate": "1980-01-01"},
        but_depression,
        plan(P4, "c4"),
        condition("v4", {"text": "sleep"}),
        {"resourceType": "Organization", "id": "o2", "name": "Elsewhere"},
        {"resourceType": "Practitioner", "id": "h7", "name": [{"family": "Oak"}]},
        {"resourceType": "Patient", "id": "p3", "birthDate": "1980-01-01"},
        permit("c3", P3, *CLASSES),
        {
            "resourceType": "Flag",
            "id": "f3",
            "status": "active",
            "code": {"text": "x"},
            "subject": P3,
        },
        plan_of_p3(),
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [{"system": "urn:mrn", "value": "1"}],
            "name": [{"family": "Ash"}],
            "managingOrganization": {"reference": "Organization/o1"},
        },
        permit("c1", P1, "identity", "treatment-plan", "medications"),
        goal("g3", "Walk"),
        goal("g1", "Stay sober"),
        goal("g2", "Call a sponsor"),
        {
            "resourceType": "MedicationRequest",
            "id": "m1",
            "status": "active",
            "intent": "order",
            "subject": P1,
            "medicationCodeableConcept": {"text": "naltrexone"},
        },
        {
            "resourceType": "CarePlan",
            "id": "c1",
            "status": "active",
            "intent": "plan",
            "subject": P1,
            "goal": [{"reference": "Goal/g1"}],
            "activity": [{"reference": {"reference": "MedicationRequest/m1"}}],
        },
    ]


def plan(subject: JsonObject, resource_id: str, **more: Any) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": "active",
        "intent": "plan",
        "subject": subject,
        "title": "Plan",
        **more,
    }


def plan_of_p3(**more: Any) -> Resource:
    return plan(P3, "c3", **more)


def condition(resource_id: str, code: JsonObject) -> Resource:
    return {"resourceType": "Condition", "id": resource_id, "subject": P4, "code": code}


def goal(resource_id: str, text: str, **more: Any) -> Resource:
    return {
        "resourceType": "Goal",
        "id": resource_id,
        "lifecycleStatus": "active",
        "description": {"text": text},
        "subject": P1,
        **more,
    }


def hide(store: Store, seed: int) -> None:
    """Put what the clinic may not see into a store, and change and delete some of it."""
    chance = random.Random(seed)
    subject = chance.choice([P1, P2])
    alcohol = {
        "resourceType": "Condition",
        "id": "h1",
        "identifier": [{"system": "urn:mrn", "value": "1"}],
        "subject": P1,
        "code": {"coding": [{"system": ICD, "code": chance.choice(["F10.20", "F33.1"])}]},
    }
    store.put(
        {
            "resourceType": "Patient",
            "id": "p2",
            "identifier": [{"system": "urn:mrn", "value": "2"}],
            "name": [{"family": "Ash"}],
            "managingOrganization": {"reference": "Organization/o2"},
        },
        alcohol,
        {
            "resourceType": "Condition",
            "id": "h6",
            "subject": P2,
            "recorder": {"reference": "Practitioner/h7"},
        },
        {
            "resourceType": "Observation",
            "id": "h2",
            "status": "final",
            "code": {"text": "test"},
            "subject": subject,
            "focus": [{"reference": "Goal/g3"}],
            "category": [{"coding": [{"code": "laboratory"}]}],
        },
        {**goal("h3", "Hidden goal"), "subject": P2},
        {
            "resourceType": "Provenance",
            "id": "h4",
            "recorded": "2026-01-01T00:00:00Z",
            "target": [{"reference": "Condition/h1"}],
            "agent": [{"who": {"reference": "Organization/o1"}}],
        },
        {
            "resourceType": "Appointment",
            "id": "h5",
            "status": "proposed",
            "comment": "secret",
            "participant": [
                {"actor": P1, "status": "accepted"},
                {"actor": subject, "status": "accepted"},
            ],
        },
    )
    planned = store.own("GET", "CarePlan/c1").body
    del planned["meta"]
    store.put({**planned, "addresses": [{"reference": "Condition/h1"}]})
    store.put(condition("h8", DEPRESSION))
    store.put(plan(P4, "c4", addresses=[{"reference": "Condition/h8"}]))
    store.put(plan_of_p3(addresses=[{"reference": "Condition/h6"}]))
    store.put(plan_of_p3(addresses=[{"reference": "Condition/h6"}], supportingInfo=[P2]))
    if chance.random() < 0.5:
        store.put(plan_of_p3())
    if chance.random() < 0.5:
        store.put(goal("g2", "Call a sponsor", addresses=[{"reference": "Condition/h1"}]))
    if chance.random() < 0.5:
        store.put({**alcohol, "code": {"text": "changed"}})
    if chance.random() < 0.5:
        store.own("DELETE", "Observation/h2")


IDS = ["Patient/p1", "Patient/p2", "Condition/h1", "Observation/h2", "Goal/h3", "Goal/g2"]
IDS += ["Provenance/h4", "Appointment/h5", "CarePlan/c1", "MedicationRequest/m1", "Consent/c1"]
READS = [
    *IDS,
    *(f"{name}/_history" for name in IDS),
    *(f"{name}/_history/{number}" for name in IDS for number in (1, 2)),
    "Patient/p1/$everything",
    "Patient/p2/$everything",
    "Patient/p1/Condition",
    "Patient/p2/*",
    "Patient/p1/*?_count=2",
    "_history?_count=5",
    "Goal/_history",
    "Condition/_history",
    "CarePlan/c3",
    "CarePlan/c3/_history",
    "CarePlan/c3/_history/2",
    "CarePlan/c3/_history/3",
    f"Patient/p1/$everything?_since={LATER}",
    f"Patient/p3/$everything?_since={HALF_PAST}",
    f"_history?_since={LATER}&_count=2",
    f"CarePlan/_history?_at={HALF_PAST}",
    f"CarePlan/c1/_history?_since={LATER}",
]
SEARCHES = [
    "Patient?name=ash",
    "Patient?identifier=urn:mrn|2",
    "Patient?_has:Condition:subject:code=F10.20",
    "Patient?_has:Observation:subject:status=final",
    "Patient?_revinclude=Condition:subject&_revinclude=Provenance:target",
    "Patient?_sort=-_lastUpdated&_count=1",
    "Patient?_summary=count",
    "Patient?_total=accurate&_count=1",
    "Condition",
    "Condition?code:missing=true",
    "Condition?code:not=x&_total=accurate",
    "Goal?_sort=_id",
    "Goal?subject=Patient/p2",
    "Goal?subject:Patient.name=ash",
    "Goal?_count=1&_total=accurate",
    "CarePlan?condition=Condition/h1",
    "CarePlan?condition:missing=true",
    "CarePlan?condition:missing=false",
    "CarePlan?condition:Condition.code=F10.20",
    "CarePlan?_include=CarePlan:condition&_include=CarePlan:goal&_include=CarePlan:subject",
    "CarePlan?_include=*&_include:iterate=*",
    "CarePlan?_elements=addresses,goal",
    "CarePlan?_summary=true",
    "Observation?_summary=count",
    "Provenance?target=Condition/h1",
    "Appointment?actor=Patient/p1",
    "_type?x=1",
    "?_type=Condition,Goal,Patient&_count=3",
    "?_id=h1",
    "?_security=SUD&_type=Goal,Condition",
    f"CarePlan?_lastUpdated=gt{HALF_PAST}",
    f"CarePlan?_lastUpdated=lt{LATER}&_total=accurate&_count=1",
    f"CarePlan?_lastUpdated=ge{HALF_PAST},lt2000&status=active",
    f"CarePlan?_lastUpdated=ge2026-06-01&_lastUpdated=le{HALF_PAST}",
    f"CarePlan?_lastUpdated=gt{LATER}&_summary=count",
    f"?_type=Goal,CarePlan&_sort=-_id&_lastUpdated=gt{HALF_PAST}&_count=1",
    f"Patient?_has:CarePlan:subject:_lastUpdated=gt{HALF_PAST}",
    f"CarePlan?subject:Patient._lastUpdated=gt{HALF_PAST}",
    "Goal?_sort=_lastUpdated",
    "Goal?_sort=-_lastUpdated&_count=1",
    "CarePlan?_sort=-_lastUpdated,_id&_total=accurate",
    "CarePlan?_sort=status,_lastUpdated",
    "CarePlan?_sort=condition&_elements=title",
    "CarePlan?condition=Condition/h6,Condition/h8",
    "CarePlan?condition:missing=false&_id=c4",
    "CarePlan/c4",
    "CarePlan/c4/_history",
    "Condition/h8",
    "Condition?subject=Patient/p4&_total=accurate",
    "Condition?code=F33.1",
    "Condition?_sort=-code&_count=1",
    "Patient?_has:Condition:subject:code=F33.1",
    "Patient?_id=p4&_revinclude=Condition:subject&_revinclude=CarePlan:subject",
    "Patient/p4/$everything",
    "CarePlan?_id=c4&_include=CarePlan:condition",
    "CarePlan?condition:Condition.recorder=Practitioner/h7",
    "Organization?_has:Patient:organization:_id=p2",
    "CarePlan?_include=CarePlan:condition&_include:iterate=Condition:asserter",
    "Goal?_revinclude=Observation:focus&_include:iterate=Observation:subject",
]


def writes() -> Iterator[tuple[str, str, JsonObject | None, dict[str, str]]]:
    """Writes that would tell whether something is there."""
    for value in ("1", "2"):
        body = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": value}]}
        yield "POST", "Patient", body, {"if-none-exist": f"identifier=urn:mrn|{value}"}
    new = {"resourceType": "Condition", "subject": P1}
    yield "POST", "Condition", new, {"if-none-exist": "identifier=urn:mrn|1"}
    yield "PUT", "Condition?identifier=urn:mrn|1", new, {}
    yield "PUT", "Condition/h1", {**new, "id": "h1"}, {}
    yield "PUT", "Condition/h9", {**new, "id": "h9"}, {}
    yield "DELETE", "Condition/h1", None, {}
    yield "DELETE", "Condition?identifier=urn:mrn|1", None, {}
    yield "PUT", "Goal/g2", goal("g2", "Changed"), {"if-match": 'W/"1"'}
    yield "PUT", "Goal/g2", goal("g2", "Changed again"), {"if-match": 'W/"1"'}
    yield "POST", "Goal", {**goal("x", "New"), "addresses": [{"reference": "Condition/h1"}]}, {}
    yield "POST", "Goal", {**goal("x", "New"), "subject": P2}, {}
    entry = {
        "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "resource": {**goal("x", "T"), "subject": {"reference": "Patient?identifier=urn:mrn|2"}},
        "request": {"method": "POST", "url": "Goal"},
    }
    yield "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, {}
    yield "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": [entry]}, {}
    yield "POST", "", {"resourceType": "Bundle", "type": "batch", "entry": entries_to_read()}, {}
    changed = f"_id=c1&_lastUpdated=gt{HALF_PAST}"
    again = plan(P1, "c3")
    yield "POST", "CarePlan", again, {"if-none-exist": changed}
    yield "PUT", f"CarePlan?{changed}", {**again, "id": "c1"}, {}
    yield "PUT", "CarePlan/c3", plan_of_p3(title="Ours"), {"if-match": 'W/"1"'}
    yield "PUT", "CarePlan/c3", plan_of_p3(title="Theirs"), {"if-match": 'W/"2"'}
    for name in ("Condition/h1", "Goal/g3", "Organization/o2", "CarePlan/c1"):
        yield "POST", f"{name}/$validate?mode=delete", None, {}
        yield "DELETE", name, None, {}
    removed = {"request": {"method": "DELETE", "url": "Goal/g2"}}
    yield "POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [removed]}, {}


def entries_to_read() -> list[JsonObject]:
    """Reads in a batch, with conditions that would tell of changes."""
    urls = ["CarePlan/c1", "CarePlan/c3", "Condition/h1", "CarePlan?_sort=-_lastUpdated&_count=1"]
    return [
        {"request": {"method": "GET", "url": url, **more}}
        for url in urls
        for more in ({}, {"ifNoneMatch": 'W/"1"'}, {"ifModifiedSince": HALF_PAST})
    ]


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Store, Store]]:
    seed, kind = request.param
    one = f"sqlite:///{tmp_path / 'one'}.db"
    if kind == "postgresql":
        one = request.getfixturevalue("postgres").emptied()
    made = []
    for url in (one, f"sqlite:///{tmp_path / 'other'}.db"):
        numbers, clock = count(1), Clock()
        built = bridges.build(
            Settings(auth="none", database_url=url),
            now=clock,
            new_id=lambda numbers=numbers: f"new-{next(numbers)}",
        )
        store = Store(built)
        store.put(*shown())
        for each in ("c1", "c3", "c4"):
            consents.attest(built, each, by="officer", confirmed=frozenset())
        if not made:
            clock.at = NOW + timedelta(hours=1)
            hide(store, seed)
        clock.at = NOW + timedelta(hours=2)
        store.put(goal("g9", "New"))
        made.append(store)
    yield made[0], made[1]
    for store in made:
        store.bridge.close()


def masked(found: Any) -> str:
    """An answer as text, without the marks of pages: they are sealed, and of one length."""
    text = json.dumps([found.status, found.body, found.headers], sort_keys=True)
    return re.sub(
        r"(_cursor|_before)=([A-Za-z0-9_\-]+)", lambda mark: f"{mark[1]}=…{len(mark[2])}", text
    )


def pages(store: Store, path: str) -> list[str]:
    """The answers of all pages of a search or history."""
    answers = []
    while path:
        found = store.get(path)
        answers.append(masked(found))
        links = {each["relation"]: each["url"] for each in found.body.get("link", ())}
        path = links.get("next", "").partition("/fhir/")[2]
    return answers


PAGED = ["Goal?_count=1", "?_type=Goal,CarePlan,Condition&_count=2", "_history?_count=4"]
PAGED += ["CarePlan?_sort=-_lastUpdated&_count=1", "Patient/p1/$everything?_count=3"]
PAIRS = [(1, "sqlite"), (2, "postgresql")]


@pytest.mark.parametrize("pair", PAIRS, indirect=True, ids=["sqlite", "postgresql"])
def test_what_is_withheld_changes_no_answer(pair: tuple[Store, Store]) -> None:
    one, other = pair
    for who in (CLINIC, STRANGER):
        for path in [*READS, *SEARCHES]:
            assert masked(one.get(path, who)) == masked(other.get(path, who)), path
    for path in PAGED:
        assert pages(one, path) == pages(other, path), path
    for method, path, body, conditions in writes():
        answers = [masked(store.ask(method, path, body, **conditions)) for store in pair]
        assert answers[0] == answers[1], (method, path)
    for path in ("Goal", "Goal/g2", "Goal/g2/_history", "Patient?identifier=urn:mrn|2", "CarePlan"):
        assert masked(one.get(path)) == masked(other.get(path)), path


@pytest.mark.parametrize("pair", PAIRS[:1], indirect=True)
def test_hidden_elements_survive_the_writes_of_others(pair: tuple[Store, Store]) -> None:
    store = pair[0]
    seen = store.get("CarePlan/c1").body

    answer = store.ask("PUT", "CarePlan/c1", {**seen, "title": "Ours"})

    stored = store.own("GET", "CarePlan/c1").body
    assert answer.status == 200
    assert "addresses" not in answer.body
    assert stored["title"] == "Ours"
    assert stored["addresses"] == [{"reference": "Condition/h1"}]
    assert "security" not in stored["meta"]
