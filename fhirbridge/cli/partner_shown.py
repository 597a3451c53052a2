"""A partner in words and as JSON, for the commands about partners."""

from fhirbridge.clock import to_instant
from fhirbridge.handoffs import subscribe
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.registry import Partner, recipient_json


def offer(partner: Partner) -> str:
    """The best way of sending, in words."""
    abilities = partner.abilities
    if not abilities.known:
        return "not known"
    if abilities.transaction:
        way = "transactions"
    elif abilities.batch:
        way = "batches"
    elif abilities.create and abilities.create <= abilities.conditional_create:
        way = "conditional creates"
    elif abilities.create:
        way = "creates"
    else:
        way = "no writing"
    return f"{way}, FHIR {abilities.fhir_version}" if abilities.fhir_version else way


def to_json(partner: Partner) -> JsonObject:
    abilities = partner.abilities
    at = partner.capability_at
    return {
        "name": partner.name,
        "url": partner.base_url,
        "profile": partner.profile,
        "followSeconds": partner.follow_seconds,
        "capabilityAt": to_instant(at) if at else None,
        "software": abilities.software,
        "fhirVersion": abilities.fhir_version,
        "transaction": abilities.known and abilities.transaction,
        "batch": abilities.known and abilities.batch,
        "types": sorted(abilities.types),
        "organization": recipient_json(partner.recipient),
        "probe": partner.probe,
        "subscription": subscribe.shown(partner),
    }
