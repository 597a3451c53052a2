"""Scopes that are remembered between searches notice what they were made of."""

from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.classes import CLASSES
from fhirbridge.consent.labels import ACT_CODE, ICD10CM
from fhirbridge.jsontypes import Resource
from fhirbridge.operations import consents
from tests.disclosure.conftest import NOW
from tests.disclosure.support import CLINIC, STRANGER, Store, caller
from tests.unit.consent.support import consent

P1 = {"reference": "Patient/p1"}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'memory.db'}"


def condition(resource_id: str, code: str = "I10", **more: Any) -> Resource:
    coding = {"system": ICD10CM, "code": code}
    made = {"resourceType": "Condition", "id": resource_id, "code": {"coding": [coding]}}
    return {**made, "subject": P1, **more}


def signed(store: Store, *, exception: Resource | None = None, **changes: Any) -> None:
    store.put(
        {"resourceType": "Organization", "id": "o1", "name": "Program"},
        *({"resourceType": "Patient", "id": name} for name in ("p1", "p2")),
        condition("c-1"),
    )
    made = consent(classes=CLASSES, policyRule={"text": "42 CFR Part 2"}, **changes)
    for each in made["provision"]["class"]:
        each["system"] = "http://example.org/class"
    if exception:
        made["provision"]["provision"] = [exception]
    store.put(made)
    consents.attest(store.bridge, "c1", by="officer", confirmed=frozenset())


def test_an_organization_that_a_consent_refers_to_may_change_its_name(store: Store) -> None:
    store.put({"resourceType": "Organization", "id": "named", "name": "Somebody"})
    whole = consent(classes=CLASSES)["provision"]
    actor = {
        "role": {"coding": [{"code": "IRCP"}]},
        "reference": {"reference": "Organization/named"},
    }
    signed(store, kind="release", provision={**whole, "actor": [actor]})
    before = store.get("Condition", STRANGER).references

    store.put({"resourceType": "Organization", "id": "named", "name": "Nobody's Hospital"})
    then = store.get("Condition", STRANGER).references
    store.put({"resourceType": "Organization", "id": "named", "name": "Somebody else"})
    after = store.get("Condition", STRANGER).references

    assert (before, then, after) == ([], ["Condition/c-1"], [])


def test_what_is_written_later_is_found_where_single_resources_are_decided(store: Store) -> None:
    signed(
        store, exception={"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "HIV"}]}
    )
    assert store.get("Condition").references == ["Condition/c-1"]

    store.put(condition("c-2"), condition("c-3", "B20"))
    both = [{"reference": f"Patient/{name}"} for name in ("p1", "p2")]
    participants = [{"actor": each, "status": "accepted"} for each in both]
    store.put(
        {
            "resourceType": "Appointment",
            "id": "a",
            "status": "proposed",
            "participant": participants,
        },
    )

    assert store.get("Condition").references == ["Condition/c-1", "Condition/c-2"]
    assert store.get("Appointment").references == []


def test_an_emergency_opens_no_search_where_single_resources_are_decided(store: Store) -> None:
    signed(
        store, exception={"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "HIV"}]}
    )
    store.put(condition("c-3", "B20"))
    doctor = caller(CLINIC, purpose="BTG", reason="unconscious", actor="Dr. E")

    assert store.get("Condition", doctor).references == ["Condition/c-1"]
    assert store.get("Condition/c-3", doctor).status == 200


def test_a_consent_that_becomes_another_patients_opens_nothing_of_the_first(store: Store) -> None:
    signed(store)
    store.put(condition("c-2", subject={"reference": "Patient/p2"}))
    before = store.get("Condition").references

    made = {**store.own("GET", "Consent/c1").body, "patient": {"reference": "Patient/p2"}}
    store.put(made)
    consents.attest(store.bridge, "c1", by="officer", confirmed=frozenset())

    assert before == ["Condition/c-1"]
    assert store.get("Condition").references == ["Condition/c-2"]


def test_a_consent_opens_and_ends_by_itself(database_url: str) -> None:
    at = [NOW]
    bridge = bridges.build(Settings(auth="none", database_url=database_url), now=lambda: at[0])
    store = Store(bridge)
    whole = consent(classes=CLASSES)["provision"]
    signed(store, provision={**whole, "period": {"start": "2026-06-03", "end": "2026-06-05"}})
    found = []
    for day in (1, 3, 4, 6):
        at[0] = NOW.replace(day=day)
        found.append(store.get("Condition").references)
    bridge.close()

    assert found == [[], ["Condition/c-1"], ["Condition/c-1"], []]


def test_what_was_taken_back_was_never_known(store: Store) -> None:
    """The numbers of what was undone are given again: nothing is known as of them."""
    signed(store)
    changed = {**store.own("GET", "Consent/c1").body, "dateTime": "2026-01-11T10:00:00Z"}
    store.put(changed)  # a version that nobody attested
    nobody = {"resourceType": "Patient"}
    stray = condition("c-9", encounter={"reference": "Encounter/none"})
    entries = [
        *({"resource": nobody, "request": {"method": "POST", "url": "Patient"}} for _ in range(3)),
        {"resource": stray, "request": {"method": "POST", "url": "Condition"}},
        {"request": {"method": "GET", "url": "Condition"}},
    ]
    before = store.get("Condition").references
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    refused = store.ask("POST", "", bundle)
    consents.attest(store.bridge, "c1", by="officer", confirmed=frozenset())

    assert (before, refused.status) == ([], 422), refused.body
    assert store.get("Condition").references == ["Condition/c-1"]


def test_what_goes_on_grows_into_a_time_by_itself(database_url: str) -> None:
    at = [NOW]
    bridge = bridges.build(Settings(auth="none", database_url=database_url), now=lambda: at[0])
    store = Store(bridge)
    signed(store, exception={"type": "deny", "dataPeriod": {"start": "2026-06-01T12:15:00Z"}})
    store.put(condition("c-1", onsetPeriod={"start": "2024-05-01"}))
    store.put(condition("c-2", onsetDateTime="2024-05-01"))
    found = []
    for minute in (0, 15, 16):
        at[0] = NOW.replace(minute=minute)
        found.append((store.get("Condition").references, store.get("Condition/c-1").status))
    bridge.close()

    both = ["Condition/c-1", "Condition/c-2"]
    assert found == [(both, 200), (both, 200), (["Condition/c-2"], 404)]
