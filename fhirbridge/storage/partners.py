"""Rows of registered partners."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import partners


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A partner as it is stored."""

    name: str
    base_url: str
    settings: JsonObject
    capability: Resource | None
    capability_at: datetime | None
    created_at: datetime
    updated_at: datetime


def put(session: Session, custodian_id: int, row: PartnerRow) -> bool:
    """Add a partner, or replace the one of this name. True if it is new."""
    values = {
        "base_url": row.base_url,
        "settings": row.settings,
        "capability": row.capability,
        "capability_at": row.capability_at,
        "updated_at": row.updated_at,
    }
    changed = session.execute(
        sa.update(partners).where(_mine(custodian_id, row.name)).values(**values)
    )
    if changed.rowcount:
        return False
    session.execute(
        sa.insert(partners).values(
            custodian_id=custodian_id, name=row.name, created_at=row.created_at, **values
        )
    )
    return True


def get(
    session: Session, custodian_id: int, name: str, *, locked: bool = False
) -> PartnerRow | None:
    """The partner of this name, or None; `locked` against other writers until the commit."""
    query = sa.select(partners).where(_mine(custodian_id, name))
    row = session.execute(query.with_for_update() if locked else query).first()
    return _row(row) if row else None


def note_capability(
    session: Session, custodian_id: int, name: str, *, capability: Resource, at: datetime
) -> None:
    """Keep a CapabilityStatement, and nothing else."""
    session.execute(
        sa.update(partners)
        .where(_mine(custodian_id, name))
        .values(capability=capability, capability_at=at)
    )


def note_settings(
    session: Session, custodian_id: int, name: str, changes: JsonObject, *, now: datetime
) -> bool:
    """Change some of the settings; others may be changed meanwhile. False without the partner."""
    row = get(session, custodian_id, name, locked=True)
    if row is None:
        return False
    session.execute(
        sa.update(partners)
        .where(_mine(custodian_id, name))
        .values(settings={**row.settings, **changes}, updated_at=now)
    )
    return True


def all_of(session: Session, custodian_id: int) -> list[PartnerRow]:
    """All partners by name."""
    query = (
        sa.select(partners).where(partners.c.custodian_id == custodian_id).order_by(partners.c.name)
    )
    return [_row(row) for row in session.execute(query)]


def settings_of(session: Session, custodian_id: int) -> dict[str, JsonObject]:
    """The settings of all partners by name, without their CapabilityStatements."""
    query = sa.select(partners.c.name, partners.c.settings).where(
        partners.c.custodian_id == custodian_id
    )
    return {row.name: row.settings for row in session.execute(query)}


def _mine(custodian_id: int, name: str) -> sa.ColumnElement[bool]:
    return (partners.c.custodian_id == custodian_id) & (partners.c.name == name)


def _row(row: sa.Row[Any]) -> PartnerRow:
    return PartnerRow(
        row.name,
        row.base_url,
        row.settings,
        row.capability,
        row.capability_at,
        row.created_at,
        row.updated_at,
    )
