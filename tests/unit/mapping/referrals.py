"""A small referral, converted with the packs that are shipped."""

from functools import cache

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mapping
from fhirbridge.conversion.model import ToNative
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.native import documents


@cache
def mapping() -> Mapping:
    return load_mapping("referral", base=DEFAULT_BASE)


def bundle_of(**fields: Json) -> Resource:
    """The Bundle of the least referral with these fields."""
    data: JsonObject = {
        "schema": "fhirbridge.referral/1",
        "sourceSystem": "here",
        "recordId": "R1",
        "version": 1,
        "updatedAt": "2026-03-01T12:00:00Z",
        "patient": {"mrn": "M1", "name": {"family": "Doe"}, "birthDate": "1990-01-01"},
        "facility": {"name": "Here", "type": "261QR0405X", "tz": "America/Chicago"},
        "authors": [{"id": "a1", "name": {"family": "Roe"}, "role": "case-manager"}],
        "referralId": "R1",
        "status": "sent",
        "direction": "outbound",
        "priority": "routine",
        "reason": {"kind": "continuity"},
        "serviceRequested": {"kind": "psychiatry"},
        "requester": {"org": "Here"},
        "recipient": {"org": "There"},
        **fields,
    }
    return to_fhir(documents.load("referral", data), mapping(), Identity()).bundle


def back(bundle: Resource) -> ToNative:
    """The Bundle read back into a referral."""
    return to_native(bundle, mapping())


def the(bundle: Resource, resource_type: str) -> Resource:
    """The one resource of a type."""
    (found,) = (r for r in resources(bundle) if r["resourceType"] == resource_type)
    return found


def resources(bundle: Resource) -> list[Resource]:
    """All resources of a Bundle."""
    return [entry["resource"] for entry in bundle["entry"]]
