"""Native documents by identity and version."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import tables
from fhirbridge.storage.session import Session

_d = tables.documents.c
_v = tables.document_versions.c


@dataclass(frozen=True, slots=True)
class DocumentKey:
    """What identifies a document: its kind, the source system and the source's record id."""

    kind: str
    source_system: str
    record_id: str


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """The current version of a document; `content` is the JSON as it came in."""

    document_id: int
    key: DocumentKey
    version: int
    updated_at: datetime
    received_at: datetime
    content: bytes
    content_hash: bytes
    conversion: JsonObject


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version about to be stored; `encoded` is what it became (`conversion.statements.pack`)."""

    key: DocumentKey
    version: int
    updated_at: datetime
    content: bytes
    content_hash: bytes
    conversion: JsonObject
    encoded: bytes
    patient_key: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A document in a list, without its content."""

    document_id: int
    key: DocumentKey
    version: int
    updated_at: datetime
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page of a list ended."""

    updated_at: datetime
    document_id: int


_CURRENT = sa.select(
    _d.id,
    _d.kind,
    _d.source_system,
    _d.record_id,
    _d.version,
    _d.updated_at,
    _d.received_at,
    _v.content,
    _v.content_hash,
    _v.conversion,
).join_from(
    tables.documents,
    tables.document_versions,
    sa.and_(_v.document_id == _d.id, _v.version == _d.version),
)


def find(session: Session, custodian_id: int, key: DocumentKey) -> StoredDocument | None:
    """The current version of a document, if it is known."""
    row = session.execute(
        _CURRENT.where(
            _d.custodian_id == custodian_id,
            _d.kind == key.kind,
            _d.source_system == key.source_system,
            _d.record_id == key.record_id,
        )
    ).first()
    return _stored(row) if row else None


def get(session: Session, custodian_id: int, document_id: int) -> StoredDocument | None:
    """The current version of the document with this row id."""
    query = _CURRENT.where(_d.custodian_id == custodian_id, _d.id == document_id)
    row = session.execute(query).first()
    return _stored(row) if row else None


def with_record_id(
    session: Session, custodian_id: int, record_id: str, *, kind: str = ""
) -> list[StoredDocument]:
    """All documents with a record id, of any source, and of any kind unless one is named."""
    query = _CURRENT.where(_d.custodian_id == custodian_id, _d.record_id == record_id)
    if kind:
        query = query.where(_d.kind == kind)
    return [_stored(row) for row in session.execute(query.order_by(_d.kind, _d.source_system))]


def page(
    session: Session,
    custodian_id: int,
    kind: str,
    *,
    source_system: str = "",
    since: datetime | None = None,
    after: Position | None = None,
    limit: int = 50,
) -> list[Listed]:
    """Documents of a kind in the order of the source's `updatedAt`, oldest first."""
    query = sa.select(
        _d.id, _d.kind, _d.source_system, _d.record_id, _d.version, _d.updated_at, _d.received_at
    ).where(_d.custodian_id == custodian_id, _d.kind == kind)
    if source_system:
        query = query.where(_d.source_system == source_system)
    if since is not None:
        query = query.where(_d.updated_at >= since)
    if after is not None:
        same = sa.and_(_d.updated_at == after.updated_at, _d.id > after.document_id)
        query = query.where(sa.or_(_d.updated_at > after.updated_at, same))
    rows = session.execute(query.order_by(_d.updated_at, _d.id).limit(limit))
    return [Listed(row.id, _key(row), row.version, row.updated_at, row.received_at) for row in rows]


def every_id(session: Session, custodian_id: int, *, kind: str) -> Iterator[int]:
    """The row ids of all documents of a kind, oldest first."""
    query = sa.select(_d.id).where(_d.custodian_id == custodian_id, _d.kind == kind)
    for row in session.execute(query.order_by(_d.id)):
        yield int(row.id)


def encoded_of(session: Session, document_id: int) -> bytes:
    """What the current version of a document became."""
    query = sa.select(_d.encoded).where(_d.id == document_id)
    return bytes(session.execute(query).scalar_one())


def put(session: Session, custodian_id: int, new: NewVersion, *, now: datetime) -> int:
    """Store a version as the current one; returns the document's id."""
    current: dict[str, Any] = {
        "version": new.version,
        "updated_at": new.updated_at,
        "received_at": now,
        "encoded": new.encoded,
        "patient_key": new.patient_key,
        "content_class": "",
    }
    known = find(session, custodian_id, new.key)
    if known is None:
        insert = sa.insert(tables.documents).values(
            custodian_id=custodian_id,
            kind=new.key.kind,
            source_system=new.key.source_system,
            record_id=new.key.record_id,
            **current,
        )
        document_id = int(session.execute(insert.returning(_d.id)).scalar_one())
    else:
        document_id = known.document_id
        session.execute(sa.update(tables.documents).where(_d.id == document_id).values(**current))
    session.execute(
        sa.insert(tables.document_versions).values(
            document_id=document_id,
            version=new.version,
            custodian_id=custodian_id,
            content=new.content,
            content_hash=new.content_hash,
            conversion=new.conversion,
            received_at=now,
            patient_key=new.patient_key,
            content_class="",
        )
    )
    return document_id


def reconvert(
    session: Session, document_id: int, version: int, *, conversion: JsonObject, encoded: bytes
) -> None:
    """Note what another mapping made of the current version; its content stays."""
    mine = (_v.document_id == document_id) & (_v.version == version)
    session.execute(sa.update(tables.document_versions).where(mine).values(conversion=conversion))
    session.execute(sa.update(tables.documents).where(_d.id == document_id).values(encoded=encoded))


def _key(row: Any) -> DocumentKey:
    return DocumentKey(row.kind, row.source_system, row.record_id)


def _stored(row: Any) -> StoredDocument:
    return StoredDocument(
        row.id,
        _key(row),
        row.version,
        row.updated_at,
        row.received_at,
        bytes(row.content),
        bytes(row.content_hash),
        row.conversion,
    )
