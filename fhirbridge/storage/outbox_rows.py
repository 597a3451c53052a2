"""Reading the outbox: its rows without their bodies, and the attempts made for each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import outbox, outbox_attempts
from fhirbridge.workflow.words import DeliveryState

_o = outbox.c
_WITHOUT_BODY = [column for column in outbox.c if column.name != "body"]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row without its body."""

    id: int
    handoff_id: str
    partner: str
    patient_key: int
    sequence: int
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    lease_owner: str | None
    lease_expires_at: datetime | None
    policy: JsonObject
    body_hash: bytes
    last_verdict: str | None
    last_error_class: str | None
    last_status: int | None
    result: dict[str, str]
    enqueued_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One attempt; `finished_at` is None while it runs, or for ever if its process died."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    verdict: str | None
    error_class: str | None
    status: int | None
    details: JsonObject


def get(session: Session, custodian_id: int, outbox_id: int) -> OutboxRow | None:
    """One row, or None."""
    query = sa.select(*_WITHOUT_BODY).where(_o.custodian_id == custodian_id, _o.id == outbox_id)
    row = session.execute(query).first()
    return row_of(row) if row else None


def body_of(session: Session, custodian_id: int, outbox_id: int) -> bytes:
    """The Bundle of a row, as it was enqueued."""
    query = sa.select(_o.body).where(_o.custodian_id == custodian_id, _o.id == outbox_id)
    body: bytes = session.execute(query).scalar_one()
    return body


def of_handoff(session: Session, custodian_id: int, handoff_id: str) -> list[OutboxRow]:
    """The rows of a handoff, newest first."""
    query = (
        sa.select(*_WITHOUT_BODY)
        .where(_o.custodian_id == custodian_id, _o.handoff_id == handoff_id)
        .order_by(_o.id.desc())
    )
    return [row_of(row) for row in session.execute(query)]


def delivered_to(
    session: Session, custodian_id: int, partner: str, *, patient_key: int
) -> list[OutboxRow]:
    """What a partner got for a patient, newest first."""
    query = (
        sa.select(*_WITHOUT_BODY)
        .where(_o.custodian_id == custodian_id, _o.partner == partner)
        .where(_o.patient_key == patient_key, _o.state == DeliveryState.DELIVERED.value)
        .order_by(_o.id.desc())
    )
    return [row_of(row) for row in session.execute(query)]


def list_rows(
    session: Session,
    custodian_id: int,
    *,
    states: tuple[DeliveryState, ...] = (),
    partner: str = "",
    limit: int = 100,
) -> list[OutboxRow]:
    """Rows, newest first, of these states and this partner if given."""
    query = sa.select(*_WITHOUT_BODY).where(_o.custodian_id == custodian_id).order_by(_o.id.desc())
    if states:
        query = query.where(_o.state.in_([state.value for state in states]))
    if partner:
        query = query.where(_o.partner == partner)
    return [row_of(row) for row in session.execute(query.limit(limit))]


def count(session: Session, custodian_id: int, *, partner: str, state: DeliveryState) -> int:
    """How many rows of a partner are in a state."""
    query = sa.select(sa.func.count()).where(
        _o.custodian_id == custodian_id, _o.partner == partner, _o.state == state.value
    )
    return int(session.execute(query).scalar_one())


def oldest_queued(
    session: Session, custodian_id: int, partner: str, *, limit: int
) -> list[OutboxRow]:
    """The queued rows of a partner, those first that wait longest."""
    query = (
        sa.select(*_WITHOUT_BODY)
        .where(_o.custodian_id == custodian_id, _o.partner == partner)
        .where(_o.state == DeliveryState.QUEUED.value)
        .order_by(_o.enqueued_at, _o.id)
        .limit(limit)
    )
    return [row_of(row) for row in session.execute(query)]


def attempts_of(session: Session, custodian_id: int, outbox_id: int) -> list[AttemptRow]:
    """The attempts of a row, first one first."""
    columns = outbox_attempts.c
    query = (
        sa.select(outbox_attempts)
        .where(columns.custodian_id == custodian_id, columns.outbox_id == outbox_id)
        .order_by(columns.number)
    )
    return [
        AttemptRow(
            row.number,
            row.started_at,
            row.finished_at,
            row.verdict,
            row.error_class,
            row.status,
            row.details or {},
        )
        for row in session.execute(query)
    ]


def row_of(row: sa.Row[Any]) -> OutboxRow:
    return OutboxRow(
        row.id,
        row.handoff_id,
        row.partner,
        row.patient_key,
        row.sequence,
        DeliveryState(row.state),
        row.attempts,
        row.next_attempt_at,
        row.lease_owner,
        row.lease_expires_at,
        row.policy,
        row.body_hash,
        row.last_verdict,
        row.last_error_class,
        row.last_status,
        row.result or {},
        row.enqueued_at,
        row.finished_at,
    )
