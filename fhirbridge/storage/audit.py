"""The audit: a row for each request, each chained to the one before, so that changes show.

An entry of a batch that writes has a row of its own.

The hash of a row covers the hash before it and everything that the row says. Whoever changes or
removes a row must make all later hashes again; noting the last one elsewhere shows that too.
Source: 42 CFR 2.16, 2.25; design.md section 9
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.records import record
from fhirbridge.storage import alerts, tables
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.instants import from_millis, to_millis
from fhirbridge.storage.session import Row, Session, Statement

Verdict: TypeAlias = Literal["own", "permit", "received", "withhold", "emergency", "failed"]

FIRST_HASH = bytes(32)

_a = tables.audit_events.c
_p = tables.audit_patients.c
_LAST = Statement(
    sa.select(_a.id, _a.hash)
    .where(_a.custodian_id == bindparam("custodian_id"))
    .order_by(_a.id.desc())
    .limit(sa.literal_column("1"))
)
_COLUMNS = (_a.id, _a.recorded_at, _a.action, _a.decision, _a.patient_key, _a.entry, _a.hash)
_INSERT = Statement(
    sa.insert(tables.audit_events),
    columns=("custodian_id", *(column.name for column in _COLUMNS)),
)
_INSERT_PATIENT = Statement(
    sa.insert(tables.audit_patients), columns=("custodian_id", "patient_key", "audit_id")
)
_AFTER = Statement(
    sa.select(*_COLUMNS)
    .where(_a.custodian_id == bindparam("custodian_id"), _a.id > bindparam("after"))
    .order_by(_a.id)
    .limit(bindparam("count", type_=sa.Integer))
)
_BATCH = 1000
# Made once: json.dumps would make an encoder for every call.
_json = json.JSONEncoder(separators=(",", ":")).encode
_sorted_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


@record(kw_only=True)
class AuditRow:
    """One request. `entry` holds caller, purpose, ids and reasons, but no clinical values."""

    id: int
    recorded_at: datetime
    action: str
    decision: str
    patient_keys: frozenset[int]
    entry: dict[str, Any]
    hash: bytes = b""


@record(kw_only=True)
class Event:
    """What a new row says, before it has its number and its hash; `entry` is JSON text."""

    custodian_id: int
    recorded_at: int
    action: str
    decision: str
    patient_keys: tuple[int, ...]
    entry: str


def event(
    custodian_id: int,
    *,
    recorded_at: datetime,
    action: str,
    decision: Verdict,
    patient_keys: frozenset[int],
    entry: dict[str, Any],
) -> Event:
    """A new row for `append`."""
    return Event(
        custodian_id=custodian_id,
        recorded_at=to_millis(recorded_at),
        action=action,
        decision=decision,
        patient_keys=tuple(sorted(patient_keys)),
        entry=_sorted_json(entry),
    )


def append(session: Session, events: Sequence[Event]) -> int:
    """Add rows to the chain and return the number of the last.

    Writers are serialised, so nobody forks it.
    """
    ends: dict[int, tuple[int, bytes]] = {}
    number = 0
    for each in events:
        custodian_id, keys = each.custodian_id, each.patient_keys
        last, before = ends.get(custodian_id) or _end(session, custodian_id)
        number = last + 1
        patient_key = -1 if len(keys) > 1 else sum(keys)
        row = (
            custodian_id,
            number,
            each.recorded_at,
            each.action,
            each.decision,
            patient_key,
            each.entry,
        )
        made = _hash(before, row, keys if len(keys) > 1 else ())
        ends[custodian_id] = number, made
        session.add(_INSERT, ((*row, made),))
        if each.decision == "emergency":
            _alert(session, each)
        if len(keys) > 1:
            session.add(_INSERT_PATIENT, [(custodian_id, key, number) for key in keys])
    return number


def alert_key(entry: Mapping[str, Any], patient_keys: Iterable[int]) -> str:
    """What the alert of an emergency is about: who asked, and about whom."""
    patients = " ".join(map(str, sorted(patient_keys)))
    return f"emergency {entry.get('client', '')} {patients}"


def _alert(session: Session, event: Event) -> None:
    """Tell the program of emergency access: it is to be reviewed. Source: 42 CFR 2.51"""
    entry = json.loads(event.entry)
    told = {name: entry[name] for name in ("recipient", "actor") if name in entry}
    alert = Alert(
        alert_key(entry, event.patient_keys),
        "emergency",
        from_millis(event.recorded_at),
        patient_key=event.patient_keys[0] if len(event.patient_keys) == 1 else 0,
        details=told,
    )
    alerts.raise_once(session, event.custodian_id, alert)


def _end(session: Session, custodian_id: int) -> tuple[int, bytes]:
    """Number and hash of the last row of a chain."""
    last = session.row(_LAST, custodian_id=custodian_id)
    return (last[0], bytes(last[1])) if last else (0, FIRST_HASH)


def walk(session: Session, custodian_id: int, *, after: int = 0) -> Iterator[AuditRow]:
    """Every row in the order of the chain."""
    while True:
        rows = session.rows(_AFTER, custodian_id=custodian_id, after=after, count=_BATCH)
        for row in rows:
            yield _row(session, custodian_id, row)
        if len(rows) < _BATCH:
            return
        after = rows[-1][0]


def find(
    session: Session,
    custodian_id: int,
    *,
    patient_key: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    action: str = "",
    decisions: tuple[str, ...] = (),
    before: int | None = None,
    limit: int = 1000,
) -> list[AuditRow]:
    """Rows, newest first, of one patient, in a time, of an action, with some decisions.

    `before` continues below a number.
    """
    where = [_a.custodian_id == custodian_id]
    if until is not None:
        where.append(_a.recorded_at <= until)
    if before is not None:
        where.append(_a.id < before)
    if patient_key is not None:
        of_several = sa.select(_p.audit_id).where(
            _p.custodian_id == custodian_id, _p.patient_key == patient_key
        )
        where.append(sa.or_(_a.patient_key == patient_key, _a.id.in_(of_several)))
    if since is not None:
        where.append(_a.recorded_at >= since)
    if action:
        where.append(_a.action == action)
    if decisions:
        where.append(_a.decision.in_(decisions))
    query = sa.select(*_COLUMNS).where(*where).order_by(_a.id.desc()).limit(limit)
    found = []
    for row in session.execute(query):
        number, recorded_at, *rest = tuple(row)
        found.append(_row(session, custodian_id, (number, to_millis(recorded_at), *rest)))
    return found


def get(session: Session, custodian_id: int, number: int) -> AuditRow | None:
    """One row by its number."""
    rows = session.rows(_AFTER, custodian_id=custodian_id, after=number - 1, count=1)
    return _row(session, custodian_id, rows[0]) if rows and rows[0][0] == number else None


@record()
class Checked:
    """What a check of the chain found: how many rows, the last hash, and the first bad row or 0."""

    rows: int
    last_hash: str
    broken_at: int


def check(session: Session, custodian_id: int) -> Checked:
    """Compute every hash again."""
    before, count = FIRST_HASH, 0
    for found in walk(session, custodian_id):
        count += 1
        several = sorted(found.patient_keys) if len(found.patient_keys) > 1 else []
        row = (
            custodian_id,
            found.id,
            to_millis(found.recorded_at),
            found.action,
            found.decision,
            -1 if several else next(iter(found.patient_keys), 0),
            _sorted_json(found.entry),
        )
        if found.id != count or _hash(before, row, several) != found.hash:
            return Checked(count, before.hex(), count)
        before = found.hash
    return Checked(count, before.hex(), 0)


def _hash(before: bytes, row: Row, several: Sequence[int]) -> bytes:
    return sha256(before + _json([*row, several]).encode()).digest()


def _row(session: Session, custodian_id: int, row: Row) -> AuditRow:
    keys = frozenset({row[4]} - {0})
    if row[4] == -1:
        found = sa.select(_p.patient_key).where(
            _p.custodian_id == custodian_id, _p.audit_id == row[0]
        )
        keys = frozenset(each[0] for each in session.execute(found))
    return AuditRow(
        id=row[0],
        recorded_at=from_millis(row[1]),
        action=row[2],
        decision=row[3],
        patient_keys=keys,
        entry=json.loads(row[5]),
        hash=bytes(row[6]),
    )
