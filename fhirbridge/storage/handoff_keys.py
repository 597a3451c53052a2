"""Under what a handoff is known, here and at its partner; and when its clocks ring."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import handoff_clocks, handoff_keys

_k = handoff_keys.c
_c = handoff_clocks.c


def note(session: Session, custodian_id: int, handoff_id: str, keys: Iterable[str]) -> None:
    """Make a handoff known under these keys."""
    wanted = sorted({key for key in keys if key})
    mine = (_k.custodian_id == custodian_id) & (_k.handoff_id == handoff_id)
    known = set(session.execute(sa.select(_k.key).where(mine & _k.key.in_(wanted))).scalars())
    rows = [
        {"custodian_id": custodian_id, "key": key, "handoff_id": handoff_id}
        for key in wanted
        if key not in known
    ]
    if rows:
        session.execute(sa.insert(handoff_keys), rows)


def known_as(session: Session, custodian_id: int, keys: Iterable[str]) -> list[str]:
    """The ids of the handoffs that are known under any of these keys."""
    wanted = sorted({key for key in keys if key})
    query = (
        sa.select(_k.handoff_id)
        .where(_k.custodian_id == custodian_id, _k.key.in_(wanted))
        .distinct()
        .order_by(_k.handoff_id)
    )
    return list(session.execute(query).scalars()) if wanted else []


def forget(session: Session, custodian_id: int, key: str, *, handoff_id: str = "") -> None:
    """No handoff, or not this one, is known under this key any more."""
    known = (_k.custodian_id == custodian_id) & (_k.key == key)
    if handoff_id:
        known &= _k.handoff_id == handoff_id
    session.execute(sa.delete(handoff_keys).where(known))


@dataclass(frozen=True, slots=True)
class Clock:
    """How long a handoff has been in a state, how many clocks rang, and when the next one does."""

    handoff_id: str
    state: str
    since: datetime
    rung: int
    due_at: datetime | None


def clock_of(session: Session, custodian_id: int, handoff_id: str) -> Clock | None:
    """The clock of a handoff, or None before it was delivered."""
    mine = (_c.custodian_id == custodian_id) & (_c.handoff_id == handoff_id)
    row = session.execute(sa.select(handoff_clocks).where(mine)).first()
    return Clock(row.handoff_id, row.state, row.since, row.rung, row.due_at) if row else None


def set_clock(session: Session, custodian_id: int, clock: Clock) -> None:
    """Keep the clock of a handoff."""
    mine = (_c.custodian_id == custodian_id) & (_c.handoff_id == clock.handoff_id)
    values = {
        "state": clock.state,
        "since": clock.since,
        "rung": clock.rung,
        "due_at": clock.due_at,
    }
    if not session.execute(sa.update(handoff_clocks).where(mine).values(**values)).rowcount:
        session.execute(
            sa.insert(handoff_clocks).values(
                custodian_id=custodian_id, handoff_id=clock.handoff_id, **values
            )
        )


def next_ringing(session: Session, custodian_id: int, *, now: datetime) -> Clock | None:
    """The clock that is due first, if one is due by now."""
    query = (
        sa.select(handoff_clocks)
        .where(_c.custodian_id == custodian_id, _c.due_at <= now)
        .order_by(_c.due_at, _c.handoff_id)
        .limit(1)
    )
    row = session.execute(query).first()
    return Clock(row.handoff_id, row.state, row.since, row.rung, row.due_at) if row else None
