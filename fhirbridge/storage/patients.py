"""The patients of a custodian, and everything that is current about one of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import tables
from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

_r = tables.resources.c
_v = tables.resource_versions.c
_p = tables.resource_patients.c
_KEYS = Statement(
    sa.select(_r.reference_key).where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.resource_type == sa.literal_column("'Patient'"),
        _r.deleted == sa.false(),
    )
)
_ABOUT = Statement(
    sa.select(*COLUMNS)
    .join_from(tables.resources, tables.resource_versions, _v.seq == _r.seq)
    .where(
        _r.custodian_id == bindparam("custodian_id"),
        sa.or_(
            _r.patient_key == bindparam("patient_key"),
            _r.key.in_(
                sa.select(_p.resource_key).where(_p.patient_key == bindparam("patient_key"))
            ),
        ),
        _r.deleted == sa.false(),
    )
    .order_by(_r.key)
)
_KEY = Statement(
    sa.select(_r.key).where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.reference_key == bindparam("reference_key"),
    )
)


def keys(session: Session, custodian_id: int) -> frozenset[int]:
    """The keys of all patients."""
    return frozenset(row[0] for row in session.rows(_KEYS, custodian_id=custodian_id))


def versions(session: Session, custodian_id: int, patient_key: int) -> list[ResourceVersion]:
    """The current version of every resource about a patient."""
    rows = session.rows(_ABOUT, custodian_id=custodian_id, patient_key=patient_key)
    return [version_of(row) for row in rows]


def resource_keys(
    session: Session, custodian_id: int, reference_keys: Sequence[int]
) -> tuple[int, ...]:
    """The keys of the rows of resources."""
    return tuple(
        row[0]
        for key in reference_keys
        for row in session.rows(_KEY, custodian_id=custodian_id, reference_key=key)
    )
