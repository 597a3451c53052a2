"""What people are told about a handoff: one alert for each change, closed when it is over.

Also winds the clocks: whoever does not move in time is reminded of, then escalated.
"""

from dataclasses import replace
from zoneinfo import ZoneInfo

from fhirbridge.bridge import Bridge
from fhirbridge.handoffs import partners
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import alerts, handoff_keys, handoffs
from fhirbridge.storage import partners as partner_rows
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.handoff_keys import Clock
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.clocks import Clocks, Ringing, calendar_of, load_clocks, ringing
from fhirbridge.workflow.status import EXPECTING
from fhirbridge.workflow.visits import first_attended, is_expected, is_settled, next_visit
from fhirbridge.workflow.words import REFERRAL, ReferralState

_S = ReferralState
# states that somebody here has to do something about
_ALARMING = {
    _S.INFO_NEEDED: "documents-asked",
    _S.DECLINED: "declined",
    _S.FAILED: "failed",
    _S.NO_SHOW: "visit-missed",
    _S.APPT_CANCELLED: "visit-cancelled",
}
# the same for what came in: what is declined or asked for is the sender's next step
_ALARMING_INBOUND = {
    _S.CANCEL_REQUESTED: "withdrawal-asked",
    _S.NO_SHOW: "visit-missed",
    _S.APPT_CANCELLED: "visit-cancelled",
}
_NO_VISIT = "done-without-visit"
_ORDER_REVOKED = "order-revoked"
_KINDS = {*_ALARMING.values(), *_ALARMING_INBOUND.values(), _NO_VISIT, _ORDER_REVOKED}
_CLOCKS = ("remind", "escalate")


def quarantined(
    bridge: Bridge, session: Session, partner: str, handoff: HandoffRow | None, code: str
) -> None:
    """Something was set aside."""
    about = handoff.id if handoff else f"{partner} {code}"
    alert = Alert(
        f"set-aside {about}",
        "set-aside",
        bridge.now(),
        handoff.id if handoff else None,
        partner or (handoff.partner if handoff else ""),
        handoff.patient_key if handoff else 0,
        {"code": code},
    )
    alerts.raise_once(session, bridge.custodian.id, alert)


def not_told(bridge: Bridge, session: Session, handoff: HandoffRow) -> None:
    """A partner was not told of a withdrawal, and will not be by machine."""
    alerts.raise_once(session, bridge.custodian.id, _alert(bridge, handoff, "withdrawal-not-told"))


def order_revoked(bridge: Bridge, session: Session, handoff: HandoffRow) -> None:
    """Who asked us took the order back, and did not say so in the Task, which may go on."""
    is_over = not REFERRAL[ReferralState(handoff.status)].next_states
    if _is_inbound(handoff) and not is_over:
        alerts.raise_once(session, bridge.custodian.id, _alert(bridge, handoff, _ORDER_REVOKED))


def moved(
    bridge: Bridge,
    session: Session,
    handoff: HandoffRow,
    *,
    state: ReferralState,
    details: JsonObject,
) -> None:
    """A handoff is in this state now: tell of it, close what is over, wind its clocks."""
    custodian_id, now = bridge.custodian.id, bridge.now()
    alarming = _ALARMING_INBOUND if _is_inbound(handoff) else _ALARMING
    wanted = alarming.get(state, "")
    if state is _S.COMPLETED and not first_attended(details):
        wanted = _NO_VISIT
    if is_settled(details):
        wanted = ""
    over = tuple(kind for kind in _KINDS if kind != wanted)
    alerts.close_of_handoff(session, custodian_id, handoff.id, over, now=now)
    if wanted:
        known = replace(handoff, details=details)  # the reason is part of what an alert is about
        alerts.raise_once(session, custodian_id, _alert(bridge, known, wanted))
    wind(bridge, session, handoff, state=state, details=details)


def wind(
    bridge: Bridge,
    session: Session,
    handoff: HandoffRow,
    *,
    state: ReferralState,
    details: JsonObject,
) -> None:
    """Set the clock for a state that began now; one that goes on runs on."""
    custodian_id, now = bridge.custodian.id, bridge.now()
    known = handoff_keys.clock_of(session, custodian_id, handoff.id)
    told = replace(handoff, details=details)
    if is_settled(details):
        state_word, rings = "closed", []
    else:
        # once somebody entered that the client came, the outcome is waited for
        came = state in EXPECTING and not is_expected(details)
        state_word = (_S.IN_SERVICE if came else state).value
        runs_on = known if known and known.state == state_word else None
        since = runs_on.since if runs_on else now
        rings = _rings(bridge, session, told, Clock(handoff.id, state_word, since, 0, None))
        # a visit that was put off winds the clock that waits for it anew
        if runs_on and not (state_word == _S.SCHEDULED and rings and rings[0].at > now):
            return
        now = since
    alerts.close_of_handoff(session, custodian_id, handoff.id, _CLOCKS, now=bridge.now())
    due_at = rings[0].at if rings else None
    handoff_keys.set_clock(session, custodian_id, Clock(handoff.id, state_word, now, 0, due_at))


def ring_next(bridge: Bridge) -> str | None:
    """Let the clock that is due ring; returns the id of its handoff, None if none is due."""
    custodian_id = bridge.custodian.id
    with bridge.database.read() as session:
        if handoff_keys.next_ringing(session, custodian_id, now=bridge.now()) is None:
            return None
    with bridge.database.transaction() as session:
        clock = handoff_keys.next_ringing(session, custodian_id, now=bridge.now())
        handoff = handoffs.get(session, custodian_id, clock.handoff_id) if clock else None
        if clock is None or handoff is None:
            return None
        rings = _rings(bridge, session, handoff, clock)
        if clock.rung < len(rings):
            rung = rings[clock.rung].clock
            details: JsonObject = {"clock": rung.name, "why": rung.why}
            alerts.close_of_handoff(session, custodian_id, handoff.id, _CLOCKS, now=bridge.now())
            alerts.raise_once(session, custodian_id, _alert(bridge, handoff, rung.step, details))
        following = rings[clock.rung + 1].at if clock.rung + 1 < len(rings) else None
        handoff_keys.set_clock(
            session,
            custodian_id,
            Clock(clock.handoff_id, clock.state, clock.since, clock.rung + 1, following),
        )
    return clock.handoff_id


def _is_inbound(handoff: HandoffRow) -> bool:
    return handoff.details.get("direction") == "inbound"


def _waits_for_them(handoff: HandoffRow, word: str) -> bool:
    """True if the next step is taken on the partner's days and hours, not on ours."""
    if word not in set(ReferralState):
        return False
    by = REFERRAL[ReferralState(word)].word.next_by
    return by == "sender" if _is_inbound(handoff) else by != "sender"


def _rings(bridge: Bridge, session: Session, handoff: HandoffRow, clock: Clock) -> list[Ringing]:
    clocks = clocks_of(bridge)
    zone, calendar = bridge.settings.zone, clocks.calendar
    known = partner_rows.get(session, bridge.custodian.id, handoff.partner)
    if known is not None and _waits_for_them(handoff, clock.state):
        partner = partners.load(session, bridge, handoff.partner)
        zone = ZoneInfo(partner.timezone) if partner.timezone else zone
        calendar = calendar_of(partner.calendar, clocks.calendar)
    details = handoff.details
    try:
        state = ReferralState(clock.state)
    except ValueError:  # closed
        return []
    return list(
        ringing(
            clocks,
            state,
            clock.since,
            zone=zone,
            calendar=calendar,
            urgent=details.get("priority") in ("urgent", "asap", "stat"),
            sla_hours=details.get("slaHours"),
            visit_at=next_visit(details),
        )
    )


def clocks_of(bridge: Bridge) -> Clocks:
    """The clocks of this installation. Raises Misconfigured."""
    return load_clocks(bridge.settings.clocks)


def _alert(
    bridge: Bridge, handoff: HandoffRow, kind: str, details: JsonObject | None = None
) -> Alert:
    named = (details or {}).get("clock") or handoff.details.get("why") or ""
    return Alert(
        f"{kind} {handoff.id} {named}".rstrip(),
        kind,
        bridge.now(),
        handoff.id,
        handoff.partner,
        handoff.patient_key,
        details or {},
    )
