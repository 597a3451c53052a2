"""What was set aside, and what people do about it: let it count after all, or leave it.

Who lets it count vouches for whom it is about and who said it; it still has to lead to an allowed
move. Source: design.md section 10
"""

from fhirbridge.bridge import Bridge
from fhirbridge.errors import BridgeError, Conflict, InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.handoffs.events import Event, Side, Taken, take
from fhirbridge.handoffs.feed import profile_of
from fhirbridge.handoffs.readable import GONE, unreadable
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import alerts, quarantine
from fhirbridge.storage.quarantine import Kept
from fhirbridge.storage.session import Session


def show(bridge: Bridge, kept_id: int) -> Kept:
    """What is open under this number, as it came. Raises NotFound."""
    with bridge.database.read() as session:
        return _open(bridge, session, kept_id)


def settle(bridge: Bridge, kept_id: int, *, by: str) -> None:
    """Note that a person dealt with it, and that it counts for nothing. Raises NotFound."""
    with bridge.database.transaction() as session:
        _settle(bridge, session, _open(bridge, session, kept_id), by=by)


def release(bridge: Bridge, kept_id: int, *, by: str, handoff_id: str = "") -> Taken:
    """Let something that was set aside move its referral, or the one that a person names.

    Raises NotFound, InvalidContent for what cannot be read or is about no known referral, and
    Conflict with the reason where the referral cannot come to what it says.
    """
    with bridge.database.transaction() as session:
        kept = _open(bridge, session, kept_id)
        about = handoff_id or kept.handoff_id
        if not about:
            words = "Nobody knows which referral this is about; name its handoff."
            raise InvalidContent(Issue("required", words, expression=("$.handoff",)))
        resource = _resource(kept)
        side: Side = "ours" if kept.source == "rest" else "theirs"
        event = Event(resource, "person", side, kept.partner, by=by)
        taken = take(bridge, session, about, event, profile=profile_of(bridge, session, about))
        if taken is None:
            raise NotFound(Issue("not-found", "There is no handoff or referral with this id."))
        if taken.result == "impossible":
            words = f"The referral is {taken.state.value}: it cannot come to what this says."
            raise Conflict(Issue("conflict", words))
        _settle(bridge, session, kept, by=by)
    return taken


def settle_gone(bridge: Bridge, session: Session, handoff_id: str, *, reference: str) -> None:
    """The partner shows again what it did not have: nobody has to look for it any more."""
    open_ones = quarantine.list_kept(session, bridge.custodian.id, handoff_id=handoff_id)
    for kept in open_ones:
        if kept.reference == reference and kept.code.endswith(GONE):
            _settle(bridge, session, kept, by="seen again")


def _open(bridge: Bridge, session: Session, kept_id: int) -> Kept:
    kept = quarantine.get(session, bridge.custodian.id, kept_id)
    if kept is None:
        raise NotFound(Issue("not-found", "Nothing open was set aside under this number."))
    return kept


def _resource(kept: Kept) -> Resource:
    words = "It cannot be read; enter by hand what it says (handoff answer), then settle it."
    try:
        resource = wire.parse(kept.body)
    except BridgeError as exc:
        raise InvalidContent(Issue("structure", words)) from exc
    kind = kept.reference.partition("/")[0]
    if resource.get("resourceType") != kind or any(unreadable(resource, kind)):
        raise InvalidContent(Issue("structure", words))
    return resource


def _settle(bridge: Bridge, session: Session, kept: Kept, *, by: str) -> None:
    custodian_id, now = bridge.custodian.id, bridge.now()
    quarantine.settle(session, custodian_id, kept.id, by=by, now=now)
    if not quarantine.has_open(session, custodian_id, like=kept):
        about = kept.handoff_id or f"{kept.partner} {kept.code}"
        alerts.close(session, custodian_id, f"set-aside {about}", now=now)
