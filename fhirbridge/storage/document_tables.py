"""The tables of native documents, and of the patients that they and others speak of."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from fhirbridge.storage.columns import Key, Text, custodian, metadata, scope
from fhirbridge.storage.instants import Instant

documents = Table(
    "documents",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    Column("kind", Text, nullable=False),
    Column("source_system", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("version", sa.Integer, nullable=False),
    Column("updated_at", Instant, nullable=False),  # the source's own time
    Column("received_at", Instant, nullable=False),
    Column("encoded", sa.LargeBinary, nullable=False),  # what it became, compressed JSON
    *scope(),
    UniqueConstraint("custodian_id", "kind", "source_system", "record_id"),
    Index("ix_documents_updated", "custodian_id", "kind", "updated_at", "id"),
)

document_versions = Table(
    "document_versions",
    metadata,
    Column("document_id", sa.BigInteger, ForeignKey("documents.id"), primary_key=True),
    Column("version", sa.Integer, primary_key=True),
    custodian(),
    Column("content", sa.LargeBinary, nullable=False),  # as it came in
    Column("content_hash", sa.LargeBinary, nullable=False),  # of the canonical bytes
    Column("conversion", sa.JSON, nullable=False),  # pack name, version, hash; code table editions
    Column("received_at", Instant, nullable=False),
    *scope(),
)

# Which resources a document made: for updates, withdrawn items, and the way back. `statement` is a
# hash of what the document says about a resource that others may speak of too, 0 for its own.
document_resources = Table(
    "document_resources",
    metadata,
    Column("document_id", sa.BigInteger, ForeignKey("documents.id"), primary_key=True),
    Column("resource_type", Text, primary_key=True),
    Column("resource_id", Text, primary_key=True),
    custodian(),
    Column("withdrawn", sa.Boolean, nullable=False, server_default=sa.false()),
    Column("statement", sa.BigInteger, nullable=False, server_default="0"),
    Column("updated_at", Instant, nullable=False),  # of the document
    Index(
        "ix_document_resources",
        *("custodian_id", "resource_type", "resource_id", "statement", "updated_at"),
    ),
)

# Patients of documents and patients from outside who may be the same person. `state` is candidate,
# linked or separate; the machine links only equal identifiers, a person decides about the rest.
patient_links = Table(
    "patient_links",
    metadata,
    Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True),
    Column("patient_id", Text, primary_key=True),  # of our documents
    Column("other_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("decided_by", Text, nullable=False, server_default=""),
    Column("updated_at", Instant, nullable=False),
    *scope(),
    Index("ix_patient_links", "custodian_id", "state"),
)
