"""The current resources of one patient and type, for use cases that need all of them."""

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import tables
from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

_r = tables.resources.c
_v = tables.resource_versions.c
_CURRENT = Statement(
    sa.select(*COLUMNS)
    .join_from(tables.resources, tables.resource_versions, _v.seq == _r.seq)
    .where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.patient_key == bindparam("patient_key"),
        _r.resource_type == bindparam("resource_type"),
    )
    .order_by(_r.key)
)


def current(
    session: Session, custodian_id: int, resource_type: str, *, patient_key: int
) -> list[ResourceVersion]:
    """What is not deleted, oldest first."""
    rows = session.rows(
        _CURRENT,
        custodian_id=custodian_id,
        patient_key=patient_key,
        resource_type=resource_type,
    )
    return [one for row in rows if not (one := version_of(row)).deleted]
