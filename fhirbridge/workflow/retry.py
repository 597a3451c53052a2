"""When a delivery is tried again, and when it is given up. Pure: time and chance are passed in."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta

from fhirbridge.jsontypes import JsonObject

TIMEOUT_SECONDS = (1.0, 600.0)  # what a partner's settings may say
MAX_AGE_HOURS = (0.1, 24.0 * 30)

Chance = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient a delivery is. It is stamped on the outbox row, so that a later change of a
    partner's settings never touches what is already queued.

    A lease must outlast the longest silence of one attempt (connect plus read timeout).
    """

    first_wait_seconds: float = 5.0
    factor: float = 3.0
    longest_wait_seconds: float = 3600.0
    max_age_seconds: float = 72 * 3600.0
    lease_seconds: float = 120.0
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0

    def to_json(self) -> JsonObject:
        """The policy as it is written on an outbox row."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: JsonObject) -> "Policy":
        """Read a stamped policy; names that this version does not know are ignored."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: float(value) for name, value in values.items() if name in known})


def with_patience(
    policy: Policy, *, timeout_seconds: float | None = None, max_age_hours: float | None = None
) -> Policy:
    """The policy with another time for silence, or for the whole; None leaves it as it is.

    The lease outlasts the longest silence.
    """
    if timeout_seconds is not None:
        silence = policy.connect_timeout_seconds + timeout_seconds
        lease = max(Policy().lease_seconds, 3 * silence)
        policy = replace(policy, read_timeout_seconds=timeout_seconds, lease_seconds=lease)
    if max_age_hours is not None:
        policy = replace(policy, max_age_seconds=max_age_hours * 3600)
    return policy


def wait_seconds(policy: Policy, attempts: int, chance: Chance) -> float:
    """How long to wait after this many attempts (from 1): exponential, half of it at random."""
    full = policy.first_wait_seconds
    for _ in range(attempts - 1):
        full = min(full * policy.factor, policy.longest_wait_seconds)
        if full >= policy.longest_wait_seconds:
            break
    return min(full, policy.longest_wait_seconds) * (0.5 + 0.5 * chance())


def next_attempt_at(
    policy: Policy,
    *,
    attempts: int,
    enqueued_at: datetime,
    now: datetime,
    chance: Chance,
    retry_after_seconds: float | None = None,
) -> datetime | None:
    """The instant of the next attempt, or None when the delivery is to be given up.

    A partner's Retry-After is a lower bound. The last attempt is made at the maximum age, so that
    a long wait asked for by the partner does not end a delivery early.
    """
    last = enqueued_at + timedelta(seconds=policy.max_age_seconds)
    if now >= last:
        return None
    wait = max(wait_seconds(policy, attempts, chance), retry_after_seconds or 0.0)
    return min(now + timedelta(seconds=wait), last)
