"""Rows of handoffs: one per document and partner, with what the partner's Task said last."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import handoffs


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


def get(session: Session, custodian_id: int, handoff_id: str) -> HandoffRow | None:
    """The handoff with this id, or None."""
    row = session.execute(sa.select(handoffs).where(_mine(custodian_id, handoff_id))).first()
    return _row(row) if row else None


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
    now: datetime,
) -> None:
    """Keep where the partner holds the Task and what it asks for; it is looked at from now on."""
    session.execute(
        sa.update(handoffs)
        .where(_mine(custodian_id, handoff_id))
        .values(
            task_reference=task_reference,
            order_reference=order_reference,
            follow_at=now,
            updated_at=now,
        )
    )


def note_task(
    session: Session,
    custodian_id: int,
    handoff_id: str,
    *,
    known_version: str | None,
    status: str,
    version: str,
    details: JsonObject,
    now: datetime,
) -> bool:
    """Keep what a partner's Task said. False if someone else noted another version meanwhile."""
    known = (
        handoffs.c.task_version.is_(None)
        if known_version is None
        else handoffs.c.task_version == known_version
    )
    changed = session.execute(
        sa.update(handoffs)
        .where(_mine(custodian_id, handoff_id) & known)
        .values(status=status, task_version=version, details=details, updated_at=now)
    )
    return changed.rowcount == 1


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


def follow_again(session: Session, custodian_id: int, handoff_id: str, *, at: datetime) -> None:
    """Set when the Task is to be looked at next."""
    session.execute(sa.update(handoffs).where(_mine(custodian_id, handoff_id)).values(follow_at=at))


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
