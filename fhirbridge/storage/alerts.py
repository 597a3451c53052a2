"""Alerts: one row for each change that people have to know of, never one for each attempt."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import alerts

_a = alerts.c


@dataclass(frozen=True, slots=True)
class Alert:
    """What people are told. `key` is what it is about; `count` how often it came while open."""

    key: str
    kind: str
    opened_at: datetime
    handoff_id: str | None = None
    partner: str = ""
    patient_key: int = 0
    details: JsonObject = field(default_factory=dict)
    count: int = 1
    closed_at: datetime | None = None
    id: int = 0


def raise_once(session: Session, custodian_id: int, alert: Alert) -> bool:
    """Open an alert. False if one of this key is open already: then it is only counted."""
    still_open = (_a.custodian_id == custodian_id) & (_a.key == alert.key) & _a.closed_at.is_(None)
    counted = session.execute(sa.update(alerts).where(still_open).values(count=_a.count + 1))
    if counted.rowcount:
        return False
    session.execute(
        sa.insert(alerts).values(
            custodian_id=custodian_id,
            patient_key=alert.patient_key,
            key=alert.key,
            kind=alert.kind,
            handoff_id=alert.handoff_id,
            partner=alert.partner,
            details=alert.details,
            opened_at=alert.opened_at,
        )
    )
    return True


def close(session: Session, custodian_id: int, key: str, *, now: datetime) -> bool:
    """Close the open alert of this key; False if there is none."""
    still_open = (_a.custodian_id == custodian_id) & (_a.key == key) & _a.closed_at.is_(None)
    return bool(session.execute(sa.update(alerts).where(still_open).values(closed_at=now)).rowcount)


def close_of_handoff(
    session: Session, custodian_id: int, handoff_id: str, kinds: tuple[str, ...], *, now: datetime
) -> None:
    """Close the open alerts of these kinds about a handoff."""
    session.execute(
        sa.update(alerts)
        .where(_a.custodian_id == custodian_id, _a.handoff_id == handoff_id)
        .where(_a.kind.in_(kinds), _a.closed_at.is_(None))
        .values(closed_at=now)
    )


def list_alerts(
    session: Session,
    custodian_id: int,
    *,
    handoff_id: str = "",
    partner: str = "",
    with_closed: bool = False,
    limit: int = 100,
) -> list[Alert]:
    """Alerts, newest first; without closed ones unless asked for."""
    query = sa.select(alerts).where(_a.custodian_id == custodian_id).order_by(_a.id.desc())
    if handoff_id:
        query = query.where(_a.handoff_id == handoff_id)
    if partner:
        query = query.where(_a.partner == partner)
    if not with_closed:
        query = query.where(_a.closed_at.is_(None))
    return [_alert(row) for row in session.execute(query.limit(limit))]


def _alert(row: sa.Row[Any]) -> Alert:
    return Alert(
        row.key,
        row.kind,
        row.opened_at,
        row.handoff_id,
        row.partner,
        row.patient_key,
        row.details or {},
        row._mapping["count"],  # a row has a method of this name
        row.closed_at,
        row.id,
    )
