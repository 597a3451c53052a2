"""Answers to a referral: accept, decline, ask, book, missed, came, done.

The receiving side answers what came in; the sending side enters by hand what a partner said by
phone or fax, which is marked as transcribed. We write the Task and the Appointment, never the
order.
Source: domain.md 1.5, 4.3, 4.4; design.md section 10
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args
from uuid import uuid5

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import Conflict, InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.fhir.narrative import narrate
from fhirbridge.fhir.validation import check
from fhirbridge.handoffs.events import Event, take
from fhirbridge.handoffs.referrals import resolve
from fhirbridge.handoffs.tasks import circumstances, read, with_state
from fhirbridge.handoffs.withdrawing import withdraw
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage import handoffs, resources
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion
from fhirbridge.workflow.reasons import REASONS
from fhirbridge.workflow.transitions import RECIPIENT, actors_of, next_states
from fhirbridge.workflow.words import Profile, ReferralState

Action = Literal[
    "receive",
    "accept",
    "decline",
    "ask",
    "waitlist",
    "schedule",
    "no-show",
    "cancel-visit",
    "start",
    "outcome",
    "fail",
    "withdraw",
    "confirm-withdrawal",
]
ACTIONS: tuple[Action, ...] = get_args(Action)
_S = ReferralState
_TARGETS: dict[str, ReferralState] = {
    "receive": _S.RECEIVED,
    "accept": _S.ACCEPTED,
    "decline": _S.DECLINED,
    "ask": _S.INFO_NEEDED,
    "waitlist": _S.WAITLISTED,
    "schedule": _S.SCHEDULED,
    "no-show": _S.NO_SHOW,
    "cancel-visit": _S.APPT_CANCELLED,
    "start": _S.IN_SERVICE,
    "outcome": _S.COMPLETED,
    "fail": _S.FAILED,
    "withdraw": _S.CANCEL_REQUESTED,
    "confirm-withdrawal": _S.CANCELLED,
}
_VISIT_STATUS = {
    "schedule": "booked",
    "no-show": "noshow",
    "cancel-visit": "cancelled",
    "start": "fulfilled",
}
_OVER = ("noshow", "cancelled", "fulfilled", "arrived", "checked-in")
_NEEDS_REASON = ("decline", "fail")
_NEEDS_TEXT = ("ask",)
_PARAMETERS = "task-parameter"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered. `reason` is a code of workflow.reasons; `text` is for people; `start` and
    `end` are of the visit; `by` is who answers; `heard` how it was told, if it is transcribed."""

    action: Action
    reason: str = ""
    text: str = ""
    start: datetime | None = None
    end: datetime | None = None
    by: str = ""
    heard: Literal["", "phone", "fax", "paper", "in-person"] = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """Where the referral stands now, and what was written: `Type/id`."""

    handoff_id: str
    state: ReferralState
    task: str
    appointment: str = ""


def answer(bridge: Bridge, handoff_id: str, given: Answer) -> Answered:
    """Answer a referral, or enter the partner's answer.

    Raises NotFound; InvalidContent where a reason, a text or a time is missing; Conflict for a move
    that is not allowed from where it stands, and for entering by hand without saying how it was
    heard; PartnerUnreachable if a withdrawal does not reach the partner.
    """
    _check(given)
    handoff_id = resolve(bridge, handoff_id)
    withdrawn = None
    if given.action == "withdraw":
        withdrawn = withdraw(bridge, handoff_id, text=given.text, by=given.by)
    with bridge.database.transaction() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
        if handoff is None:
            raise NotFound(Issue("not-found", "There is no handoff or referral with this id."))
        inbound = handoff.details.get("direction") == "inbound"
        ours = given.action == "withdraw"
        if inbound and ours:
            raise Conflict(Issue("conflict", "Who sent a referral withdraws it; decline it."))
        if not inbound and not ours and not given.heard:
            words = "The partner answers this one; to enter it by hand, say how it was `heard`."
            raise Conflict(Issue("conflict", words))
        profile: Profile = handoff.details.get("profile") or "base"
        target = withdrawn or _target(handoff, given, profile)
        current = read(session, bridge, str(handoff.details.get("taskHere") or ""))
        if current is None:
            raise NotFound(Issue("not-found", "The Task of this referral is not stored here."))
        visit = _write_visit(bridge, session, handoff, given)
        task = _moved_task(bridge, wire.parse(current.content), given, target, profile, visit)
        version = _store(bridge, session, task, current)
        events = [_event(bridge, version, given, target)]
        if visit is not None:
            events.append(_event(bridge, visit, given, target))
        for event in events:
            take(bridge, session, handoff_id, event, profile=profile)
    return Answered(handoff_id, target, version.reference, visit.reference if visit else "")


def _check(given: Answer) -> None:
    faults = []

    def expect(name: str, sentence: str, good: bool) -> None:
        if not good:
            faults.append(Issue("required", sentence, expression=(f"$.{name}",)))

    known = ", ".join(REASONS)
    if given.action in _NEEDS_REASON or given.reason:
        expect("reason", f"Expected one of {known}.", given.reason in REASONS)
    if given.action in _NEEDS_TEXT:
        expect("text", "Say which documents are needed.", bool(given.text.strip()))
    if given.action == "schedule":
        good = given.start is not None and given.start.tzinfo is not None
        expect("start", "Expected when the visit begins, with 'Z' or an offset.", good)
        ends = given.end is None or (given.start is not None and given.end > given.start)
        expect("end", "The visit ends after it begins.", ends)
    if faults:
        raise InvalidContent(*faults)


def _target(handoff: HandoffRow, given: Answer, profile: Profile) -> ReferralState:
    state, target = ReferralState(handoff.status), _TARGETS[given.action]
    if not actors_of(state, target, profile) & RECIPIENT:
        possible = sorted(
            one.value
            for one in next_states(state, profile)
            if actors_of(state, one, profile) & RECIPIENT
        )
        words = f"A referral that is {state.value} cannot become {target.value}"
        words += f", but {', '.join(possible)}." if possible else "; it has ended."
        raise Conflict(Issue("conflict", words))
    return target


def _moved_task(
    bridge: Bridge,
    task: Resource,
    given: Answer,
    target: ReferralState,
    profile: Profile,
    visit: ResourceVersion | None,
) -> Resource:
    base, now = bridge.settings.base, to_instant(bridge.now())
    reason: JsonObject | None = None
    if given.reason or given.text:
        reason = {"text": given.text or REASONS[given.reason]}
        if given.reason:
            coding = {"system": f"{base}/CodeSystem/referral-answer-reason", "code": given.reason}
            reason = {"coding": [coding], **reason}
    moved = with_state(task, target, profile=profile, base=base, at=now, reason=reason)
    if given.heard:
        words = f"Transcribed: heard by {given.heard}."
        note = {"time": now, "text": words, **({"authorString": given.by} if given.by else {})}
        moved["note"] = [*moved.get("note", []), note]
    if visit is not None and given.action == "schedule":
        output = {
            "type": {"coding": [{"system": f"{base}/CodeSystem/{_PARAMETERS}", "code": "visit"}]},
            "valueReference": {"reference": visit.reference},
        }
        others = [
            one
            for one in moved.get("output", [])
            if (one.get("valueReference") or {}).get("reference") != visit.reference
        ]
        moved["output"] = [*others, output]
    if given.action == "outcome" and given.text:
        kind = {"system": f"{base}/CodeSystem/{_PARAMETERS}", "code": "outcome-summary"}
        output = {"type": {"coding": [kind]}, "valueString": given.text}
        moved["output"] = [*moved.get("output", []), output]
    moved["text"] = narrate({name: one for name, one in moved.items() if name != "text"})
    return moved


def _write_visit(
    bridge: Bridge, session: Session, handoff: HandoffRow, given: Answer
) -> ResourceVersion | None:
    """The Appointment that this answer makes or changes, if any."""
    status = _VISIT_STATUS.get(given.action)
    if status is None:
        return None
    details = handoff.details
    visit_id = str(uuid5(bridge.custodian.namespace, f"{handoff.id} visit"))
    visits = details.get("visits") or {}
    known = [place for place in visits if read(session, bridge, place)]
    reference = known[-1] if known else f"Appointment/{visit_id}"
    if given.action == "schedule" and known and visits[reference]["status"] in _OVER:
        # a missed or cancelled visit stays what it was
        visit_id = str(uuid5(bridge.custodian.namespace, f"{handoff.id} visit {len(known)}"))
        reference = f"Appointment/{visit_id}"
    current = read(session, bridge, reference)
    if current is None and given.start is None:
        if given.action == "start":  # they came unannounced
            given_start: datetime | None = bridge.now()
        else:
            raise Conflict(Issue("conflict", "No visit was booked."))
    else:
        given_start = given.start
    visit = wire.parse(current.content) if current else _new_visit(bridge, details, visit_id)
    visit["status"] = status
    if given_start is not None:
        end = given.end
        visit["start"] = to_instant(given_start)
        visit["end"] = to_instant(end or given_start)
        if end is None:
            visit.pop("end")
            visit["end"] = visit["start"]
    visit["text"] = narrate({name: one for name, one in visit.items() if name != "text"})
    return _store(bridge, session, visit, current, content_class="appointments")


def _new_visit(bridge: Bridge, details: JsonObject, visit_id: str) -> Resource:
    visit: Resource = {
        "resourceType": "Appointment",
        "id": visit_id,
        "identifier": [
            {"system": f"{bridge.settings.base}/identifier/answer-visit", "value": visit_id}
        ],
        "status": "booked",
        "participant": [
            {"actor": {"reference": str(details["patientHere"])}, "status": "accepted"}
        ],
    }
    if str(details["orderHere"]).startswith("ServiceRequest/"):
        visit["basedOn"] = [{"reference": str(details["orderHere"])}]
    return visit


def _store(
    bridge: Bridge,
    session: Session,
    resource: Resource,
    current: ResourceVersion | None,
    *,
    content_class: str = "treatment-plan",
) -> ResourceVersion:
    faults = [issue for issue in check(resource) if issue.is_error]
    if faults:
        raise InvalidContent.of(faults)
    known = circumstances(bridge, content_class)
    if current is None:
        return resources.create(session, known, resource, resource_id=str(resource["id"]))
    return resources.update(session, known, resource, current=current)


def _event(bridge: Bridge, version: ResourceVersion, given: Answer, target: ReferralState) -> Event:
    resource = wire.parse(version.content)
    return Event(
        resource,
        "person",
        "ours",
        by=given.by,
        transcribed=bool(given.heard),
        base=bridge.settings.own_base,
        means=target if resource["resourceType"] == "Task" else None,
    )
