"""Withdrawing a referral: what was not sent stays here; for the rest we ask in the partner's Task.

Source: domain.md 1.5 (BSeR 5.2: the initiator asks, the recipient confirms; Gravity: either
cancels)
"""

from datetime import timedelta

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import Conflict, Issue, PartnerUnreachable
from fhirbridge.handoffs import alarms, partners, repair
from fhirbridge.handoffs.readable import unreadable
from fhirbridge.handoffs.tasks import with_state
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.client import unreachable
from fhirbridge.partners.http import Answer
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body
from fhirbridge.storage import handoff_keys, handoffs, outbox_rows
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.outbox_rows import OutboxRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.known import UNTOLD
from fhirbridge.workflow.transitions import next_states
from fhirbridge.workflow.words import REFERRAL, DeliveryState, Profile, ReferralState, read_task

_S = ReferralState
_NOT_THERE = (403, 404, 410)
_UNSURE = (DeliveryState.LEASED, DeliveryState.NEEDS_PERSON)


def asked_state(profile: Profile) -> ReferralState:
    """What a withdrawal makes of a partner's Task: a request, or the end where either may cancel
    and there is no word for a request."""
    return _S.CANCELLED if profile == "gravity" else _S.CANCEL_REQUESTED


def withdraw(bridge: Bridge, handoff_id: str, *, text: str = "", by: str = "") -> ReferralState:
    """Take back what was not sent yet, or ask in the partner's Task; returns the state after it.

    Nothing is asked where the partner holds no Task of ours. Raises PartnerUnreachable, and
    Conflict while it is being sent or may have arrived, if the Task was changed meanwhile, or if
    the move is not allowed.
    """
    with bridge.database.read() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
        rows = outbox_rows.of_handoff(session, bridge.custodian.id, handoff_id)
    if handoff is None or not handoff.partner or handoff.details.get("direction") == "inbound":
        return _S.CANCEL_REQUESTED
    state = ReferralState(handoff.status)
    if not next_states(state) & {_S.CANCEL_REQUESTED, _S.CANCELLED}:
        raise Conflict(Issue("conflict", f"A referral that is {state.value} cannot be withdrawn."))
    has_arrived = any(row.state is DeliveryState.DELIVERED for row in rows)
    for row in rows[:1]:
        _keep_back(bridge, row, by=by)
    if not has_arrived:
        return _S.CANCELLED
    if not handoff.task_reference:
        return _S.CANCEL_REQUESTED
    partner = _begin(bridge, handoff_id)
    target = asked_state(partner.profile)
    _ask(bridge, partner, handoff.task_reference, target, text=text)
    return target


def _keep_back(bridge: Bridge, row: OutboxRow, *, by: str) -> None:
    """End a delivery that has not arrived."""
    if row.state in _UNSURE or (
        row.state is DeliveryState.QUEUED and row.last_verdict == "unknown"
    ):
        words = "It is being sent, or may have arrived; withdraw it when that is known (outbox)."
        raise Conflict(Issue("conflict", words))
    if row.state in (DeliveryState.QUEUED, *repair.ENDED_BADLY):
        repair.close(bridge, str(row.id), reason="withdrawn", by=by)


def _begin(bridge: Bridge, handoff_id: str) -> Partner:
    """Note that we ask: whoever reads the partner's Task meanwhile finds our word there."""
    with bridge.database.transaction() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
        assert handoff is not None  # noqa: S101
        handoffs.note_state(
            session,
            bridge.custodian.id,
            handoff.id,
            status=handoff.status,
            version=handoff.task_version,
            details={**handoff.details, "withdrawing": True},
            now=bridge.now(),
        )
        return partners.load(session, bridge, handoff.partner)


def _ask(
    bridge: Bridge, partner: Partner, place: str, target: ReferralState, *, text: str = ""
) -> None:
    """Write it into the partner's Task, guarded by its version; not over one that has ended."""
    with bridge.connect(partner) as client:
        exchange = client.read(place)
        if isinstance(exchange, Answer) and exchange.status in _NOT_THERE:
            raise Conflict(Issue("conflict", f"{partner.name} shows no such Task."))
        task = _task_in(exchange)
        if task is None:
            raise unreachable(exchange, partner.name)
        reading = read_task(task, partner.profile)
        if reading is not None and not REFERRAL[reading.state].next_states:
            words = f"{partner.name} holds it as {reading.state.value}; look again."
            raise Conflict(Issue("conflict", words))
        moved = with_state(
            task,
            target,
            profile=partner.profile,
            base=bridge.settings.base,
            at=to_instant(bridge.now()),
            reason={"text": text or "Withdrawn by the sender."},
        )
        version = str((task.get("meta") or {}).get("versionId") or "")
        answered = client.update(place, moved, if_match=version)
    if not isinstance(answered, Answer) or answered.status >= 500:
        raise unreachable(answered, partner.name)
    if answered.status not in (200, 201, 204):
        words = f"{partner.name} did not take the withdrawal (HTTP {answered.status}); look again."
        raise Conflict(Issue("conflict", words))


def _task_in(exchange: object) -> Resource | None:
    body = read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    if body is None or body.get("resourceType") != "Task" or any(unreadable(body, "Task")):
        return None
    return body


def note_untold(
    bridge: Bridge, session: Session, handoff: HandoffRow, target: ReferralState
) -> None:
    """Note that a document of ours withdrew it: its partner has to be told, or nothing be sent."""
    outbound = handoff.partner and handoff.details.get("direction") != "inbound"
    if not outbound or handoff.status == _S.CANCEL_REQUESTED:
        return
    if target in (
        _S.CANCEL_REQUESTED,
        _S.CANCELLED,
        _S.ENTERED_IN_ERROR,
    ):
        custodian_id = bridge.custodian.id
        handoff_keys.note(session, custodian_id, handoff.id, [UNTOLD])
        handoffs.follow_again(session, custodian_id, handoff.id, at=bridge.now())


def tell_next(bridge: Bridge) -> str | None:
    """Tell the next partner of a withdrawal that a document brought; None if nobody is to be told.

    Returns the id of the handoff. Who cannot be reached is asked again when its turn comes; what
    the partner does not take is a matter for people.
    """
    custodian_id, now = bridge.custodian.id, bridge.now()
    with bridge.database.read() as session:
        if handoffs.next_known_as(session, custodian_id, UNTOLD, now=now) is None:
            return None
    with bridge.database.transaction() as session:
        handoff = handoffs.next_known_as(session, custodian_id, UNTOLD, now=now)
        if handoff is None:
            return None
        partner = partners.load(session, bridge, handoff.partner)
        again_at = now + timedelta(seconds=partner.follow_seconds)
        handoffs.follow_again(session, custodian_id, handoff.id, at=again_at)
    refused = _tell(bridge, partner, handoff)
    with bridge.database.transaction() as session:
        if refused is not None:
            handoff_keys.forget(session, custodian_id, UNTOLD, handoff_id=handoff.id)
        if refused:
            alarms.not_told(bridge, session, handoff)
    return handoff.id


def _tell(bridge: Bridge, partner: Partner, handoff: HandoffRow) -> bool | None:
    """False if it was told, True if it was refused, None if the partner is to be asked again."""
    place, state = handoff.task_reference, ReferralState(handoff.status)
    target = state if state is _S.ENTERED_IN_ERROR else asked_state(partner.profile)
    try:
        if place:
            _ask(bridge, partner, place, target)
            return False
        with bridge.database.read() as session:
            rows = outbox_rows.of_handoff(session, bridge.custodian.id, handoff.id)
        for row in rows[:1]:
            _keep_back(bridge, row, by="")
    except PartnerUnreachable:
        return None
    except Conflict:
        return True if place else None
    # on paper or as a document only: people tell them
    return any(row.state is DeliveryState.DELIVERED for row in rows)
