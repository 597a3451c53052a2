"""The outbox: what is to be sent, under whose lease, how each attempt went.

A row is enqueued in the transaction of the data it carries. A claim takes a lease by
compare-and-set and is committed before anything is sent; the result is recorded by compare-and-set
on the same lease, so that a worker that lost it changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import circuits
from fhirbridge.storage.outbox_rows import OutboxRow, get, row_of
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import outbox, outbox_attempts
from fhirbridge.workflow.words import UNFINISHED, DeliveryState

_o = outbox.c
# what needs a person may have arrived: nothing of the same patient overtakes it
_BLOCKING = [state.value for state in (*UNFINISHED, DeliveryState.NEEDS_PERSON)]


@dataclass(frozen=True, slots=True)
class Item:
    """What is enqueued: a Bundle for a partner. `policy` is stamped and never changes."""

    handoff_id: str
    partner: str
    patient_key: int
    policy: JsonObject
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A leased row. `look_first`: an earlier attempt may have arrived."""

    row: OutboxRow
    body: bytes
    owner: str
    look_first: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, to be recorded."""

    state: DeliveryState
    verdict: str
    error_class: str | None = None
    status: int | None = None
    next_attempt_at: datetime | None = None
    result: Mapping[str, str] = field(default_factory=dict)
    details: JsonObject = field(default_factory=dict)


def enqueue(session: Session, custodian_id: int, item: Item, now: datetime) -> int:
    """Add a row behind all others of the same patient and partner; returns its id."""
    earlier = sa.select(sa.func.coalesce(sa.func.max(_o.sequence), 0)).where(
        _o.custodian_id == custodian_id,
        _o.partner == item.partner,
        _o.patient_key == item.patient_key,
    )
    inserted = session.execute(
        sa.insert(outbox).values(
            custodian_id=custodian_id,
            handoff_id=item.handoff_id,
            partner=item.partner,
            patient_key=item.patient_key,
            sequence=session.execute(earlier).scalar_one() + 1,
            state=DeliveryState.QUEUED.value,
            next_attempt_at=now,
            policy=item.policy,
            body=item.body,
            body_hash=sha256(item.body).digest(),
            enqueued_at=now,
        )
    )
    key = inserted.inserted_primary_key
    assert key is not None  # noqa: S101
    return int(key[0])


def replace_unsent(session: Session, custodian_id: int, handoff_id: str, now: datetime) -> int:
    """Mark queued rows of a handoff, of which certainly nothing was sent, as replaced."""
    changed = session.execute(
        sa.update(outbox)
        .where(_o.custodian_id == custodian_id, _o.handoff_id == handoff_id)
        .where(_o.state == DeliveryState.QUEUED.value, _o.result.is_(None))
        .where(sa.or_(_o.last_verdict.is_(None), _o.last_verdict == "retry"))
        .values(state=DeliveryState.REPLACED.value, finished_at=now)
    )
    return changed.rowcount


def claim(
    session: Session,
    custodian_id: int,
    owner: str,
    *,
    now: datetime,
    per_partner: int = 1,
    healthy_only: bool = False,
    closed: Sequence[str] = (),
) -> Claim | None:
    """Lease the next row that is due, or None.

    Skipped: rows behind an unfinished one of the same patient and partner, or behind one that
    needs a person; partners that have `per_partner` attempts under way, or whose circuit is open;
    and with `healthy_only` partners that an attempt failed at and who have not taken it yet. A
    partner whose pause is over is tried by one attempt at a time; `closed` partners are not sent
    to now. A lease that ran out is taken over.
    """
    skipped = [*closed, *_busy(session, custodian_id, now, per_partner)]
    open_circuits = circuits.tripped(session, custodian_id)
    if open_circuits:
        tried = set(_busy(session, custodian_id, now, 1))
        skipped += [
            one.partner
            for one in open_circuits
            if one.partner in tried or (one.open_until is not None and one.open_until > now)
        ]
    if healthy_only:
        skipped += _ailing(session, custodian_id)
    due = _first_due(session, custodian_id, now, skipped)
    if due is None:
        return None
    found = session.execute(sa.select(outbox).where(_o.id == due)).one()
    row = row_of(found)
    lease_seconds = float(row.policy.get("lease_seconds") or 120)
    taken = session.execute(
        sa.update(outbox)
        .where(_o.id == row.id, _o.state == row.state.value, _o.attempts == row.attempts)
        .values(
            state=DeliveryState.LEASED.value,
            attempts=row.attempts + 1,
            lease_owner=owner,
            lease_expires_at=now + timedelta(seconds=lease_seconds),
        )
    )
    if taken.rowcount != 1:
        return None
    session.execute(
        sa.insert(outbox_attempts).values(
            custodian_id=custodian_id, outbox_id=row.id, number=row.attempts + 1, started_at=now
        )
    )
    look_first = row.state is DeliveryState.LEASED or row.last_verdict == "unknown"
    leased = get(session, custodian_id, row.id)
    assert leased is not None  # noqa: S101
    return Claim(leased, found.body, owner, look_first)


# Written as it is in the indexes of one state only, so that they are used.
_IS_LEASED = _o.state == sa.literal_column("'leased'")
_IS_QUEUED = _o.state == sa.literal_column("'queued'")


def _busy(session: Session, custodian_id: int, now: datetime, per_partner: int) -> list[str]:
    count = sa.func.count()
    query = (
        sa.select(_o.partner)
        .where(_o.custodian_id == custodian_id, _IS_LEASED, _o.lease_expires_at >= now)
        .group_by(_o.partner)
        .having(count >= per_partner)
    )
    return list(session.execute(query).scalars())


def _ailing(session: Session, custodian_id: int) -> list[str]:
    query = (
        sa.select(_o.partner)
        .where(_o.custodian_id == custodian_id, _IS_QUEUED, _o.last_verdict.is_not(None))
        .distinct()
    )
    return list(session.execute(query).scalars())


def _first_due(
    session: Session, custodian_id: int, now: datetime, skipped: list[str]
) -> int | None:
    """The id of the row to be leased next: first one whose lease ran out, then in order."""
    ahead = outbox.alias("ahead")
    blocked = (
        sa.select(ahead.c.id)
        .where(ahead.c.custodian_id == _o.custodian_id, ahead.c.partner == _o.partner)
        .where(ahead.c.patient_key == _o.patient_key, ahead.c.sequence < _o.sequence)
        .where(ahead.c.state.in_(_BLOCKING))
    )
    ran_out = sa.and_(_IS_LEASED, _o.lease_expires_at < now)
    waits = sa.and_(_IS_QUEUED, _o.next_attempt_at <= now)
    for condition in (ran_out, waits):
        query = (
            sa.select(_o.id)
            .where(_o.custodian_id == custodian_id, condition, _o.partner.not_in(skipped))
            .where(~blocked.exists())
            .order_by(_o.next_attempt_at, _o.id)
            .limit(1)
        )
        found = session.execute(query).scalar()
        if found is not None:
            return int(found)
    return None


def note_progress(
    session: Session, claimed: Claim, locations: Mapping[str, str] | None = None, *, now: datetime
) -> bool:
    """Extend the lease, and keep what is placed so far if given; False if the lease was lost."""
    lease_seconds = float(claimed.row.policy.get("lease_seconds") or 120)
    values: dict[str, Any] = {"lease_expires_at": now + timedelta(seconds=lease_seconds)}
    if locations is not None:
        values["result"] = dict(locations) or sa.null()
    changed = session.execute(sa.update(outbox).where(_held(claimed)).values(**values))
    return changed.rowcount == 1


def record(session: Session, claimed: Claim, ending: Ending, *, now: datetime) -> bool:
    """Write how an attempt ended; False, and nothing is changed, if the lease was lost."""
    finished = ending.state not in UNFINISHED
    changed = session.execute(
        sa.update(outbox)
        .where(_held(claimed))
        .values(
            state=ending.state.value,
            lease_owner=None,
            lease_expires_at=None,
            next_attempt_at=ending.next_attempt_at or now,
            last_verdict=ending.verdict,
            last_error_class=ending.error_class,
            last_status=ending.status,
            result=dict(ending.result) or sa.null(),
            finished_at=now if finished else None,
        )
    )
    if changed.rowcount != 1:
        return False
    session.execute(
        sa.update(outbox_attempts)
        .where(outbox_attempts.c.outbox_id == claimed.row.id)
        .where(outbox_attempts.c.number == claimed.row.attempts)
        .values(
            finished_at=now,
            verdict=ending.verdict,
            error_class=ending.error_class,
            status=ending.status,
            details=ending.details,
        )
    )
    return True


def _held(claimed: Claim) -> sa.ColumnElement[bool]:
    return (
        (_o.id == claimed.row.id)
        & (_o.state == DeliveryState.LEASED.value)
        & (_o.lease_owner == claimed.owner)
        & (_o.attempts == claimed.row.attempts)
    )


def next_due_at(session: Session, custodian_id: int) -> datetime | None:
    """When the next queued row is due or the next lease runs out; None if nothing waits."""
    queued = sa.select(sa.func.min(_o.next_attempt_at)).where(
        _o.custodian_id == custodian_id, _o.state == DeliveryState.QUEUED.value
    )
    leased = sa.select(sa.func.min(_o.lease_expires_at)).where(
        _o.custodian_id == custodian_id, _o.state == DeliveryState.LEASED.value
    )
    moments = [session.execute(query).scalar() for query in (queued, leased)]
    return min((moment for moment in moments if moment is not None), default=None)
