"""The status of one handoff in words, from its outbox row and the partner's Task. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.workflow.transitions import is_reachable
from fhirbridge.workflow.visits import NOT_SEEN, is_closed
from fhirbridge.workflow.words import (
    DELIVERY,
    REFERRAL,
    DeliveryState,
    Profile,
    ReferralState,
    Word,
    read_task,
)

_TRYING_AGAIN = Word("Will be tried again", "system", "It is sent at the next try.")
_CLOSED = Word("Closed for a stated reason", "none", "Nothing is left to do.")
_ANSWER_LOST = Word(
    "Answer lost", "system", "The partner is asked what arrived before anything is sent again."
)


def say(
    delivery: DeliveryState,
    referral: ReferralState,
    *,
    last_verdict: str | None,
    details: JsonObject | None = None,
) -> Word:
    """The word for a handoff: transport speaks until it is delivered, then the partner's Task.

    `details` are the facts of the handoff: visits that were seen, and why it was closed.
    """
    if delivery is DeliveryState.DELIVERED or (details or {}).get("closedFor"):
        return say_referral(referral, details or {})
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
        return NOT_SEEN
    return REFERRAL[referral].word


@dataclass(frozen=True, slots=True)
class TaskSeen:
    """What reading a partner's Task led to.

    `moved`: the state changed. `same`: nothing new. `stale`: an older version than the one known.
    `impossible`: a state that no allowed moves lead to; it is kept apart and changes nothing.
    """

    result: Literal["moved", "same", "stale", "impossible"]
    state: ReferralState
    version_id: str
    reason: str = ""


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
) -> TaskSeen:
    """Judge a Task that was read at the partner against what is known ("" = nothing yet)."""
    offered = str((task.get("meta") or {}).get("versionId") or "")
    if offered and offered == version_id:
        return TaskSeen("same", state, version_id)
    if offered and version_id and is_older(offered, version_id, history):
        return TaskSeen("stale", state, version_id, "An older version of the Task was read.")
    reading = read_task(task, profile)
    if reading is None:
        return TaskSeen("impossible", state, offered, "The Task's status has no meaning for us.")
    if reading.state is state or (reading.inferred and _says_the_same(state, task, profile)):
        return TaskSeen("same", state, offered)
    if not is_reachable(state, reading.state, profile):
        reason = f"A Task that was {state.value} cannot become {reading.state.value}."
        return TaskSeen("impossible", state, offered, reason)
    return TaskSeen("moved", reading.state, offered)


def _says_the_same(state: ReferralState, task: Resource, profile: Profile) -> bool:
    """A coarse status that the known, finer state also has tells nothing new."""
    return REFERRAL[state].task_status(profile) == task.get("status")
