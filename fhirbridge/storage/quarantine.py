"""What arrived about referrals and led to no allowed move: kept as it came, with the reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import quarantine

_q = quarantine.c


@dataclass(frozen=True, slots=True)
class Kept:
    """One event that was set aside. `reason` holds no value of a record."""

    partner: str
    source: str
    reference: str
    version: str
    code: str
    reason: str
    body: bytes
    received_at: datetime
    handoff_id: str | None = None
    patient_key: int = 0
    settled_at: datetime | None = None
    settled_by: str | None = None
    id: int = 0


def keep(
    session: Session, custodian_id: int, kept: Kept, *, is_same_each_time: bool = False
) -> bool:
    """Set an event aside; False if the same version was set aside before.

    `is_same_each_time`: whatever its text is now, it is kept once until somebody dealt with it.
    """
    same = (
        (_q.custodian_id == custodian_id)
        & (_q.partner == kept.partner)
        & (_q.reference == kept.reference)
        & (_q.code == kept.code)
    )
    if is_same_each_time:
        same &= _q.settled_at.is_(None)
    else:
        same &= (_q.version == kept.version) & (_q.body == kept.body)
    if session.execute(sa.select(_q.id).where(same)).first():
        return False
    session.execute(
        sa.insert(quarantine).values(
            custodian_id=custodian_id,
            patient_key=kept.patient_key,
            handoff_id=kept.handoff_id,
            partner=kept.partner,
            source=kept.source,
            reference=kept.reference,
            version=kept.version,
            code=kept.code,
            reason=kept.reason,
            body=kept.body,
            received_at=kept.received_at,
        )
    )
    return True


def list_kept(
    session: Session,
    custodian_id: int,
    *,
    handoff_id: str = "",
    with_settled: bool = False,
    limit: int = 100,
) -> list[Kept]:
    """What was set aside, newest first."""
    query = sa.select(quarantine).where(_q.custodian_id == custodian_id).order_by(_q.id.desc())
    if handoff_id:
        query = query.where(_q.handoff_id == handoff_id)
    if not with_settled:
        query = query.where(_q.settled_at.is_(None))
    return [_kept(row) for row in session.execute(query.limit(limit))]


def get(session: Session, custodian_id: int, kept_id: int) -> Kept | None:
    """What is open under this number, or None."""
    mine = (_q.custodian_id == custodian_id) & (_q.id == kept_id) & _q.settled_at.is_(None)
    row = session.execute(sa.select(quarantine).where(mine)).first()
    return _kept(row) if row else None


def has_open(session: Session, custodian_id: int, *, like: Kept) -> bool:
    """True if something is open about the same handoff, or about none of that partner and code."""
    about = _q.handoff_id == like.handoff_id
    if like.handoff_id is None:
        about = _q.handoff_id.is_(None) & (_q.partner == like.partner) & (_q.code == like.code)
    query = sa.select(_q.id).where(_q.custodian_id == custodian_id, _q.settled_at.is_(None), about)
    return session.execute(query.limit(1)).first() is not None


def settle(session: Session, custodian_id: int, kept_id: int, *, by: str, now: datetime) -> bool:
    """Note that a person dealt with it; False if there is no such open one."""
    mine = (_q.custodian_id == custodian_id) & (_q.id == kept_id) & _q.settled_at.is_(None)
    values = {"settled_at": now, "settled_by": by}
    return bool(session.execute(sa.update(quarantine).where(mine).values(**values)).rowcount)


def _kept(row: sa.Row[Any]) -> Kept:
    return Kept(
        row.partner,
        row.source,
        row.reference,
        row.version,
        row.code,
        row.reason,
        row.body,
        row.received_at,
        row.handoff_id,
        row.patient_key,
        row.settled_at,
        row.settled_by,
        row.id,
    )
