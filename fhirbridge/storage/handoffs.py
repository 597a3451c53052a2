"""Rows of handoffs: one per document and partner, with what the partner's Task said last."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import handoff_keys, handoffs


@dataclass(frozen=True, slots=True)
class HandoffRow:
    """A handoff as it is stored. `status` is a `workflow.words.ReferralState`."""

    id: str
    kind: str
    source_system: str
    record_id: str
    document_version: int
    partner: str
    patient_key: int
    status: str
    created_at: datetime
    updated_at: datetime
    task_reference: str | None = None
    task_version: str | None = None
    order_reference: str | None = None
    details: JsonObject = field(default_factory=dict)


def put(session: Session, custodian_id: int, row: HandoffRow) -> None:
    """Add a handoff, or note a newer document version on the one that exists."""
    mine = _mine(custodian_id, row.id)
    values = {
        "document_version": row.document_version,
        "details": row.details,
        "updated_at": row.updated_at,
    }
    if session.execute(sa.update(handoffs).where(mine).values(**values)).rowcount:
        return
    session.execute(
        sa.insert(handoffs).values(
            id=row.id,
            custodian_id=custodian_id,
            kind=row.kind,
            source_system=row.source_system,
            record_id=row.record_id,
            partner=row.partner,
            patient_key=row.patient_key,
            status=row.status,
            created_at=row.created_at,
            **values,
        )
    )


def get(
    session: Session, custodian_id: int, handoff_id: str, *, locked: bool = False
) -> HandoffRow | None:
    """The handoff with this id, or None; `locked` against other writers until the commit."""
    query = sa.select(handoffs).where(_mine(custodian_id, handoff_id))
    row = session.execute(query.with_for_update() if locked else query).first()
    return _row(row) if row else None


def list_rows(
    session: Session,
    custodian_id: int,
    *,
    source_system: str = "",
    record_id: str = "",
    partner: str = "",
    limit: int = 100,
) -> list[HandoffRow]:
    """Rows, those first that changed last; of this source system, record and partner if given."""
    query = (
        sa.select(handoffs)
        .where(handoffs.c.custodian_id == custodian_id)
        .order_by(handoffs.c.updated_at.desc(), handoffs.c.id)
    )
    if source_system:
        query = query.where(handoffs.c.source_system == source_system)
    if record_id:
        query = query.where(handoffs.c.record_id == record_id)
    if partner:
        query = query.where(handoffs.c.partner == partner)
    return [_row(row) for row in session.execute(query.limit(limit))]


def of_patient(session: Session, custodian_id: int, patient_key: int) -> list[HandoffRow]:
    """All handoffs and referrals of a patient."""
    query = sa.select(handoffs).where(
        handoffs.c.custodian_id == custodian_id, handoffs.c.patient_key == patient_key
    )
    return [_row(row) for row in session.execute(query.order_by(handoffs.c.id))]


def note_version(
    session: Session, custodian_id: int, handoff_id: str, *, version: int, now: datetime
) -> None:
    """Note which version of the document is on its way."""
    session.execute(
        sa.update(handoffs)
        .where(_mine(custodian_id, handoff_id))
        .values(document_version=version, updated_at=now)
    )


def note_places(
    session: Session,
    custodian_id: int,
    handoff_id: str,
    *,
    task_reference: str | None,
    order_reference: str | None,
    details: JsonObject,
    now: datetime,
) -> None:
    """Keep where the partner holds the Task and what it asks for; it is looked at from now on."""
    session.execute(
        sa.update(handoffs)
        .where(_mine(custodian_id, handoff_id))
        .values(
            task_reference=task_reference,
            order_reference=order_reference,
            details=details,
            follow_at=now,
            updated_at=now,
        )
    )


def note_state(
    session: Session,
    custodian_id: int,
    handoff_id: str,
    *,
    status: str,
    version: str | None,
    details: JsonObject,
    now: datetime,
) -> None:
    """Keep where a handoff stands, and the version of the partner's Task that said so.

    For a row that was read `locked` in the same transaction.
    """
    session.execute(
        sa.update(handoffs)
        .where(_mine(custodian_id, handoff_id))
        .values(status=status, task_version=version, details=details, updated_at=now)
    )


def next_to_follow(
    session: Session, custodian_id: int, closed: tuple[str, ...], *, now: datetime
) -> HandoffRow | None:
    """The handoff, not in one of these closed states, whose Task is to be looked at by now."""
    query = (
        sa.select(handoffs)
        .where(handoffs.c.custodian_id == custodian_id, handoffs.c.follow_at <= now)
        .where(handoffs.c.task_reference.is_not(None), handoffs.c.status.not_in(closed))
        .order_by(handoffs.c.follow_at, handoffs.c.id)
        .limit(1)
    )
    row = session.execute(query).first()
    return _row(row) if row else None


def next_known_as(
    session: Session, custodian_id: int, key: str, *, now: datetime
) -> HandoffRow | None:
    """The handoff that is known under this key, and whose turn it is by now."""
    query = (
        sa.select(handoffs)
        .join(handoff_keys, handoff_keys.c.handoff_id == handoffs.c.id)
        .where(handoffs.c.custodian_id == custodian_id, handoff_keys.c.key == key)
        .where(handoff_keys.c.custodian_id == custodian_id)
        .where(handoffs.c.follow_at.is_(None) | (handoffs.c.follow_at <= now))
        .order_by(handoffs.c.follow_at, handoffs.c.id)
        .limit(1)
    )
    row = session.execute(query).first()
    return _row(row) if row else None


def follow_again(session: Session, custodian_id: int, handoff_id: str, *, at: datetime) -> None:
    """Set when the Task is to be looked at next."""
    session.execute(sa.update(handoffs).where(_mine(custodian_id, handoff_id)).values(follow_at=at))


def follow_all_by(
    session: Session, custodian_id: int, partner: str, closed: tuple[str, ...], *, at: datetime
) -> int:
    """Look at all open Tasks at a partner by this instant; returns how many they are."""
    open_there = sa.and_(
        handoffs.c.custodian_id == custodian_id,
        handoffs.c.partner == partner,
        handoffs.c.task_reference.is_not(None),
        handoffs.c.status.not_in(closed),
    )
    later = sa.or_(handoffs.c.follow_at > at, handoffs.c.follow_at.is_(None))
    session.execute(sa.update(handoffs).where(open_there & later).values(follow_at=at))
    counted = sa.select(sa.func.count()).select_from(handoffs).where(open_there)
    return int(session.execute(counted).scalar_one())


def follow_later(session: Session, custodian_id: int, partner: str, *, until: datetime) -> None:
    """Look at none of a partner's Tasks before this instant."""
    session.execute(
        sa.update(handoffs)
        .where(handoffs.c.custodian_id == custodian_id, handoffs.c.partner == partner)
        .where(handoffs.c.task_reference.is_not(None), handoffs.c.follow_at < until)
        .values(follow_at=until)
    )


def follow_due_at(session: Session, custodian_id: int, closed: tuple[str, ...]) -> datetime | None:
    """When the next Task is to be looked at; None if none is followed."""
    query = (
        sa.select(sa.func.min(handoffs.c.follow_at))
        .where(handoffs.c.custodian_id == custodian_id)
        .where(handoffs.c.task_reference.is_not(None), handoffs.c.status.not_in(closed))
    )
    moment: datetime | None = session.execute(query).scalar()
    return moment


def _mine(custodian_id: int, handoff_id: str) -> sa.ColumnElement[bool]:
    return (handoffs.c.custodian_id == custodian_id) & (handoffs.c.id == handoff_id)


def _row(row: sa.Row[Any]) -> HandoffRow:
    return HandoffRow(
        row.id,
        row.kind,
        row.source_system,
        row.record_id,
        row.document_version,
        row.partner,
        row.patient_key,
        row.status,
        row.created_at,
        row.updated_at,
        row.task_reference,
        row.task_version,
        row.order_reference,
        row.details,
    )
