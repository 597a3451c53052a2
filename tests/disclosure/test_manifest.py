"""What is told of what stays: counted for many patients without reading their records."""

import random
from collections import Counter
from datetime import UTC
from pathlib import Path

import pytest

from fhirbridge.consent.classes import CLASSES, CONSENT, COUNSELING_NOTES
from fhirbridge.consent.labels import ACT_CODE, ICD10CM
from fhirbridge.disclosure.gate import Gate, Place
from fhirbridge.disclosure.manifest import withheld
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import consents
from fhirbridge.storage import patients
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session
from tests.disclosure.conftest import NOW
from tests.disclosure.support import CLINIC, Store
from tests.unit.consent.support import consent

PEOPLE = tuple(f"p{number}" for number in range(8))
HIV = {"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "HIV"}]}
TYPES = "http://hl7.org/fhir/resource-types"
NO_GOALS = {"type": "deny", "class": [{"system": TYPES, "code": "Goal"}]}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'manifest.db'}"


def signed(patient: str, chance: random.Random) -> Resource:
    """A consent for some classes, maybe with an exception about single resources."""
    classes = tuple(chance.sample(CLASSES, chance.randint(1, 6)))
    made = consent(id=f"c-{patient}", patient={"reference": f"Patient/{patient}"}, classes=classes)
    made["policyRule"] = {"text": "42 CFR Part 2"}
    for each in made["provision"]["class"]:
        each["system"] = "http://example.org/class"
    exceptions = chance.choice([[], [], [HIV], [NO_GOALS]])
    if exceptions:
        made["provision"]["provision"] = exceptions
    return made


def records(patient: str, chance: random.Random) -> list[Resource]:
    about = {"subject": {"reference": f"Patient/{patient}"}}
    code = {"coding": [{"system": ICD10CM, "code": chance.choice(("I10", "B20", "F10.20"))}]}
    goal = {"lifecycleStatus": "active", "description": {"text": "g"}}
    medication = {"status": "active", "intent": "order", "medicationCodeableConcept": code}
    other = {"reference": f"Patient/{chance.choice(PEOPLE)}"}
    actors = [about["subject"], other]
    participants = [{"actor": each, "status": "accepted"} for each in actors]
    shared = {"status": "proposed", "participant": participants}
    made: list[JsonObject] = [
        {"resourceType": "Condition", "code": code, **about},
        {"resourceType": "Goal", **goal, **about},
        {"resourceType": "MedicationRequest", **medication, **about},
        {"resourceType": "Appointment", **shared},
        {"resourceType": "Observation", "status": "final", "code": code, **about},
    ]
    return [{**each, "id": f"{patient}-{number}"} for number, each in enumerate(made)]


def read_one_by_one(session: Session, gate: Gate, keys: list[int]) -> Counter[str]:
    found = {
        version.key: version.resource_type
        for key in keys
        for version in patients.versions(session, gate.place.custodian_id, key)
        if version.content_class not in (CONSENT, COUNSELING_NOTES)
        and not gate.sees(session, version)
    }
    return Counter(found.values())


@pytest.mark.parametrize("seed", range(3))
def test_it_counts_what_the_caller_may_not_see(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    store.put({"resourceType": "Organization", "id": "o1", "name": "Program"})
    store.put(*({"resourceType": "Patient", "id": each} for each in PEOPLE))
    for each in PEOPLE:
        store.put(signed(each, chance), *records(each, chance))
        consents.attest(store.bridge, f"c-{each}", by="officer", confirmed=frozenset())
    store.own("DELETE", "Observation/p1-4")
    bridge = store.bridge
    place = Place(custodian_id=bridge.custodian.id, policy=bridge.policy, now=NOW, zone=UTC)

    for several in (PEOPLE, PEOPLE[:1], PEOPLE[1:3], ()):
        keys = [key_of(f"Patient/{each}") for each in several]
        with bridge.database.read() as session:
            expected = read_one_by_one(session, Gate(CLINIC, place), keys)
            assert withheld(session, Gate(CLINIC, place), keys) == expected
        assert bool(expected) == bool(keys)


def test_it_reads_no_record_whose_class_tells_enough(store: Store) -> None:
    chance = random.Random(1)
    store.put({"resourceType": "Organization", "id": "o1", "name": "Program"})
    store.put(*({"resourceType": "Patient", "id": each} for each in PEOPLE))
    made = signed("p0", chance)
    made["provision"].pop("provision", None)
    store.put(made, *records("p0", chance))
    consents.attest(store.bridge, "c-p0", by="officer", confirmed=frozenset())
    bridge = store.bridge
    place = Place(custodian_id=bridge.custodian.id, policy=bridge.policy, now=NOW, zone=UTC)
    gate, key = Gate(CLINIC, place), key_of("Patient/p0")

    with bridge.database.read() as session:
        gate.allowance(session, key)
        asked: list[str] = []
        session.driver.set_trace_callback(asked.append)
        found = withheld(session, gate, [key])
        session.driver.set_trace_callback(None)

    assert sum(found.values()) > 0
    assert not [each for each in asked if "content," in each and "'Consent'" not in each]
