"""A partner in words and as JSON, for the commands about partners."""

from collections.abc import Iterator

from fhirbridge.handoffs import partner_view
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
        return "not known; `partner probe --write` tries it"
    if not shown:
        return "finds nothing: after a lost answer a person decides"
    lag = partner.probe.get("lagSeconds")
    return "finds what was written" + (f", after {lag} s" if lag is not None else "")


def to_json(partner: Partner) -> JsonObject:
    """The same for programs."""
    return {
        **partner_view.to_json(partner),
        "headers": list(partner.headers),
        "clientId": partner.credentials.client_id if partner.credentials else None,
        "organization": recipient_json(partner.recipient),
    }
