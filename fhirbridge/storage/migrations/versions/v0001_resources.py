"""Custodians, versions of resources, and the index of their current versions."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Key, Text
from fhirbridge.storage.instants import Instant

revision = "v0001_resources"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "custodians",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("namespace", Text, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "resources",
        sa.Column("key", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("resource_type", Text, nullable=False),
        sa.Column("resource_id", Text, nullable=False),
        sa.Column("reference_key", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("last_updated", Instant(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("custodian_id", "resource_type", "resource_id"),
    )
    op.create_index(
        "ix_resources_patient", "resources", ["custodian_id", "patient_key", "resource_type"]
    )
    op.create_index("ix_resources_reference", "resources", ["custodian_id", "reference_key"])
    op.create_index(
        "ix_resources_updated",
        "resources",
        ["custodian_id", "resource_type", "last_updated", "key"],
    )
    op.create_table(
        "resource_versions",
        sa.Column("seq", Key, autoincrement=False, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("resource_type", Text, nullable=False),
        sa.Column("resource_id", Text, nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("last_updated", Instant(), nullable=False),
        sa.Column("method", Text, nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["resource_key"],
            ["resources.key"],
        ),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("resource_key", "version_id"),
    )
    op.create_index(
        "ix_versions_type", "resource_versions", ["custodian_id", "resource_type", "seq"]
    )
    op.create_index(
        "ix_versions_updated", "resource_versions", ["custodian_id", "last_updated", "seq"]
    )
    op.create_table(
        "resource_patients",
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["resource_key"],
            ["resources.key"],
        ),
        sa.PrimaryKeyConstraint("resource_key", "patient_key"),
    )
    op.create_index("ix_resource_patients", "resource_patients", ["custodian_id", "patient_key"])
    op.create_table(
        "local_references",
        sa.Column("target_key", sa.BigInteger(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["resource_key"],
            ["resources.key"],
        ),
        sa.PrimaryKeyConstraint("target_key", "resource_key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_local_references", "local_references", ["resource_key"])
    op.create_table(
        "index_dates",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.BigInteger(), nullable=False),
        sa.Column("high", sa.BigInteger(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "custodian_id", "parameter", "low", "high", "resource_key", "ordinal"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_dates_high", "index_dates", ["custodian_id", "parameter", "high"])
    op.create_index("ix_index_dates_resource", "index_dates", ["resource_key", "parameter"])
    op.create_table(
        "index_numbers",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "custodian_id", "parameter", "low", "high", "resource_key", "ordinal"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_numbers_resource", "index_numbers", ["resource_key", "parameter"])
    op.create_table(
        "index_quantities",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("code_key", sa.BigInteger(), nullable=False),
        sa.Column("system", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "custodian_id",
            "parameter",
            "low",
            "high",
            "resource_key",
            "code_key",
            "system",
            "ordinal",
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_index_quantities_resource", "index_quantities", ["resource_key", "parameter"]
    )
    op.create_table(
        "index_references",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("target_key", sa.BigInteger(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("target_type", Text, nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "custodian_id", "parameter", "target_key", "resource_key", "ordinal"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_index_references_resource", "index_references", ["resource_key", "parameter"]
    )
    op.create_table(
        "index_strings",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("prefix", Text, nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("exact_key", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("normalized", Text, nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "custodian_id", "parameter", "prefix", "resource_key", "exact_key", "ordinal"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_strings_resource", "index_strings", ["resource_key", "parameter"])
    op.create_table(
        "index_tokens",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("code_key", sa.BigInteger(), nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("system", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("code", Text, nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "custodian_id", "parameter", "code_key", "resource_key", "system", "ordinal"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_tokens_resource", "index_tokens", ["resource_key", "parameter"])
    op.create_table(
        "index_uris",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("parameter", sa.BigInteger(), nullable=False),
        sa.Column("uri", Text, nullable=False),
        sa.Column("resource_key", sa.BigInteger(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("custodian_id", "parameter", "uri", "resource_key", "ordinal"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_index_uris_resource", "index_uris", ["resource_key", "parameter"])
