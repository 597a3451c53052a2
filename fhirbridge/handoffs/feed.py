"""What partners write to us by REST, read from the feed of versions in the order of their commit.

A Task or an Appointment that belongs to a handoff of ours moves it; a Task that asks us for
something is an inbound referral; one that names a referral of ours wrongly is set aside. An order
that is revoked moves nothing, but people are told.
"""

from collections.abc import Iterator

from fhirbridge.bridge import Bridge
from fhirbridge.errors import NotFound
from fhirbridge.fhir import wire
from fhirbridge.handoffs import alarms, engagement, inbound, partners
from fhirbridge.handoffs.events import Event, Taken, set_aside, take
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import changes, handoff_keys, handoffs, writers
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion
from fhirbridge.workflow.known import disputed, orders, tokens
from fhirbridge.workflow.words import Profile

READER = "referrals"
_TYPES = ("Task", "Appointment", "ServiceRequest")
_REVOKED = ("revoked", "entered-in-error")
_AT_ONCE = 50


def read_feed(bridge: Bridge, *, at_most: int = _AT_ONCE) -> list[Taken] | None:
    """Take in the next versions; None if there are none. One process at a time has a version."""
    custodian_id = bridge.custodian.id
    with bridge.database.read() as session:
        known = changes.position(session, custodian_id, READER)
        if not changes.after(session, custodian_id, known, types=_TYPES, limit=1):
            return None
    with bridge.database.transaction() as session:
        known = changes.position(session, custodian_id, READER)
        found = changes.after(session, custodian_id, known, types=_TYPES, limit=at_most)
        if not found or not changes.advance(
            session, custodian_id, READER, known=known, seq=found[-1].seq
        ):
            return None
        taken = [one for version in found for one in _take_version(bridge, session, version)]
        patients = {
            patient
            for version in found
            if version.resource_type == "Appointment" and not version.deleted
            for patient in engagement.patients_to_look_at(wire.parse(version.content))
        }
        for patient in sorted(patients):
            engagement.look(bridge, session, patient)
        return taken


def skip_next(bridge: Bridge) -> bool:
    """Set the next version aside, which a fault of ours keeps from being taken in; False if there
    is none. Those after it are not kept waiting."""
    custodian_id = bridge.custodian.id
    with bridge.database.transaction() as session:
        known = changes.position(session, custodian_id, READER)
        found = changes.after(session, custodian_id, known, types=_TYPES, limit=1)
        if not found or not changes.advance(
            session, custodian_id, READER, known=known, seq=found[0].seq
        ):
            return False
        event = Event(wire.parse(found[0].content), "rest", "ours")
        reason = "A fault of ours kept it from being taken in; the log has its place."
        return set_aside(bridge, session, event, code="fault-of-ours", reason=reason)


def _take_version(bridge: Bridge, session: Session, version: ResourceVersion) -> Iterator[Taken]:
    if version.deleted:
        return
    if version.resource_type == "ServiceRequest":
        _look_at_order(bridge, session, version)
        return
    known = (bridge.custodian.id, version.reference, str(version.version_id))
    writer = writers.writer_of(session, *known)
    event = Event(
        wire.parse(version.content),
        "rest",
        "ours",
        is_outside=writer is not None,
        base=bridge.settings.own_base,
    )
    yield from route(bridge, session, event)
    if writer is not None:
        writers.forget(session, *known)


def _look_at_order(bridge: Bridge, session: Session, version: ResourceVersion) -> None:
    """Alert of an order that its sender takes back while its Task still asks for it."""
    if wire.parse(version.content).get("status") not in _REVOKED:
        return
    order = f"order {version.reference}"
    for handoff_id in handoff_keys.known_as(session, bridge.custodian.id, [order]):
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
        if handoff is not None:
            alarms.order_revoked(bridge, session, handoff)


def route(bridge: Bridge, session: Session, event: Event) -> Iterator[Taken]:
    """Find the handoffs that a Task or an Appointment is about, and let it move them."""
    owners = owners_of(bridge, session, event)
    doubted = _doubted(bridge, session, event)
    for handoff_id in owners:
        if handoff_id in doubted:
            handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
            reason = "It was written by an organization that the referral was not handed to."
            set_aside(bridge, session, event, code="no-party", reason=reason, handoff=handoff)
            continue
        taken = take(
            bridge, session, handoff_id, event, profile=profile_of(bridge, session, handoff_id)
        )
        if taken is not None:
            yield taken
    if owners or event.resource["resourceType"] != "Task":
        return
    asked = inbound.recognise(bridge, session, event)
    if asked is not None:
        yield asked
    elif event.side == "theirs" or _claims_ours(bridge, session, event.resource):
        reason = "The Task names a referral that was never sent from here."
        set_aside(bridge, session, event, code="unknown-referral", reason=reason)


def owners_of(bridge: Bridge, session: Session, event: Event) -> list[str]:
    """The ids of the handoffs that an event is about."""
    resource, custodian_id = event.resource, bridge.custodian.id
    if resource["resourceType"] == "Task":
        mine = event.reference if event.side == "ours" else f"{event.partner} {event.reference}"
        by_place = handoff_keys.known_as(session, custodian_id, [mine] if event.reference else [])
        return by_place or handoff_keys.known_as(session, custodian_id, tokens(resource))
    here = "order" if event.side == "ours" else f"{event.partner} order"
    bases = (event.base,) if event.base else ()
    candidates = handoff_keys.known_as(session, custodian_id, orders(resource, here, bases=bases))
    if len(candidates) <= 1:
        return candidates
    return _of_partner(bridge, session, event, candidates)


def _doubted(bridge: Bridge, session: Session, event: Event) -> list[str]:
    """The handoffs to which whoever wrote the event here is no party."""
    if event.side != "ours":
        return []
    return handoff_keys.known_as(session, bridge.custodian.id, [disputed(event.reference)])


def _of_partner(bridge: Bridge, session: Session, event: Event, candidates: list[str]) -> list[str]:
    """Of several handoffs on one order, those that already know this Appointment, or nobody."""
    chosen = []
    for handoff_id in candidates:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
        if handoff and (
            event.reference in (handoff.details.get("visits") or {})
            or (event.partner and handoff.partner == event.partner)
        ):
            chosen.append(handoff_id)
    return chosen


def _claims_ours(bridge: Bridge, session: Session, task: Resource) -> bool:
    """True if one of its identifiers is of a system of ours, and no document of ours made it."""
    if inbound.is_of_a_document(bridge, session, task):
        return False
    base = bridge.settings.base
    ours = (f"{base}/handoff|", f"{base}/identifier/referral", f"{base}/referral/")
    return any(token.startswith(ours) for token in tokens(task))


def profile_of(bridge: Bridge, session: Session, handoff_id: str) -> Profile:
    """In which words its Task speaks: those of who asked us, else those of the partner."""
    handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
    told: Profile | None = handoff.details.get("profile") if handoff else None
    try:
        return told or (
            partners.load(session, bridge, handoff.partner).profile if handoff else "base"
        )
    except NotFound:
        return "base"
