"""The patients of a custodian, and everything that is current about one of them."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.records import record
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
_COUNTED = Statement(
    sa.select(_r.content_class, _r.resource_type, sa.func.count())
    .where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.patient_key == bindparam("patient_key"),
        _r.deleted == sa.false(),
    )
    .group_by(_r.content_class, _r.resource_type)
)
_OF_GROUP = Statement(
    sa.select(*COLUMNS)
    .join_from(tables.resources, tables.resource_versions, _v.seq == _r.seq)
    .where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.patient_key == bindparam("patient_key"),
        _r.content_class == bindparam("content_class"),
        _r.resource_type == bindparam("resource_type"),
        _r.deleted == sa.false(),
    )
)
_SHARED = Statement(
    sa.select(_r.key, _r.resource_type, _r.resource_id, _r.content_class)
    .join_from(tables.resource_patients, tables.resources, _r.key == _p.resource_key)
    .where(
        _p.custodian_id == bindparam("custodian_id"),
        _p.patient_key == bindparam("patient_key"),
        _r.deleted == sa.false(),
    )
)
_PATIENTS = Statement(sa.select(_p.patient_key).where(_p.resource_key == bindparam("resource_key")))
_WRITTEN = Statement(
    sa.select(_r.patient_key)
    .distinct()
    .join_from(tables.resource_versions, tables.resources, _r.key == _v.resource_key)
    .where(_v.seq > bindparam("after"), _v.custodian_id == bindparam("custodian_id"))
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


@record()
class Counted:
    """How many current resources of one class and type are about one patient alone."""

    content_class: str
    resource_type: str
    count: int


@record()
class Shared:
    """A current resource about several patients."""

    key: int
    resource_type: str
    resource_id: str
    content_class: str
    patient_keys: frozenset[int]


def counts(session: Session, custodian_id: int, patient_key: int) -> list[Counted]:
    """What is about one patient alone, counted without reading it."""
    rows = session.rows(_COUNTED, custodian_id=custodian_id, patient_key=patient_key)
    return [Counted(*row) for row in rows]


def of_group(
    session: Session, custodian_id: int, patient_key: int, group: Counted
) -> list[ResourceVersion]:
    """The current version of what was counted together."""
    rows = session.rows(
        _OF_GROUP,
        custodian_id=custodian_id,
        patient_key=patient_key,
        content_class=group.content_class,
        resource_type=group.resource_type,
    )
    return [version_of(row) for row in rows]


def shared(session: Session, custodian_id: int, patient_key: int) -> list[Shared]:
    """What is about a patient and others, without its content."""
    found = []
    for row in session.rows(_SHARED, custodian_id=custodian_id, patient_key=patient_key):
        key, resource_type, resource_id, content_class = row
        whose = frozenset(one[0] for one in session.rows(_PATIENTS, resource_key=key))
        found.append(Shared(key, resource_type, resource_id, content_class, whose))
    return found


def written_after(session: Session, custodian_id: int, seq: int) -> frozenset[int]:
    """The patients about whom something was written after this version; -1 for several at once."""
    rows = session.rows(_WRITTEN, custodian_id=custodian_id, after=seq)
    return frozenset(row[0] for row in rows)


def resource_keys(
    session: Session, custodian_id: int, reference_keys: Sequence[int]
) -> tuple[int, ...]:
    """The keys of the rows of resources."""
    return tuple(
        row[0]
        for key in reference_keys
        for row in session.rows(_KEY, custodian_id=custodian_id, reference_key=key)
    )
