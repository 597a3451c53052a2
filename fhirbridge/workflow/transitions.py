"""Which move of a referral is allowed, and by whom. Source: domain.md 1.5 (BSeR) and 4.4."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from fhirbridge.workflow.words import REFERRAL, Profile, ReferralState

Actor = Literal["initiator", "recipient"]
Reachable = Mapping[ReferralState, frozenset[ReferralState]]
NOBODY: frozenset[Actor] = frozenset()
INITIATOR: frozenset[Actor] = frozenset({"initiator"})
RECIPIENT: frozenset[Actor] = frozenset({"recipient"})
BOTH = INITIATOR | RECIPIENT
_S = ReferralState
# what the sender makes of a referral, and nobody else
_INITIATORS = frozenset({_S.SENT, _S.CANCEL_REQUESTED, _S.ENTERED_IN_ERROR})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of BSeR's table; `tid` is the row's number there."""

    tid: str
    actor: Actor
    trigger: str
    source: ReferralState
    target: ReferralState


def _bser() -> tuple[Transition, ...]:
    rows: list[tuple[str, Actor, str, ReferralState, ReferralState]] = [
        ("01", "initiator", "send referral package", _S.DRAFT, _S.SENT),
        ("02", "recipient", "accept", _S.SENT, _S.ACCEPTED),
        ("03", "recipient", "decline", _S.SENT, _S.DECLINED),
        ("04", "initiator", "request cancel", _S.SENT, _S.CANCEL_REQUESTED),
        ("05", "recipient", "decline", _S.ACCEPTED, _S.DECLINED),
        ("06", "recipient", "schedule visit", _S.ACCEPTED, _S.SCHEDULED),
        ("07", "initiator", "request cancel", _S.ACCEPTED, _S.CANCEL_REQUESTED),
        ("08", "recipient", "interim note", _S.ACCEPTED, _S.IN_SERVICE),
        ("09", "recipient", "outcome", _S.ACCEPTED, _S.COMPLETED),
        ("10", "recipient", "decline", _S.SCHEDULED, _S.DECLINED),
        ("11", "recipient", "reschedule", _S.SCHEDULED, _S.SCHEDULED),
        ("12", "recipient", "no-show", _S.SCHEDULED, _S.NO_SHOW),
        ("13", "recipient", "appointment cancelled", _S.SCHEDULED, _S.APPT_CANCELLED),
        ("14", "initiator", "request cancel", _S.SCHEDULED, _S.CANCEL_REQUESTED),
        ("15", "recipient", "interim note", _S.SCHEDULED, _S.IN_SERVICE),
        ("16", "recipient", "outcome", _S.SCHEDULED, _S.COMPLETED),
        ("17", "recipient", "decline", _S.NO_SHOW, _S.DECLINED),
        ("18", "recipient", "reschedule", _S.NO_SHOW, _S.SCHEDULED),
        ("19", "recipient", "appointment cancelled", _S.NO_SHOW, _S.APPT_CANCELLED),
        ("20", "initiator", "request cancel", _S.NO_SHOW, _S.CANCEL_REQUESTED),
        ("21", "recipient", "schedule", _S.APPT_CANCELLED, _S.SCHEDULED),
        ("22", "initiator", "request cancel", _S.APPT_CANCELLED, _S.CANCEL_REQUESTED),
        ("23", "recipient", "confirm cancel", _S.CANCEL_REQUESTED, _S.CANCELLED),
        ("24", "recipient", "outcome", _S.CANCEL_REQUESTED, _S.COMPLETED),
        ("25", "recipient", "decline", _S.IN_SERVICE, _S.DECLINED),
        ("26", "recipient", "schedule", _S.IN_SERVICE, _S.SCHEDULED),
        ("27", "recipient", "appointment cancelled", _S.IN_SERVICE, _S.APPT_CANCELLED),
        ("28", "initiator", "request cancel", _S.IN_SERVICE, _S.CANCEL_REQUESTED),
        ("29", "recipient", "interim note", _S.IN_SERVICE, _S.IN_SERVICE),
        ("30", "recipient", "outcome", _S.IN_SERVICE, _S.COMPLETED),
    ]
    return tuple(Transition(*row) for row in rows)


BSER = _bser()


def next_states(state: ReferralState, profile: Profile = "base") -> frozenset[ReferralState]:
    """The states that may follow directly. `entered-in-error` may follow any other state.

    Gravity and base partners may go to cancelled directly; a BSeR partner confirms first.
    """
    allowed = set(REFERRAL[state].next_states)
    if profile != "bser" and _S.CANCEL_REQUESTED in allowed:
        allowed.add(_S.CANCELLED)
    if state is not _S.ENTERED_IN_ERROR:
        allowed.add(_S.ENTERED_IN_ERROR)
    return frozenset(allowed)


def actors_of(
    source: ReferralState, target: ReferralState, profile: Profile = "base"
) -> frozenset[Actor]:
    """Who may make this move; nobody if it is not allowed at all.

    BSeR's table decides for its partners, where sent and received are one. What it does not have
    follows from what each move means: the sender asks for the withdrawal and takes back what it
    wrote in error, the receiver answers; to a referral that waits for documents both may say that
    they came, and without BSeR both may cancel.
    """
    if target not in next_states(source, profile):
        return NOBODY
    if profile == "bser":
        known = _S.SENT if source is _S.RECEIVED else source
        found = frozenset(row.actor for row in BSER if (row.source, row.target) == (known, target))
        if found:
            return found
    if (source, target) == (_S.INFO_NEEDED, _S.RECEIVED):
        return BOTH
    if target is _S.CANCELLED:
        if source is _S.DRAFT:
            return INITIATOR
        return RECIPIENT if profile == "bser" else BOTH
    return INITIATOR if target in _INITIATORS else RECIPIENT


def _closure(profile: Profile, actors: frozenset[Actor]) -> Reachable:
    closure: dict[ReferralState, frozenset[ReferralState]] = {}
    for start in ReferralState:
        seen: set[ReferralState] = set()
        queue = [start]
        while queue:
            source = queue.pop()
            for state in next_states(source, profile) - seen:
                if actors_of(source, state, profile) & actors:
                    seen.add(state)
                    queue.append(state)
        closure[start] = frozenset(seen)
    return MappingProxyType(closure)


_PROFILES: tuple[Profile, ...] = ("base", "bser", "gravity")
_REACHABLE: Mapping[tuple[Profile, frozenset[Actor]], Reachable] = MappingProxyType(
    {
        (profile, actors): _closure(profile, actors)
        for profile in _PROFILES
        for actors in (INITIATOR, RECIPIENT, BOTH)
    }
)


def is_reachable(
    source: ReferralState,
    target: ReferralState,
    profile: Profile = "base",
    *,
    actors: frozenset[Actor] = BOTH,
) -> bool:
    """True if moves that are allowed to these actors lead from one state to the other.

    Between two looks at a partner's Task several moves may have happened, so that polling asks
    for reachability, not for one step.
    """
    return target in _REACHABLE[profile, actors][source]
