"""The one table of status words: native state, FHIR codes, what comes next and who owes it.

Two machines run on one timeline: transport (`DeliveryState`, the outbox) and referral
(`ReferralState`, the partner's Task). Source: domain.md 1.5 and 4.4; R4 task.html.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from fhirbridge.jsontypes import Resource

Profile = Literal["base", "bser", "gravity"]
Owner = Literal["sender", "receiver", "client", "both", "system", "none"]


# the system of BSeR's business statuses
BSER_STATUS = "http://hl7.org/fhir/us/bser/CodeSystem/TaskBusinessStatusCS"


class DeliveryState(StrEnum):
    """Where the transport of one handoff stands."""

    QUEUED = "queued"
    LEASED = "leased"
    DELIVERED = "delivered"
    REFUSED = "refused"
    DEAD = "dead"
    NEEDS_PERSON = "needs-person"
    REPLACED = "replaced"
    WITHHELD = "withheld"


UNFINISHED = (DeliveryState.QUEUED, DeliveryState.LEASED)


class ReferralState(StrEnum):
    """Where the referral stands at the partner (vocabulary 3 of domain.md 4.4)."""

    DRAFT = "draft"
    SENT = "sent"
    RECEIVED = "received"
    INFO_NEEDED = "info-needed"
    ACCEPTED = "accepted"
    WAITLISTED = "waitlisted"
    SCHEDULED = "scheduled"
    NO_SHOW = "no-show"
    APPT_CANCELLED = "appt-cancelled"
    IN_SERVICE = "in-service"
    CANCEL_REQUESTED = "cancel-requested"
    DECLINED = "declined"
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    FAILED = "failed"
    ENTERED_IN_ERROR = "entered-in-error"


@dataclass(frozen=True, slots=True)
class Word:
    """How a state is said: a short word, who owes the next step, and that step in a sentence."""

    text: str
    next_by: Owner
    next_step: str


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One row of the referral table. `bser` and `gravity` are empty where they equal `task`."""

    word: Word
    service_request: str
    task: str
    business_status: str = ""
    appointment: str = ""
    next_states: tuple[ReferralState, ...] = ()
    bser: str = ""
    gravity: str = ""

    def task_status(self, profile: Profile) -> str:
        """The Task.status of this state for a partner of this profile."""
        return {"base": "", "bser": self.bser, "gravity": self.gravity}[profile] or self.task


_S = ReferralState

REFERRAL: dict[ReferralState, StatusRow] = {
    _S.DRAFT: StatusRow(
        Word("Draft", "sender", "Send it or discard it."),
        "draft",
        "draft",
        next_states=(_S.SENT, _S.CANCELLED),
    ),
    _S.SENT: StatusRow(
        Word("Delivered, not seen yet", "receiver", "The receiver looks at the request."),
        "active",
        "requested",
        "2.0",
        next_states=(_S.RECEIVED, _S.ACCEPTED, _S.DECLINED, _S.INFO_NEEDED, _S.CANCEL_REQUESTED),
        bser="received",
    ),
    _S.RECEIVED: StatusRow(
        Word("Seen", "receiver", "The receiver accepts, declines or asks."),
        "active",
        "received",
        "2.0",
        next_states=(_S.ACCEPTED, _S.DECLINED, _S.INFO_NEEDED, _S.WAITLISTED, _S.CANCEL_REQUESTED),
        gravity="requested",
    ),
    _S.INFO_NEEDED: StatusRow(
        Word("Needs documents", "sender", "Send what the receiver asked for."),
        "on-hold",
        "on-hold",
        "fb:info-needed",
        next_states=(_S.RECEIVED, _S.ACCEPTED, _S.DECLINED, _S.CANCEL_REQUESTED),
    ),
    _S.ACCEPTED: StatusRow(
        Word("Accepted", "receiver", "The receiver books a first visit."),
        "active",
        "accepted",
        "3.0",
        next_states=(
            _S.SCHEDULED,
            _S.IN_SERVICE,
            _S.WAITLISTED,
            _S.INFO_NEEDED,
            _S.DECLINED,
            _S.COMPLETED,
            _S.CANCEL_REQUESTED,
            _S.FAILED,
        ),
    ),
    _S.WAITLISTED: StatusRow(
        Word("Wait-listed", "receiver", "The receiver offers a place when one is free."),
        "active",
        "accepted",
        "fb:waitlisted",
        "waitlist",
        next_states=(_S.ACCEPTED, _S.SCHEDULED, _S.DECLINED, _S.CANCEL_REQUESTED),
    ),
    _S.SCHEDULED: StatusRow(
        Word("Booked", "client", "The client goes to the visit."),
        "active",
        "in-progress",
        "5.1.1",
        "booked",
        next_states=(
            _S.SCHEDULED,
            _S.NO_SHOW,
            _S.APPT_CANCELLED,
            _S.IN_SERVICE,
            _S.COMPLETED,
            _S.DECLINED,
            _S.CANCEL_REQUESTED,
        ),
    ),
    _S.NO_SHOW: StatusRow(
        Word("Missed visit", "both", "Someone reaches the client and books again."),
        "active",
        "in-progress",
        "5.1.2",
        "noshow",
        next_states=(_S.SCHEDULED, _S.APPT_CANCELLED, _S.DECLINED, _S.CANCEL_REQUESTED),
    ),
    _S.APPT_CANCELLED: StatusRow(
        Word("Visit cancelled", "receiver", "The receiver books another visit."),
        "active",
        "in-progress",
        "5.1.3",
        "cancelled",
        next_states=(_S.SCHEDULED, _S.CANCEL_REQUESTED),
    ),
    _S.IN_SERVICE: StatusRow(
        Word("Started", "receiver", "The receiver gives care and reports the outcome."),
        "active",
        "in-progress",
        "5.1.4",
        "fulfilled",
        next_states=(
            _S.IN_SERVICE,
            _S.SCHEDULED,
            _S.APPT_CANCELLED,
            _S.COMPLETED,
            _S.DECLINED,
            _S.CANCEL_REQUESTED,
        ),
    ),
    _S.CANCEL_REQUESTED: StatusRow(
        Word("Withdrawal asked for", "receiver", "The receiver confirms the withdrawal."),
        "active",
        "in-progress",
        "5.2",
        next_states=(_S.CANCELLED, _S.COMPLETED),
    ),
    _S.DECLINED: StatusRow(
        Word("Declined", "sender", "Refer the client elsewhere; the order stays open."),
        "active",
        "rejected",
        "4.0",
    ),
    _S.CANCELLED: StatusRow(
        Word("Withdrawn", "none", "Nothing is left to do."),
        "revoked",
        "cancelled",
        "6.0",
        "cancelled",
    ),
    _S.COMPLETED: StatusRow(
        Word("Done", "none", "Nothing is left to do."),
        "completed",
        "completed",
        "7.0",
        "fulfilled",
    ),
    _S.FAILED: StatusRow(
        Word("Could not be done", "sender", "Refer the client elsewhere."),
        "active",
        "failed",
        "fb:failed",
    ),
    _S.ENTERED_IN_ERROR: StatusRow(
        Word("Entered in error", "none", "Nothing is left to do."),
        "entered-in-error",
        "entered-in-error",
        appointment="entered-in-error",
    ),
}

DELIVERY: dict[DeliveryState, Word] = {
    DeliveryState.QUEUED: Word("Waiting to be sent", "system", "It is sent at the next try."),
    DeliveryState.LEASED: Word("Being sent", "system", "The answer of the partner is awaited."),
    DeliveryState.DELIVERED: REFERRAL[_S.SENT].word,
    DeliveryState.REFUSED: Word("Refused by the partner", "sender", "Repair it and send again."),
    DeliveryState.DEAD: Word(
        "Given up", "sender", "Send again, or close the handoff; outbox show says why."
    ),
    DeliveryState.NEEDS_PERSON: Word(
        "Needs a person", "sender", "Ask the partner whether it arrived, then send again or close."
    ),
    DeliveryState.WITHHELD: Word(
        "Withheld: no consent permits it", "sender", "Get a consent, then send again."
    ),
    DeliveryState.REPLACED: Word(
        "Replaced by a newer version", "none", "The newer version is sent instead."
    ),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a Task says. `inferred` when only its coarse status told, not a businessStatus;
    `alike` are other states that are said in the same words."""

    state: ReferralState
    inferred: bool
    alike: tuple[ReferralState, ...] = ()


def read_task(task: Resource, profile: Profile = "base") -> Reading | None:
    """Turn a partner's Task into our state, or None if its status has no row for this profile.

    A businessStatus counts only where it belongs to the Task's status; otherwise the first row
    of that status is taken and marked as inferred. Source: domain.md 4.4.
    """
    status = task.get("status")
    rows = {
        state: row
        for state, row in REFERRAL.items()
        if status in (row.task_status(profile), row.task)
    }
    for coding in (task.get("businessStatus") or {}).get("coding") or []:
        code = coding.get("code")
        named = [state for state in rows if code in (state.value, f"fb:{state.value}")]
        if named:
            return Reading(named[0], inferred=False)
        said = [state for state, row in rows.items() if code and code == row.business_status]
        if said:
            return Reading(said[0], inferred=False, alike=tuple(said[1:]))
    if not rows:
        return None
    exact = [state for state, row in rows.items() if row.task_status(profile) == status]
    first, *others = exact or list(rows)
    return Reading(first, inferred=True, alike=tuple(others))
