"""Following a handoff: the partner's Task, read and turned into our status words.

Source: domain.md 1.5, 4.4; R4 http.html#history for the order of versions.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fhirbridge.bridge import Bridge
from fhirbridge.handoffs import partners
from fhirbridge.handoffs.events import Event, take
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body, relative
from fhirbridge.storage import handoffs
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.workflow.words import REFERRAL, ReferralState

CLOSED = tuple(state.value for state, row in REFERRAL.items() if not row.next_states)
_MAX_VISITS = 20


@dataclass(frozen=True, slots=True)
class Followed:
    """What a look at a partner's Task told; `result` is "unreachable" if it told nothing."""

    handoff_id: str
    result: str
    state: ReferralState


def follow(bridge: Bridge, handoff_id: str) -> Followed | None:
    """Read the Task of one handoff at its partner now; None if there is no Task to read."""
    with bridge.database.read() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
        if handoff is None or not handoff.task_reference:
            return None
        partner = partners.load(session, bridge, handoff.partner)
    return _follow(bridge, partner, handoff)


def follow_next(bridge: Bridge, *, due_by: datetime | None = None) -> Followed | None:
    """Look at the Task whose turn it is by now, or was by then; None if none is due.

    The next look is entered before the partner is asked, so that several workers share the work.
    """
    now = bridge.now()
    with bridge.database.read() as session:
        due_at = handoffs.follow_due_at(session, bridge.custodian.id, CLOSED)
    if due_at is None or due_at > (due_by or now):
        return None
    with bridge.database.transaction() as session:
        handoff = handoffs.next_to_follow(session, bridge.custodian.id, CLOSED, now=due_by or now)
        if handoff is None:
            return None
        partner = partners.load(session, bridge, handoff.partner)
        again_at = now + timedelta(seconds=partner.follow_seconds)
        handoffs.follow_again(session, bridge.custodian.id, handoff.id, at=again_at)
    return _follow(bridge, partner, handoff)


def _follow(bridge: Bridge, partner: Partner, handoff: HandoffRow) -> Followed:
    state = ReferralState(handoff.status)
    assert handoff.task_reference  # noqa: S101
    with partner.connect(request_id=bridge.new_id(), tokens=bridge.tokens) as client:
        exchange = client.read(handoff.task_reference)
        task = (
            read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
        )
        if task is None or task.get("resourceType") != "Task":
            return Followed(handoff.id, "unreachable", state)
        event = Event(
            task, "polling", "theirs", partner.name, history=_history(client, handoff, task)
        )
        visits = _visits(client, handoff, task, partner.name)
    result, state = "same", ReferralState(handoff.status)
    with bridge.database.transaction() as session:
        for one in (event, *visits):
            taken = take(bridge, session, handoff.id, one, profile=partner.profile)
            if taken is not None:
                state = taken.state
                result = taken.result if result in ("same", "stale") else result
    return Followed(handoff.id, result, state)


def _visits(
    client: PartnerClient, handoff: HandoffRow, task: Resource, partner: str
) -> list[Event]:
    """The Appointments that a Task names as its output, or that are based on the order."""
    named = [
        str((one.get("valueReference") or {}).get("reference") or "")
        for one in task.get("output") or []
        if isinstance(one, dict)
    ]
    places = {place for one in named if (place := relative(one)).startswith("Appointment/")}
    known = handoff.details.get("visits") or {}
    places |= {place for place in known if place.startswith("Appointment/")}
    found = []
    for place in sorted(places)[:_MAX_VISITS]:
        exchange = client.read(place)
        body = (
            read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
        )
        if body and body.get("resourceType") == "Appointment":
            found.append(Event(body, "polling", "theirs", partner))
    return found


def _history(client: PartnerClient, handoff: HandoffRow, task: Resource) -> tuple[str, ...]:
    """The Task's version ids, newest first, where numbers do not already tell their order."""
    offered = str((task.get("meta") or {}).get("versionId") or "")
    known = handoff.task_version or ""
    if not known or not offered or offered == known or (offered.isdecimal() and known.isdecimal()):
        return ()
    exchange = client.history(str(handoff.task_reference))
    bundle = (
        read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    )
    entries: Json = bundle.get("entry") if bundle and bundle.get("type") == "history" else []
    versions = [
        ((entry.get("resource") or {}).get("meta") or {}).get("versionId")
        for entry in entries or []
        if isinstance(entry, dict)
    ]
    return tuple(version for version in versions if isinstance(version, str))
