"""A partner in words and as JSON, for the commands about partners."""

from collections.abc import Iterator

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


def facts(partner: Partner) -> Iterator[tuple[str, str]]:
    """What is known of a partner, line by line; of headers the names only."""
    yield "offers", offer(partner)
    yield "profile", partner.profile
    yield "looked at", f"every {partner.follow_seconds:g} seconds"
    hours = partner.policy.max_age_seconds / 3600
    yield "is tried", f"{hours:g} hours, {partner.policy.read_timeout_seconds:g} s a request"
    who = partner.recipient
    yield "organization", who.name if who else "not said: nothing is sent under Part 2"
    if partner.credentials:
        yield "known there as", partner.credentials.client_id
    if partner.headers:
        yield "headers", ", ".join(partner.headers)
    if partner.requests_per_second:
        yield "rate", f"{partner.requests_per_second:g} requests a second"
    for name, when in (("sent to", partner.window), ("its people", partner.calendar)):
        if when:
            days = ", ".join(str(day) for day in when.get("days", ()))
            zone = partner.timezone or "UTC"
            yield name, f"{days} {when.get('from', '')}-{when.get('to', '')} ({zone})".strip()
    yield "look-up", _look_up(partner)


def _look_up(partner: Partner) -> str:
    shown = partner.probe.get("lookUp")
    if shown is None:
        return "not tried; `partner probe --write` does"
    if not shown:
        return "finds nothing: after a lost answer a person decides"
    return f"finds what was written, after {partner.probe.get('lagSeconds')} s"


def to_json(partner: Partner) -> JsonObject:
    """The same for programs."""
    abilities = partner.abilities
    at = partner.capability_at
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
        "headers": list(partner.headers),
        "clientId": partner.credentials.client_id if partner.credentials else None,
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
