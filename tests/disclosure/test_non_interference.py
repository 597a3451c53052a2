"""Two stores that differ only in what is withheld answer identical requests byte for byte."""

import json
import random
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import consents
from tests.disclosure.conftest import NOW
from tests.disclosure.support import CLINIC, STRANGER, Store
from tests.unit.consent.support import consent

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
P1, P2 = {"reference": "Patient/p1"}, {"reference": "Patient/p2"}


def shown() -> list[Resource]:
    """What the clinic may see, the consent for it included."""
    permit = consent(classes=("identity", "treatment-plan", "medications"))
    permit["policyRule"] = {"text": "42 CFR Part 2"}
    for each in permit["provision"]["class"]:
        each["system"] = "http://example.org/class"
    return [
        {"resourceType": "Organization", "id": "o1", "name": "Program"},
        {
            "resourceType": "Patient",
            "id": "p1",
            "identifier": [{"system": "urn:mrn", "value": "1"}],
            "name": [{"family": "Ash"}],
            "managingOrganization": {"reference": "Organization/o1"},
        },
        permit,
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
    condition = {
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
        },
        condition,
        {
            "resourceType": "Observation",
            "id": "h2",
            "status": "final",
            "code": {"text": "test"},
            "subject": subject,
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
    plan = store.own("GET", "CarePlan/c1").body
    del plan["meta"]
    store.put({**plan, "addresses": [{"reference": "Condition/h1"}]})
    if chance.random() < 0.5:
        store.put(goal("g2", "Call a sponsor", addresses=[{"reference": "Condition/h1"}]))
    if chance.random() < 0.5:
        store.put({**condition, "code": {"text": "changed"}})
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
]


def writes() -> Iterator[tuple[str, str, JsonObject | None, dict[str, str]]]:
    """Writes that would tell whether something is there."""
    for value in ("1", "2"):
        body = {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": value}]}
        yield "POST", "Patient", body, {"if-none-exist": f"identifier=urn:mrn|{value}"}
    condition = {"resourceType": "Condition", "subject": P1}
    yield "POST", "Condition", condition, {"if-none-exist": "identifier=urn:mrn|1"}
    yield "PUT", "Condition?identifier=urn:mrn|1", condition, {}
    yield "PUT", "Condition/h1", {**condition, "id": "h1"}, {}
    yield "PUT", "Condition/h9", {**condition, "id": "h9"}, {}
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
    yield "POST", "Condition/h1/$validate?mode=delete", None, {}


@pytest.fixture
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Store, Store]]:
    seed, kind = request.param
    one = f"sqlite:///{tmp_path / 'one'}.db"
    if kind == "postgresql":
        one = request.getfixturevalue("postgres").emptied()
    made = []
    for url in (one, f"sqlite:///{tmp_path / 'other'}.db"):
        numbers = count(1)
        built = bridges.build(
            Settings(auth="none", database_url=url),
            now=lambda: NOW,
            new_id=lambda numbers=numbers: f"new-{next(numbers)}",
        )
        store = Store(built)
        store.put(*shown())
        consents.attest(built, "c1", by="officer", confirmed=frozenset())
        made.append(store)
    hide(made[0], seed)
    yield made[0], made[1]
    for store in made:
        store.bridge.close()


def masked(found: Any) -> str:
    """An answer as text, without the marks of pages, which hold row numbers."""
    text = json.dumps([found.status, found.body, found.headers], sort_keys=True)
    return re.sub(r"(_cursor|_before)=[A-Za-z0-9_\-]+", r"\1=…", text)


PAIRS = [(1, "sqlite"), (2, "postgresql")]


@pytest.mark.parametrize("pair", PAIRS, indirect=True, ids=["sqlite", "postgresql"])
def test_what_is_withheld_changes_no_answer(pair: tuple[Store, Store]) -> None:
    one, other = pair
    for who in (CLINIC, STRANGER):
        for path in [*READS, *SEARCHES]:
            assert masked(one.get(path, who)) == masked(other.get(path, who)), path
    for method, path, body, conditions in writes():
        answers = [masked(store.ask(method, path, body, **conditions)) for store in pair]
        assert answers[0] == answers[1], (method, path)
    for path in ("Goal", "Goal/g2", "Goal/g2/_history", "Patient?identifier=urn:mrn|2"):
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
