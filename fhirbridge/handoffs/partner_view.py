"""A partner for programs: what the commands and the document API say alike."""

from fhirbridge.clock import to_instant
from fhirbridge.handoffs import subscribe
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.registry import Partner


def to_json(partner: Partner) -> JsonObject:
    """Address, settings, what it offers, and what trials showed; no credentials, no recipient."""
    abilities, at = partner.abilities, partner.capability_at
    return {
        "name": partner.name,
        "url": partner.base_url,
        "profile": partner.profile,
        "followSeconds": partner.follow_seconds,
        "requestsPerSecond": partner.requests_per_second,
        "timeoutSeconds": partner.policy.read_timeout_seconds,
        "maxAgeHours": partner.policy.max_age_seconds / 3600,
        "timezone": partner.timezone,
        "window": dict(partner.window),
        "calendar": dict(partner.calendar),
        "capabilityAt": to_instant(at) if at else None,
        "software": abilities.software,
        "fhirVersion": abilities.fhir_version,
        "transaction": abilities.known and abilities.transaction,
        "batch": abilities.known and abilities.batch,
        "types": sorted(abilities.types),
        "probe": dict(partner.probe),
        "subscription": subscribe.shown(partner),
    }
