"""How a handoff is closed: with a first attended visit, or for a stated reason.

A Task that the partner reports as completed without a visit asks the coordinator. The days between
the last IOP visit and the first visit after are what continuity is measured by.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.handoffs import alarms
from fhirbridge.handoffs.engagement import visits_of
from fhirbridge.storage import handoffs
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.visits import days_between, first_attended, is_closed
from fhirbridge.workflow.words import ReferralState

_GIVEN_BACK = (ReferralState.DECLINED.value, ReferralState.FAILED.value)


@dataclass(frozen=True, slots=True)
class Continuity:
    """The last visit in the program, the first one after it, and the days between; "" and None
    where it is not known yet."""

    last_visit: str
    first_visit: str
    days: int | None


def continuity_of(bridge: Bridge, session: Session, handoff: HandoffRow) -> Continuity:
    """Read it from the attended Appointments here and what the handoff knows of the partner's."""
    first = first_attended(handoff.details)
    patient = str(handoff.details.get("patientHere") or "")
    theirs = {  # of all to whom the client was referred
        place
        for one in handoffs.of_patient(session, bridge.custodian.id, handoff.patient_key)
        for place in one.details.get("visits") or {}
    }
    attended = [
        one.start
        for one in (visits_of(bridge, session, patient) if patient else [])
        if one.is_attended and one.start and one.reference not in theirs
    ]
    before = [start for start in attended if not first or _at(start) < _at(first)]
    last = max(before, key=_at, default="")
    return Continuity(last, first, days_between(last, first))


def enter_visit(bridge: Bridge, handoff_id: str, *, at: datetime, by: str = "") -> HandoffRow:
    """Note that the client came, as a person learned it.

    Raises NotFound, and InvalidContent for a visit that is still to come.
    """
    if at > bridge.now():
        words = "A visit is entered after it took place; this time is still to come."
        raise InvalidContent(Issue("value", words, expression=("$.at",)))
    return _change(bridge, handoff_id, {"visitEntered": to_instant(at), "visitEnteredBy": by})


def close(bridge: Bridge, handoff_id: str, *, reason: str, by: str = "") -> HandoffRow:
    """Close a handoff without a visit, for a stated reason: nobody is reminded any more."""
    if not reason.strip():
        raise InvalidContent(Issue("required", "A handoff is closed for a stated reason."))
    return _change(bridge, handoff_id, {"closedFor": reason.strip(), "closedBy": by})


def sent_on(bridge: Bridge, session: Session, handoff: HandoffRow) -> None:
    """Note of those who declined this record before that it went to somebody else now."""
    known = handoffs.list_rows(
        session,
        bridge.custodian.id,
        source_system=handoff.source_system,
        record_id=handoff.record_id,
    )
    for one in known:
        is_given_back = one.status in _GIVEN_BACK and not one.details.get("sentOnTo")
        if one.id != handoff.id and one.kind == handoff.kind and is_given_back:
            _note(bridge, session, one.id, {"sentOnTo": handoff.id})


def _change(bridge: Bridge, handoff_id: str, facts: dict[str, str]) -> HandoffRow:
    with bridge.database.transaction() as session:
        return _note(bridge, session, handoff_id, facts)


def _note(bridge: Bridge, session: Session, handoff_id: str, facts: dict[str, str]) -> HandoffRow:
    custodian_id = bridge.custodian.id
    handoff = handoffs.get(session, custodian_id, handoff_id, locked=True)
    if handoff is None:
        raise NotFound(Issue("not-found", "There is no handoff with this id."))
    now = bridge.now()
    told = {"at": to_instant(now), "result": "person", "state": handoff.status, **facts}
    events = [*handoff.details.get("events", []), told]
    details = {**handoff.details, **facts, "events": events}
    handoffs.note_state(
        session,
        custodian_id,
        handoff_id,
        status=handoff.status,
        version=handoff.task_version,
        details=details,
        now=now,
    )
    state = ReferralState(handoff.status)
    alarms.moved(bridge, session, handoff, state=state, details=details)
    return replace(handoff, details=details, updated_at=now)


def is_done(handoff: HandoffRow) -> bool:
    """True if nobody owes anything any more."""
    return is_closed(ReferralState(handoff.status), handoff.details)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
