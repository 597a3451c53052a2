"""Partners, handoffs and the outbox."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Key, Text
from fhirbridge.storage.instants import Instant

revision = "v0003_handoffs"
down_revision = "v0002_documents"


def upgrade() -> None:
    op.create_table(
        "partners",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("base_url", Text, nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("capability", sa.JSON(), nullable=True),
        sa.Column("capability_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("custodian_id", "name"),
    )
    op.create_table(
        "handoffs",
        sa.Column("id", Text, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("source_system", Text, nullable=False),
        sa.Column("record_id", Text, nullable=False),
        sa.Column("document_version", sa.Integer(), nullable=False),
        sa.Column("partner", Text, nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.Column("status", Text, nullable=False),
        sa.Column("task_reference", Text, nullable=True),
        sa.Column("task_version", Text, nullable=True),
        sa.Column("order_reference", Text, nullable=True),
        sa.Column("follow_at", Instant(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_handoffs_follow", "handoffs", ["custodian_id", "follow_at"])
    op.create_index(
        "ix_handoffs_record",
        "handoffs",
        ["custodian_id", "kind", "source_system", "record_id", "partner"],
    )
    op.create_index("ix_handoffs_status", "handoffs", ["custodian_id", "status", "updated_at"])
    op.create_table(
        "outbox",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("handoff_id", Text, nullable=False),
        sa.Column("partner", Text, nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_at", Instant(), nullable=False),
        sa.Column("lease_owner", Text, nullable=True),
        sa.Column("lease_expires_at", Instant(), nullable=True),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(), nullable=False),
        sa.Column("last_verdict", Text, nullable=True),
        sa.Column("last_error_class", Text, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("enqueued_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["handoff_id"],
            ["handoffs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outbox_due", "outbox", ["state", "next_attempt_at"])
    op.create_index("ix_outbox_handoff", "outbox", ["handoff_id"])
    op.create_index(
        "ix_outbox_order", "outbox", ["custodian_id", "partner", "patient_key", "sequence"]
    )
    op.create_table(
        "outbox_attempts",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("outbox_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("finished_at", Instant(), nullable=True),
        sa.Column("verdict", Text, nullable=True),
        sa.Column("error_class", Text, nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["outbox_id"],
            ["outbox.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("outbox_id", "number"),
    )
