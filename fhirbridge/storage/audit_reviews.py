"""Which emergencies a person has reviewed."""

from datetime import datetime

import sqlalchemy as sa

from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import audit_reviews

_r = audit_reviews.c


def reviewed(session: Session, custodian_id: int) -> frozenset[int]:
    """Numbers of audit rows that were reviewed."""
    found = session.execute(sa.select(_r.audit_id).where(_r.custodian_id == custodian_id))
    return frozenset(row[0] for row in found)


def add(
    session: Session, custodian_id: int, number: int, *, by: str, outcome: str, at: datetime
) -> None:
    """Note a review."""
    session.execute(
        sa.insert(audit_reviews).values(
            custodian_id=custodian_id,
            audit_id=number,
            reviewed_by=by,
            outcome=outcome,
            reviewed_at=at,
        )
    )
