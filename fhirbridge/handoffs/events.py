"""What is said about a referral from outside, taken in one way whoever brings it.

A Task or an Appointment may come by polling, by REST or by notification, late, twice or about
somebody else. It moves the referral by an allowed move, changes nothing, or is set aside with a
reason. Source: domain.md 1.5, 4.4; 360X out-of-order tests.
"""

from dataclasses import dataclass
from typing import Literal

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.fhir import wire
from fhirbridge.handoffs import alarms
from fhirbridge.handoffs.readable import Fault
from fhirbridge.handoffs.strangers import stranger
from fhirbridge.handoffs.tasks import mirror
from fhirbridge.handoffs.withdrawing import note_untold
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage import handoffs, quarantine
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.quarantine import Kept
from fhirbridge.storage.session import Session
from fhirbridge.workflow.status import is_older, refuse_move, see_task
from fhirbridge.workflow.transitions import BOTH, INITIATOR, RECIPIENT, Actor
from fhirbridge.workflow.visits import STATES, visit_of
from fhirbridge.workflow.words import Profile, ReferralState, read_task

Source = Literal["polling", "rest", "notification", "person"]
# whose version history counts: the partner's own server, or ours that the partner writes to
Side = Literal["theirs", "ours"]
Result = Literal["moved", "same", "stale", "impossible"]
_MAX_EVENTS = 50


@dataclass(frozen=True, slots=True)
class Event:
    """A Task or an Appointment as it was seen. `history` has version ids, newest first.

    `base` is the server of whose resources it speaks by relative references; `persons` are
    identifiers (`system|value`) of the patient that came with it; `content` is the text of what
    has a fault.
    """

    resource: Resource
    source: Source
    side: Side
    partner: str = ""
    history: tuple[str, ...] = ()
    by: str = ""
    transcribed: bool = False
    is_outside: bool = True  # the custodian's own systems may speak for both sides
    base: str = ""
    persons: tuple[str, ...] = ()
    content: bytes = b""
    fault: Fault | None = None
    means: ReferralState | None = None  # what a person said, where a Task has one word for two

    @property
    def reference(self) -> str:
        """`Type/id` at its server, "" without an id."""
        resource_id = self.resource.get("id")
        return f"{self.resource['resourceType']}/{resource_id}" if resource_id else ""

    @property
    def version(self) -> str:
        """The version at its server."""
        return str((self.resource.get("meta") or {}).get("versionId") or "")


@dataclass(frozen=True, slots=True)
class Taken:
    """What an event led to; `code` says why it was set aside."""

    handoff_id: str
    result: Result
    state: ReferralState
    code: str = ""


def take(
    bridge: Bridge, session: Session, handoff_id: str, event: Event, *, profile: Profile = "base"
) -> Taken | None:
    """Let an event move a handoff inside the caller's transaction; None for an unknown handoff."""
    handoff = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
    if handoff is None:
        return None
    state = ReferralState(handoff.status)
    fault = event.fault
    if fault is None and event.source != "person":  # who enters it vouches for whom it is about
        fault = stranger(
            bridge, session, handoff, event.resource, base=event.base, persons=event.persons
        )
    if fault is not None:
        set_aside(bridge, session, event, code=fault.code, reason=fault.reason, handoff=handoff)
        if event.source == "rest" and event.reference == handoff.details.get("taskHere"):
            mirror(session, bridge, handoff, state, profile=profile, written=event.version)
        return Taken(handoff_id, "impossible", state, fault.code)
    if event.resource["resourceType"] == "Appointment":
        return _take_visit(bridge, session, handoff, event, profile)
    return _take_task(bridge, session, handoff, event, profile)


def set_aside(
    bridge: Bridge,
    session: Session,
    event: Event,
    *,
    code: str,
    reason: str,
    handoff: HandoffRow | None = None,
) -> bool:
    """Keep an event that leads nowhere, and tell people once; False if it is kept already."""
    fresh = quarantine.keep(
        session,
        bridge.custodian.id,
        Kept(
            event.partner or (handoff.partner if handoff else ""),
            event.source,
            event.reference,
            event.version,
            code,
            reason,
            event.content or wire.dump(event.resource),
            bridge.now(),
            handoff.id if handoff else None,
            handoff.patient_key if handoff else 0,
        ),
        is_same_each_time=event.fault is not None,
    )
    if fresh:
        alarms.quarantined(bridge, session, event.partner, handoff, code)
    return fresh


def _actors(handoff: HandoffRow, event: Event) -> frozenset[Actor]:
    """Who may have written what was seen.

    A person enters what either side said. What we ask for in the partner's own Task is read there
    as the partner's word, perhaps before we know that it arrived.
    """
    if event.source == "person" or not event.is_outside:
        return BOTH
    if handoff.details.get("direction") == "inbound":
        return INITIATOR
    return BOTH if handoff.details.get("withdrawing") else RECIPIENT


def _take_task(
    bridge: Bridge, session: Session, handoff: HandoffRow, event: Event, profile: Profile
) -> Taken:
    state = ReferralState(handoff.status)
    before_it = str(handoff.details.get("versionHere") or "")
    if event.side == "theirs":
        before_it = handoff.task_version or ""
    seen = see_task(
        event.resource,
        state=state,
        version_id="" if event.source == "person" else before_it,
        profile=profile,
        history=event.history,
        actors=_actors(handoff, event),
    )
    details = dict(handoff.details)
    result, target, code = seen.result, seen.state, ""
    reading = read_task(event.resource, profile)
    said = reading.state.value if reading else ""
    where = "saidHere" if event.side == "ours" else "saidThere"
    before = details.get(where) or ReferralState.SENT.value
    if event.means not in (None, state) and result == "same":
        result, target = "moved", event.means or state
    is_new = event.source == "person" or said != before
    if result in ("moved", "impossible") and said and not is_new:
        # this copy says what it said before; a visit or the other copy told us more since
        result, target = "same", state
    if result == "impossible":
        code = seen.code
        set_aside(bridge, session, event, code=code, reason=seen.reason, handoff=handoff)
    elif result != "stale" and said:
        details[where] = said
    version = handoff.task_version
    if event.source == "person" and is_older(seen.version_id, before_it, event.history):
        pass  # something that was set aside and counts after all
    elif event.side == "ours":
        details["versionHere"] = seen.version_id
    else:
        version = seen.version_id
    if result == "moved":
        details["why"] = _reason_code(event.resource)
    told = seen.reason if result in ("impossible", "stale") else ""
    _write(bridge, session, handoff, event, details, result, target, told, version)
    is_theirs = event.side == "theirs" and result in ("moved", "same")
    if is_theirs or (result == "moved" and event.source == "person"):
        heard = event.resource if event.side == "theirs" else None
        why = event.resource.get("statusReason") if result == "moved" else None
        mirror(
            session,
            bridge,
            handoff,
            target,
            profile=profile,
            reason=why,
            said=heard,
            base=event.base,
        )
    elif result == "moved" and event.source == "rest" and not event.is_outside:
        note_untold(bridge, session, handoff, target)
    elif result == "impossible" and event.source == "rest":
        mirror(session, bridge, handoff, target, profile=profile, written=event.version)
    return Taken(handoff.id, result, target, code)


def _take_visit(
    bridge: Bridge, session: Session, handoff: HandoffRow, event: Event, profile: Profile
) -> Taken:
    """An Appointment: what it says counts where the referral can come to it."""
    state = ReferralState(handoff.status)
    visit = visit_of(event.resource, event.reference or "Appointment")
    details = dict(handoff.details)
    visits = dict(details.get("visits") or {})
    before = visits.get(visit.reference)
    if before and visit.version and is_older(visit.version, before["version"], event.history):
        return Taken(handoff.id, "stale", state)
    if before and before == visit.to_json():
        return Taken(handoff.id, "same", state)
    visits[visit.reference] = visit.to_json()
    details["visits"] = visits
    target = STATES.get(visit.status)
    result: Result = "same"
    if target is not None and target is not state:
        refusal = refuse_move(state, target, profile=profile, actors=_actors(handoff, event))
        if refusal is None:
            result = "moved"
        # a visit that took place is a fact, whatever the Task says
        elif not visit.is_attended or refusal.code == "wrong-actor":
            set_aside(
                bridge, session, event, code=refusal.code, reason=refusal.reason, handoff=handoff
            )
            return Taken(handoff.id, "impossible", state, refusal.code)
    after = target if result == "moved" and target else state
    _write(bridge, session, handoff, event, details, result, after, "", handoff.task_version)
    if result == "moved":
        mirror(session, bridge, handoff, after, profile=profile)
    return Taken(handoff.id, result, after)


def _write(
    bridge: Bridge,
    session: Session,
    handoff: HandoffRow,
    event: Event,
    details: JsonObject,
    result: Result,
    state: ReferralState,
    reason: str,
    version: str | None,
) -> None:
    now = bridge.now()
    told: JsonObject = {
        "result": result,
        "source": event.source,
        "resource": event.resource["resourceType"],
        "version": event.version,
        "state": state.value,
    }
    if reason:
        told["reason"] = reason
    if event.by:
        told["by"] = event.by
    if event.transcribed:
        told["transcribed"] = True
    events = list(details.get("events", []))
    last = {name: value for name, value in events[-1].items() if name != "at"} if events else {}
    # our own earlier versions, read back late, are no news
    is_news = result != "same" and (result != "stale" or event.is_outside)
    if is_news and told != last:
        details["events"] = [*events, {"at": to_instant(now), **told}][-_MAX_EVENTS:]
    handoffs.note_state(
        session,
        bridge.custodian.id,
        handoff.id,
        status=state.value,
        version=version,
        details=details,
        now=now,
    )
    alarms.moved(bridge, session, handoff, state=state, details=details)


def _reason_code(task: Resource) -> str:
    """The coded reason of a Task's status, "" without one; its text may quote the record."""
    for coding in (task.get("statusReason") or {}).get("coding") or []:
        if isinstance(coding, dict) and isinstance(coding.get("code"), str):
            return str(coding["code"])
    return ""
