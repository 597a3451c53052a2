"""Directories are for everybody; what documents of one record put beside them is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.disclosure.caller import OWN
from fhirbridge.disclosure.packages import Authorised, authorise
from fhirbridge.handoffs.consenting import gate_to
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.registry import Partner
from fhirbridge.storage.reindex import reindex
from fhirbridge.storage.resources import Circumstances
from tests.disclosure.support import CLINIC, STRANGER, Store
from tests.unit.cli.running import native

SEARCHES = ("Location", "HealthcareService", "Organization", "_history")


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'directories.db'}"


def plan(*scope: str, **changes: Any) -> JsonObject:
    """The richest aftercare plan; with `scope` its consents describe that information only."""
    found: JsonObject = json.loads(native("aftercare-plan/maximal").read_bytes())
    for each in found["consents"]:
        if scope and each["type"] == "tpo":
            each["infoScope"] = list(scope)
    return {**found, **changes}


def places(store: Store, search: str, **by: Any) -> set[str]:
    """What of visits and of the community is found."""
    found = store.get(search, **by).body.get("entry", [])
    own = ("/visit-place", "/community-resource", "/referral-service")
    return {
        f"{resource['resourceType']}/{resource['id']}"
        for resource in (each.get("resource", {}) for each in found)
        for one in resource.get("identifier", ())
        if str(one.get("system", "")).endswith(own)
    }


def test_what_one_record_names_is_no_entry_of_a_directory(store: Store) -> None:
    store.receive("aftercare-plan", plan())
    store.receive("referral", json.loads(native("referral/maximal").read_bytes()))

    own = {name for search in SEARCHES[:2] for name in places(store, search, caller=OWN)}
    assert len(own) == 5
    for search in SEARCHES:
        assert places(store, search, caller=STRANGER) == set()
    for name in own:
        assert store.get(name, STRANGER).status == 404
        assert store.get(name, CLINIC).status == 200
    assert store.get("Organization", STRANGER).references


def test_the_place_of_a_visit_is_seen_by_who_may_know_of_visits(store: Store) -> None:
    store.receive("aftercare-plan", plan("identity", "appointments"))

    found = store.get("Appointment?_include=Appointment:location").body["entry"]
    service, *_ = places(store, "HealthcareService", caller=OWN)

    shown = [each["resource"]["resourceType"] for each in found]
    assert "Location" in shown
    assert store.get(service).status == 404


def test_it_stays_so_when_it_is_changed_or_indexed_again(store: Store) -> None:
    store.receive("aftercare-plan", plan())
    [name, *_] = places(store, "Location", caller=OWN)
    stored = store.own("GET", name).body
    store.put({**stored, "name": "Another name"})
    bridge = store.bridge
    circumstances = Circumstances(
        custodian_id=bridge.custodian.id, now=bridge.now(), zone=bridge.settings.zone
    )
    reindex(bridge.database, circumstances, report=lambda _: None)
    store.receive("aftercare-plan", plan(version=6, updatedAt="2027-01-01T00:00:00Z"))

    assert store.get(name, STRANGER).status == 404
    assert store.get(name).status == 200
    assert store.get(f"Location?_id={name.partition('/')[2]}").references == [name]
    labels = {each["code"] for each in store.get(name).body["meta"]["security"]}
    assert {"42CFRPart2", "R"} <= labels


def test_a_package_has_no_places_of_what_stays(store: Store) -> None:
    patient = store.receive("aftercare-plan", plan("identity", "medications"))
    every = store.own("GET", f"{patient}/$everything?_count=500").body["entry"]
    resources = [each["resource"] for each in every]
    urls = {f"{one['resourceType']}/{one['id']}": f"urn:uuid:{one['id']}" for one in resources}
    text = json.dumps(resources)
    for reference, url in urls.items():
        text = text.replace(f'"{reference}"', f'"{url}"')
    entries = [{"fullUrl": f"urn:uuid:{one['id']}", "resource": one} for one in json.loads(text)]
    partner = Partner("ehr", "https://ehr.example/fhir", recipient=CLINIC.recipient)

    with store.bridge.database.read() as session:
        gate = gate_to(store.bridge, partner)
        sent = authorise(session, gate, {"resourceType": "Bundle", "entry": entries})

    assert isinstance(sent, Authorised)
    types = {each["resource"]["resourceType"] for each in sent.bundle["entry"]}
    assert {"Patient", "MedicationRequest"} <= types
    assert not {"Location", "HealthcareService", "Appointment"} & types
