"""Native documents, what they made, and whose records may be one person's."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Key, Text
from fhirbridge.storage.instants import Instant

revision = "v0002_documents"
down_revision = "v0001_resources"


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("source_system", Text, nullable=False),
        sa.Column("record_id", Text, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("encoded", sa.LargeBinary(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("custodian_id", "kind", "source_system", "record_id"),
    )
    op.create_index(
        "ix_documents_updated", "documents", ["custodian_id", "kind", "updated_at", "id"]
    )
    op.create_table(
        "document_versions",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), nullable=False),
        sa.Column("conversion", sa.JSON(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.PrimaryKeyConstraint("document_id", "version"),
    )
    op.create_table(
        "document_resources",
        sa.Column("document_id", sa.BigInteger(), nullable=False),
        sa.Column("resource_type", Text, nullable=False),
        sa.Column("resource_id", Text, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("withdrawn", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("statement", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["document_id"],
            ["documents.id"],
        ),
        sa.PrimaryKeyConstraint("document_id", "resource_type", "resource_id"),
    )
    op.create_index(
        "ix_document_resources",
        "document_resources",
        ["custodian_id", "resource_type", "resource_id", "statement", "updated_at"],
    )
    op.create_table(
        "patient_links",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("patient_id", Text, nullable=False),
        sa.Column("other_id", Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("decided_by", Text, server_default="", nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "patient_id", "other_id"),
    )
    op.create_index("ix_patient_links", "patient_links", ["custodian_id", "state"])
