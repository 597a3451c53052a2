"""Following a handoff: the partner's Task, read and turned into our status words.

Source: domain.md 1.5, 4.4; R4 http.html#history for the order of versions.
"""

from dataclasses import dataclass
from datetime import timedelta

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.handoffs import partners
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body
from fhirbridge.storage import handoffs
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.workflow.status import TaskSeen, see_task
from fhirbridge.workflow.words import REFERRAL, ReferralState

CLOSED = tuple(state.value for state, row in REFERRAL.items() if not row.next_states)
_MAX_EVENTS = 50


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


def follow_next(bridge: Bridge) -> Followed | None:
    """Look at the Task whose turn it is; None if none is due.

    The next look is entered before the partner is asked, so that several workers share the work.
    """
    now = bridge.now()
    with bridge.database.read() as session:
        due_at = handoffs.follow_due_at(session, bridge.custodian.id, CLOSED)
    if due_at is None or due_at > now:
        return None
    with bridge.database.transaction() as session:
        handoff = handoffs.next_to_follow(session, bridge.custodian.id, CLOSED, now=now)
        if handoff is None:
            return None
        partner = partners.load(session, bridge, handoff.partner)
        again_at = now + timedelta(seconds=partner.follow_seconds)
        handoffs.follow_again(session, bridge.custodian.id, handoff.id, at=again_at)
    return _follow(bridge, partner, handoff)


def _follow(bridge: Bridge, partner: Partner, handoff: HandoffRow) -> Followed:
    state = ReferralState(handoff.status)
    assert handoff.task_reference  # noqa: S101
    with partner.connect(request_id=bridge.new_id()) as client:
        exchange = client.read(handoff.task_reference)
        task = (
            read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
        )
        if task is None or task.get("resourceType") != "Task":
            return Followed(handoff.id, "unreachable", state)
        seen = see_task(
            task,
            state=state,
            version_id=handoff.task_version or "",
            profile=partner.profile,
            history=_history(client, handoff, task),
        )
    if seen.version_id != (handoff.task_version or "") or seen.result in ("moved", "impossible"):
        _note(bridge, handoff, seen)
    return Followed(handoff.id, seen.result, seen.state)


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


def _note(bridge: Bridge, handoff: HandoffRow, seen: TaskSeen) -> None:
    now = bridge.now()
    event: JsonObject = {
        "at": to_instant(now),
        "result": seen.result,
        "version": seen.version_id,
        "state": seen.state.value,
    }
    if seen.reason:
        event["reason"] = seen.reason
    events = list(handoff.details.get("events", []))
    told = {name: value for name, value in event.items() if name != "at"}
    is_news = not events or told.items() - events[-1].items()
    if seen.result != "same" and is_news:
        events = [*events, event][-_MAX_EVENTS:]
    with bridge.database.transaction() as session:
        handoffs.note_task(
            session,
            bridge.custodian.id,
            handoff.id,
            known_version=handoff.task_version,
            status=seen.state.value,
            version=seen.version_id,
            details=handoff.details | {"events": events},
            now=now,
        )
