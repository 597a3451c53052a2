"""One row per version of a resource: what it holds, and how it is written.

`seq` counts the versions of the whole database without a gap, in the order of commits.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.records import record
from fhirbridge.storage import tables
from fhirbridge.storage.instants import from_millis
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Row, Session, Statement


@record()
class ResourceVersion:
    """One version of one resource, never changed. `content` is its JSON, empty for a deletion."""

    key: int
    seq: int
    resource_type: str
    resource_id: str
    version_id: int
    updated: int  # when: milliseconds since 1970
    method: str  # of the interaction that made it
    deleted: bool
    content: bytes
    patient_key: int = 0  # of storage.keys: whose it is
    content_class: str = ""  # of consent.classes: what it is about

    @property
    def reference(self) -> str:
        """The relative reference, e.g. `Patient/p1`."""
        return f"{self.resource_type}/{self.resource_id}"

    @property
    def last_updated(self) -> datetime:
        """When it was written; a new object on every call, for searches do not ask."""
        return from_millis(self.updated)


@record()
class Labels:
    """What disclosure asks about a row: whose it is, and which class of content it holds."""

    custodian_id: int
    patient_key: int
    content_class: str


_r = tables.resources.c
_v = tables.resource_versions.c
COLUMNS = (
    _v.resource_key,
    _v.seq,
    _v.resource_type,
    _v.resource_id,
    _v.version_id,
    _v.last_updated,
    _v.method,
    _v.deleted,
    _v.content,
    _v.patient_key,
    _v.content_class,
)

_feed = tables.feed.c
_LAST_SEQ = Statement(sa.select(_feed.seq))
_ADVANCE = Statement(sa.update(tables.feed).values(seq=bindparam("reached")))
_INSERT_RESOURCE = Statement(
    sa.insert(tables.resources),
    columns=[
        "key",
        "custodian_id",
        "resource_type",
        "resource_id",
        "reference_key",
        "seq",
        "version_id",
        "last_updated",
        "deleted",
        "patient_key",
        "content_class",
    ],
    rank=0,
)
_UPDATE_RESOURCE = Statement(
    sa.update(tables.resources)
    .where(_r.key == bindparam("of_key"))
    .values(
        seq=bindparam("new_seq"),
        version_id=bindparam("new_version_id"),
        last_updated=bindparam("new_last_updated"),
        deleted=bindparam("new_deleted"),
        patient_key=bindparam("new_patient_key"),
        content_class=bindparam("new_content_class"),
    )
)
_CLASSIFY = Statement(
    sa.update(tables.resource_versions)
    .where(
        _v.resource_key == bindparam("of_key"),
        sa.or_(
            _v.content_class == sa.literal_column("''"),
            _v.content_class == bindparam("old_content_class"),
        ),
    )
    .values(content_class=bindparam("new_content_class"))
)
_INSERT_VERSION = Statement(
    sa.insert(tables.resource_versions),
    columns=[
        "seq",
        "custodian_id",
        "resource_key",
        "resource_type",
        "resource_id",
        "version_id",
        "last_updated",
        "method",
        "deleted",
        "content",
        "patient_key",
        "content_class",
    ],
)
_LABELS = Statement(
    sa.select(_r.custodian_id, _r.patient_key, _r.content_class).where(
        _r.key == bindparam("of_key")
    )
)


def version_of(row: Row) -> ResourceVersion:
    """The version in a row of COLUMNS."""
    return ResourceVersion(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        row[6],
        bool(row[7]),
        bytes(row[8]),
        row[9],
        row[10],
    )


def last_seq(session: Session) -> int:
    """The number of the newest version."""
    row = session.row(_LAST_SEQ)
    assert row is not None  # noqa: S101
    return int(row[0])


def next_seq(session: Session) -> int:
    """The number of the next version; writers are serialised, so nobody else gets it."""
    if not session.seq:
        session.seq = last_seq(session)
    session.seq += 1
    session.put(_ADVANCE, (session.seq,))
    return session.seq


def labels_of(session: Session, key: int) -> Labels:
    """The labels of a resource's current version."""
    row = session.row(_LABELS, of_key=key)
    return Labels(*row) if row else Labels(0, 0, "")


def insert_resource(session: Session, version: ResourceVersion, labels: Labels) -> None:
    """Add the row of a new resource."""
    row = (
        version.key,
        labels.custodian_id,
        version.resource_type,
        version.resource_id,
        key_of(version.reference),
        version.seq,
        version.version_id,
        version.updated,
        version.deleted,
        labels.patient_key,
        labels.content_class,
    )
    session.add(_INSERT_RESOURCE, (row,))


def point_to(session: Session, version: ResourceVersion, labels: Labels) -> None:
    """Make a version the current one of its resource."""
    session.rows(
        _UPDATE_RESOURCE,
        of_key=version.key,
        new_seq=version.seq,
        new_version_id=version.version_id,
        new_last_updated=version.updated,
        new_deleted=version.deleted,
        new_patient_key=labels.patient_key,
        new_content_class=labels.content_class,
    )


def classify(session: Session, key: int, content_class: str, *, before: str) -> None:
    """Give all versions of a resource that have no class, or the one from before, this one."""
    session.rows(_CLASSIFY, of_key=key, old_content_class=before, new_content_class=content_class)


def insert_version(session: Session, version: ResourceVersion, labels: Labels) -> None:
    """Add the row of a version."""
    row = (
        version.seq,
        labels.custodian_id,
        version.key,
        version.resource_type,
        version.resource_id,
        version.version_id,
        version.updated,
        version.method,
        version.deleted,
        version.content,
        labels.patient_key,
        labels.content_class,
    )
    session.add(_INSERT_VERSION, (row,))
