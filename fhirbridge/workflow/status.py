"""The status of one handoff in words, from its outbox row and the partner's Task. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.workflow.transitions import BOTH, INITIATOR, Actor, is_reachable
from fhirbridge.workflow.visits import NOT_ENTERED, NOT_SEEN, is_closed, is_expected
from fhirbridge.workflow.words import (
    DELIVERY,
    REFERRAL,
    DeliveryState,
    Profile,
    Reading,
    ReferralState,
    Word,
    read_task,
)

_TRYING_AGAIN = Word("Will be tried again", "system", "It is sent at the next try.")
# why a delivery needs a person from the beginning
PAPER_ONLY = "paper-only"
_ON_PAPER = Word(
    "To be sent on paper",
    "sender",
    "Print the packet and send it; enter what the receiver says under its code.",
)
_CLOSED = Word("Closed for a stated reason", "none", "Nothing is left to do.")
_CAME = Word("Client came", "receiver", "The receiver gives care and reports the outcome.")
_SENT_ON = Word("Declined, sent elsewhere", "none", "Nothing is left to do with this receiver.")
# states in which a visit is still expected, until somebody enters that the client came
EXPECTING = frozenset(
    {
        ReferralState.SENT,
        ReferralState.RECEIVED,
        ReferralState.ACCEPTED,
        ReferralState.WAITLISTED,
        ReferralState.SCHEDULED,
    }
)
_ANSWER_LOST = Word(
    "Answer lost", "system", "The partner is asked what arrived before anything is sent again."
)


def say(
    delivery: DeliveryState,
    referral: ReferralState,
    *,
    last_verdict: str | None,
    last_error_class: str | None = None,
    details: JsonObject | None = None,
) -> Word:
    """The word for a handoff: transport speaks until it is delivered, then the partner's Task, and
    always the Task of a referral that has ended.

    `details` are the facts of the handoff: visits that were seen, and why it was closed.
    """
    has_ended = not REFERRAL[referral].next_states
    if has_ended or delivery is DeliveryState.DELIVERED or (details or {}).get("closedFor"):
        return say_referral(referral, details or {})
    if delivery is DeliveryState.NEEDS_PERSON and last_error_class == PAPER_ONLY:
        return _ON_PAPER
    if delivery is DeliveryState.QUEUED and last_verdict == "retry":
        return _TRYING_AGAIN
    if delivery is DeliveryState.QUEUED and last_verdict == "unknown":
        return _ANSWER_LOST
    return DELIVERY[delivery]


def say_referral(referral: ReferralState, details: JsonObject) -> Word:
    """The word for a referral that is where it should be."""
    if details.get("closedFor"):
        return _CLOSED
    if referral is ReferralState.COMPLETED and not is_closed(referral, details):
        return NOT_ENTERED if details.get("direction") == "inbound" else NOT_SEEN
    if referral in (ReferralState.DECLINED, ReferralState.FAILED) and details.get("sentOnTo"):
        return _SENT_ON
    if referral in EXPECTING and not is_expected(details):
        return _CAME
    return REFERRAL[referral].word


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """What reading a partner's Task led to.

    `moved`: the state changed. `same`: nothing new. `stale`: an older version than the one known.
    `impossible`: a state that no allowed moves lead to; it is kept apart and changes nothing, and
    `code` says why.
    """

    result: Literal["moved", "same", "stale", "impossible"]
    state: ReferralState
    version_id: str
    reason: str = ""
    code: str = ""


def is_older(offered: str, known: str, history: Sequence[str] = ()) -> bool:
    """True if a version precedes the known one in the server's own version history.

    `history` holds version ids, newest first, where the partner offers it; otherwise whole
    numbers are compared. The partner's clock is never asked. Versions that cannot be compared
    count as not older, because a read answers with the current version (R4 http.html#read).
    """
    if offered == known:
        return False
    if offered in history and known in history:
        return list(history).index(offered) > list(history).index(known)
    if offered.isdecimal() and known.isdecimal():
        return int(offered) < int(known)
    return False


def see_task(
    task: Resource,
    *,
    state: ReferralState,
    version_id: str,
    profile: Profile = "base",
    history: Sequence[str] = (),
    actors: frozenset[Actor] = BOTH,
) -> TaskSeen:
    """Judge a Task that was read at the partner against what is known ("" = nothing yet).

    `actors` are those who may have written it.
    """
    offered = str((task.get("meta") or {}).get("versionId") or "")
    if offered and offered == version_id:
        return TaskSeen("same", state, version_id)
    if offered and version_id and is_older(offered, version_id, history):
        return TaskSeen("stale", state, version_id, "An older version of the Task was read.")
    reading = read_task(task, profile)
    if reading is None:
        reason = "The Task's status has no meaning for us."
        return TaskSeen("impossible", state, offered, reason, "unknown-status")
    if state in (reading.state, *reading.alike):
        return TaskSeen("same", state, offered)
    target = _meant(reading, state, profile, actors)
    refusal = refuse_move(state, target, profile=profile, actors=actors)
    if refusal is not None:
        return TaskSeen("impossible", state, offered, refusal.reason, refusal.code)
    return TaskSeen("moved", target, offered)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a referral cannot come from one state to another: a code, and a sentence."""

    code: Literal["impossible-move", "wrong-actor"]
    reason: str


def refuse_move(
    state: ReferralState,
    target: ReferralState,
    *,
    profile: Profile = "base",
    actors: frozenset[Actor] = BOTH,
) -> Refusal | None:
    """Why these actors cannot bring a referral from one state to the other; None if they can."""
    if is_reachable(state, target, profile, actors=actors):
        return None
    if is_reachable(state, target, profile):
        [one] = actors
        name = {"initiator": "sender", "recipient": "receiver"}[one]
        words = f"The {name} of a referral that is {state.value} cannot make it {target.value}."
        return Refusal("wrong-actor", words)
    words = f"A referral that was {state.value} cannot become {target.value}."
    return Refusal("impossible-move", words)


def _meant(
    reading: Reading, state: ReferralState, profile: Profile, actors: frozenset[Actor]
) -> ReferralState:
    """Of the states that a Task may mean, the first that the referral can come to.

    Where documents were missing, who asks for it once more says that they came.
    """
    read = (reading.state, *reading.alike)
    asks = reading.state is ReferralState.SENT and reading.inferred and actors & INITIATOR
    if state is ReferralState.INFO_NEEDED and asks:
        read = (*read, ReferralState.RECEIVED)
    return next((one for one in read if is_reachable(state, one, profile)), reading.state)
