"""Registering partners, and asking them what they can do."""

import json
from dataclasses import dataclass, replace

from fhirbridge.bridge import Bridge
from fhirbridge.errors import InvalidContent, Issue, NotFound, PartnerUnreachable
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.http import check_base_url
from fhirbridge.partners.registry import Partner, check_headers, fetch_capability, is_open
from fhirbridge.storage import alerts, circuits
from fhirbridge.storage import partners as rows
from fhirbridge.storage.session import Session

_NAME_CHARACTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."


@dataclass(frozen=True, slots=True)
class Added:
    """A partner after registration; `unreachable` says why its capabilities are not known."""

    partner: Partner
    is_new: bool
    unreachable: str = ""


def add(bridge: Bridge, partner: Partner) -> Added:
    """Register a partner, or change the one of this name, and ask for its capabilities.

    A partner that cannot be reached is registered all the same; it is asked again before the
    first delivery. Raises InvalidContent for a name, an address or a header that cannot be.
    """
    if not partner.name or len(partner.name) > 64 or set(partner.name) - set(_NAME_CHARACTERS):
        raise InvalidContent(
            Issue("value", "A partner's name is 1 to 64 letters, digits, dots, - and _.")
        )
    partner = replace(
        partner, base_url=check_base_url(partner.base_url, allow_http=partner.allow_http)
    )
    check_headers(partner.headers)
    unreachable = ""
    try:
        with bridge.connect(partner) as client:
            capability = storable(fetch_capability(client, partner.name))
        partner = replace(partner, capability=capability, capability_at=bridge.now())
    except PartnerUnreachable as error:
        unreachable = str(error)
    with bridge.database.transaction() as session:
        known = rows.get(session, bridge.custodian.id, partner.name, locked=True)
        if known is not None and known.base_url == partner.base_url:
            kept = known.settings
            partner = replace(
                partner,
                probe=partner.probe or kept.get("probe") or {},
                subscription=kept.get("subscription") or {},
            )
        is_new = save(session, bridge, partner)
        if not unreachable:
            note_answer(session, bridge, partner.name)
    return Added(partner, is_new, unreachable)


def storable(capability: Resource) -> Resource:
    """A CapabilityStatement whose numbers are plain ones, for a JSON column."""
    plain: Resource = json.loads(wire.dump(capability))
    return plain


def save(session: Session, bridge: Bridge, partner: Partner) -> bool:
    """Store a partner. True if it is new."""
    now = bridge.now()
    row = rows.PartnerRow(
        partner.name,
        partner.base_url,
        partner.settings(),
        partner.capability,
        partner.capability_at,
        now,
        now,
    )
    return rows.put(session, bridge.custodian.id, row)


def note_answer(session: Session, bridge: Bridge, name: str) -> None:
    """The partner answers: it is not left alone any more, and what was told of that is over."""
    now, custodian_id = bridge.now(), bridge.custodian.id
    if circuits.answered(session, custodian_id, name, now=now):
        alerts.close(session, custodian_id, f"partner-down {name}", now=now)


def load(session: Session, bridge: Bridge, name: str) -> Partner:
    """The partner of this name. Raises NotFound, naming those there are."""
    row = rows.get(session, bridge.custodian.id, name)
    if row is None:
        known = ", ".join(one.name for one in rows.all_of(session, bridge.custodian.id))
        raise NotFound(
            Issue(
                "not-found",
                f"There is no partner '{name}'. "
                + (f"Partners are: {known}." if known else "Register one: partner add NAME URL."),
            )
        )
    return _partner(row)


def closed_now(session: Session, bridge: Bridge) -> list[str]:
    """The partners outside whose window it is now."""
    now = bridge.now()
    return [
        name
        for name, settings in rows.settings_of(session, bridge.custodian.id).items()
        if settings.get("window") and not is_open(settings, now)
    ]


def load_all(bridge: Bridge) -> list[Partner]:
    """All partners by name."""
    with bridge.database.read() as session:
        return [_partner(row) for row in rows.all_of(session, bridge.custodian.id)]


def _partner(row: rows.PartnerRow) -> Partner:
    return Partner.from_settings(
        row.name,
        row.base_url,
        settings=row.settings,
        capability=row.capability,
        capability_at=row.capability_at,
    )
