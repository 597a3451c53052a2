"""Native documents by identity and version, and the resources that each one made."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import tables
from fhirbridge.storage.session import Session

_d = tables.documents.c
_v = tables.document_versions.c
_l = tables.document_resources.c


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
    content: bytes
    content_hash: bytes
    conversion: JsonObject


@dataclass(frozen=True, slots=True)
class NewVersion:
    """A version about to be stored."""

    key: DocumentKey
    version: int
    updated_at: datetime
    content: bytes
    content_hash: bytes
    conversion: JsonObject
    patient_key: int


def find(session: Session, custodian_id: int, key: DocumentKey) -> StoredDocument | None:
    """The current version of a document, if it is known."""
    statement = (
        sa.select(_d.id, _d.version, _v.content, _v.content_hash, _v.conversion)
        .join_from(
            tables.documents,
            tables.document_versions,
            sa.and_(_v.document_id == _d.id, _v.version == _d.version),
        )
        .where(
            _d.custodian_id == custodian_id,
            _d.kind == key.kind,
            _d.source_system == key.source_system,
            _d.record_id == key.record_id,
        )
    )
    row = session.execute(statement).first()
    if row is None:
        return None
    return StoredDocument(row.id, key, row.version, row.content, row.content_hash, row.conversion)


def with_record_id(session: Session, custodian_id: int, record_id: str) -> list[StoredDocument]:
    """All documents with a record id, of any kind and source."""
    statement = sa.select(_d.kind, _d.source_system).where(
        _d.custodian_id == custodian_id, _d.record_id == record_id
    )
    keys = [
        DocumentKey(row.kind, row.source_system, record_id)
        for row in session.execute(statement.order_by(_d.kind, _d.source_system))
    ]
    return [found for key in keys if (found := find(session, custodian_id, key)) is not None]


def put(session: Session, custodian_id: int, new: NewVersion, *, now: datetime) -> int:
    """Store a version as the current one; returns the document's id."""
    common: dict[str, Any] = {"patient_key": new.patient_key, "content_class": ""}
    known = find(session, custodian_id, new.key)
    if known is None:
        insert = sa.insert(tables.documents).values(
            custodian_id=custodian_id,
            kind=new.key.kind,
            source_system=new.key.source_system,
            record_id=new.key.record_id,
            version=new.version,
            updated_at=new.updated_at,
            received_at=now,
            **common,
        )
        document_id = int(session.execute(insert.returning(_d.id)).scalar_one())
    else:
        document_id = known.document_id
        session.execute(
            sa.update(tables.documents)
            .where(_d.id == document_id)
            .values(version=new.version, updated_at=new.updated_at, received_at=now, **common)
        )
    session.execute(
        sa.insert(tables.document_versions).values(
            document_id=document_id,
            version=new.version,
            custodian_id=custodian_id,
            content=new.content,
            content_hash=new.content_hash,
            conversion=new.conversion,
            received_at=now,
            **common,
        )
    )
    return document_id


def resources_of(session: Session, document_id: int) -> dict[tuple[str, str], bool]:
    """(type, id) of every resource a document has made -> whether it was withdrawn."""
    statement = sa.select(_l.resource_type, _l.resource_id, _l.withdrawn).where(
        _l.document_id == document_id
    )
    return {(row[0], row[1]): bool(row[2]) for row in session.execute(statement)}


def held_by_others(
    session: Session, custodian_id: int, document_id: int, resource_type: str, resource_id: str
) -> bool:
    """True if another document also made this resource and still has it."""
    statement = sa.select(_l.document_id).where(
        _l.custodian_id == custodian_id,
        _l.resource_type == resource_type,
        _l.resource_id == resource_id,
        _l.document_id != document_id,
        _l.withdrawn.is_(False),
    )
    return session.execute(statement.limit(1)).first() is not None


def link(
    session: Session,
    custodian_id: int,
    document_id: int,
    *,
    present: Iterable[tuple[str, str]],
    withdrawn: Iterable[tuple[str, str]],
) -> None:
    """Say which resources a document has now, and which it had."""
    session.execute(sa.delete(tables.document_resources).where(_l.document_id == document_id))
    rows = [
        {
            "document_id": document_id,
            "resource_type": resource_type,
            "resource_id": resource_id,
            "custodian_id": custodian_id,
            "withdrawn": gone,
        }
        for gone, several in ((False, present), (True, withdrawn))
        for resource_type, resource_id in several
    ]
    if rows:
        session.execute(sa.insert(tables.document_resources), rows)
