"""Which patients may be, are, or are not the same person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import patient_links

LinkState = Literal["candidate", "linked", "separate"]

_l = patient_links.c


@dataclass(frozen=True, slots=True)
class PatientLink:
    """A patient of our documents, another one, and what was decided; ids only."""

    patient_id: str
    other_id: str
    state: LinkState
    reason: str
    decided_by: str
    updated_at: datetime


def get(session: Session, custodian_id: int, one: str, other: str) -> PatientLink | None:
    """What is known of two patients, in either order."""
    query = sa.select(patient_links).where(
        _l.custodian_id == custodian_id,
        sa.tuple_(_l.patient_id, _l.other_id).in_([(one, other), (other, one)]),
    )
    row = session.execute(query).first()
    return _link(row) if row else None


def put(session: Session, custodian_id: int, link: PatientLink) -> None:
    """Note what is known of two patients now."""
    mine = (
        (_l.custodian_id == custodian_id)
        & (_l.patient_id == link.patient_id)
        & (_l.other_id == link.other_id)
    )
    values = {
        "state": link.state,
        "reason": link.reason,
        "decided_by": link.decided_by,
        "updated_at": link.updated_at,
    }
    if session.execute(sa.update(patient_links).where(mine).values(**values)).rowcount:
        return
    session.execute(
        sa.insert(patient_links).values(
            custodian_id=custodian_id,
            patient_id=link.patient_id,
            other_id=link.other_id,
            patient_key=key_of(f"Patient/{link.patient_id}"),
            content_class="identity",
            **values,
        )
    )


def all_of(session: Session, custodian_id: int) -> list[PatientLink]:
    """Every pair that was looked at, open ones first."""
    query = (
        sa.select(patient_links)
        .where(_l.custodian_id == custodian_id)
        .order_by(_l.state, _l.patient_id, _l.other_id)
    )
    return [_link(row) for row in session.execute(query)]


def _link(row: Any) -> PatientLink:
    return PatientLink(
        row.patient_id, row.other_id, row.state, row.reason, row.decided_by, row.updated_at
    )
