"""When a delivery is tried again, and when it is given up. Pure: time and chance are passed in."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from fhirbridge.jsontypes import JsonObject

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
