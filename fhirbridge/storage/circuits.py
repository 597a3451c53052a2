"""Circuits: partners that attempts keep failing at are left alone for a while.

A circuit opens after some failures in a row; then one attempt at a time tries again, each after a
longer pause, until one is answered. Rows keep their own place in time; only the partner pauses.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import circuits

TRIPS_AT = 3
_MOST = 60  # more failures make no longer pause

_c = circuits.c


@dataclass(frozen=True, slots=True)
class Circuit:
    """How a partner stands: failures in a row, and until when it is left alone."""

    partner: str
    failures: int
    open_until: datetime | None

    @property
    def is_open(self) -> bool:
        """True from the failure that tripped it until an attempt is answered."""
        return self.failures >= TRIPS_AT


def tripped(session: Session, custodian_id: int) -> list[Circuit]:
    """The partners whose circuit is open."""
    query = sa.select(circuits).where(_c.custodian_id == custodian_id, _c.failures >= TRIPS_AT)
    return [Circuit(row.partner, row.failures, row.open_until) for row in session.execute(query)]


def get(session: Session, custodian_id: int, partner: str) -> Circuit:
    """How one partner stands."""
    query = sa.select(circuits).where(_c.custodian_id == custodian_id, _c.partner == partner)
    row = session.execute(query).first()
    return Circuit(partner, row.failures, row.open_until) if row else Circuit(partner, 0, None)


def failed(
    session: Session, custodian_id: int, partner: str, *, pause_seconds: float, now: datetime
) -> bool:
    """Note a failure; True if it is the one that opened the circuit."""
    known = get(session, custodian_id, partner)
    failures = min(known.failures + 1, _MOST)
    until = now + timedelta(seconds=pause_seconds) if failures >= TRIPS_AT else None
    _put(session, custodian_id, Circuit(partner, failures, until), now)
    return failures >= TRIPS_AT and not known.is_open


def answered(session: Session, custodian_id: int, partner: str, *, now: datetime) -> bool:
    """Note that the partner answered; True if that closed its circuit."""
    known = get(session, custodian_id, partner)
    if known.failures:
        _put(session, custodian_id, Circuit(partner, 0, None), now)
    return known.is_open


def _put(session: Session, custodian_id: int, one: Circuit, now: datetime) -> None:
    values = {"failures": one.failures, "open_until": one.open_until, "updated_at": now}
    mine = (_c.custodian_id == custodian_id) & (_c.partner == one.partner)
    if not session.execute(sa.update(circuits).where(mine).values(**values)).rowcount:
        session.execute(
            sa.insert(circuits).values(custodian_id=custodian_id, partner=one.partner, **values)
        )
