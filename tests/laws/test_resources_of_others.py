"""Law 3 for FHIR that others wrote: nothing raises, and nothing is dropped silently."""

import pytest

from fhirbridge.conversion.to_native import to_native
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.native.documents import KINDS, Kind
from tests import official_examples
from tests.laws.laws import leaf_paths, mapping_of

OWN = ("id", "resourceType")


def in_bundle(resource: Resource) -> Resource:
    entry = {"fullUrl": "urn:uuid:0b6cb6a4-6d0e-4a4e-9f0e-0d6c1b1e7a10", "resource": resource}
    return {"resourceType": "Bundle", "type": "collection", "entry": [entry]}


@pytest.mark.parametrize("kind", KINDS)
def test_every_official_example_is_read_or_listed(kind: Kind) -> None:
    silent = []
    for name, content in official_examples.sample().items():
        resource = wire.parse(content)
        if resource["resourceType"] == "Bundle":
            continue

        found = to_native(in_bundle(resource), mapping_of(kind))

        told = {path for issue in found.issues for path in issue.expression}
        foreign = [leaf for leaf in leaf_paths(resource, "") if leaf.lstrip(".") not in OWN]
        if foreign and not told:
            silent.append(name)
    assert silent == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_of_an_official_bundle_is_read_or_listed(kind: Kind) -> None:
    types = {entry.type for entry in mapping_of(kind).pack.entries.values()}
    for content in official_examples.sample().values():
        bundle = wire.parse(content)
        if bundle["resourceType"] != "Bundle":
            continue

        found = to_native(bundle, mapping_of(kind))

        told = {path for issue in found.issues for path in issue.expression}
        for position, entry in enumerate(bundle.get("entry", ())):
            if entry.get("resource", {}).get("resourceType") not in types:
                assert f"Bundle.entry[{position}].resource" in told


@pytest.mark.parametrize("kind", KINDS)
def test_entry_without_resource_is_listed_and_shifts_no_other(kind: Kind) -> None:
    deletion = {"request": {"method": "DELETE", "url": "Patient/1"}}
    device = {"resource": {"resourceType": "Device", "id": "d"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [deletion, device]}

    found = to_native(bundle, mapping_of(kind))

    told = {path for issue in found.issues for path in issue.expression}
    assert told == {"Bundle.entry[0].resource", "Bundle.entry[1].resource"}
