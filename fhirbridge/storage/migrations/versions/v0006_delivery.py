"""Alerts, paused partners, quarantined events, and clocks and keys of handoffs."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Key, Text
from fhirbridge.storage.instants import Instant

revision = "v0006_delivery"
down_revision = "v0005_clients"


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("handoff_id", Text, nullable=True),
        sa.Column("partner", Text, server_default="", nullable=False),
        sa.Column("count", sa.Integer(), server_default="1", nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("closed_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_alerts_key", "alerts", ["custodian_id", "key", "closed_at"])
    op.create_table(
        "circuits",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("partner", Text, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("open_until", Instant(), nullable=True),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "partner"),
    )
    op.create_table(
        "feed_positions",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("reader", Text, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "reader"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("content_class", Text, server_default="", nullable=False),
        sa.Column("handoff_id", Text, nullable=True),
        sa.Column("partner", Text, nullable=False),
        sa.Column("source", Text, nullable=False),
        sa.Column("reference", Text, nullable=False),
        sa.Column("version", Text, nullable=False),
        sa.Column("code", Text, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.Column("settled_by", Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_quarantine_open", "quarantine", ["custodian_id", "settled_at", "id"])
    op.create_index(
        "ix_quarantine_source", "quarantine", ["custodian_id", "partner", "reference", "version"]
    )
    op.create_table(
        "handoff_clocks",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("handoff_id", Text, nullable=False),
        sa.Column("state", Text, nullable=False),
        sa.Column("since", Instant(), nullable=False),
        sa.Column("rung", sa.Integer(), nullable=False),
        sa.Column("due_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["handoff_id"],
            ["handoffs.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "handoff_id"),
    )
    op.create_index("ix_handoff_clocks", "handoff_clocks", ["custodian_id", "due_at"])
    op.create_table(
        "handoff_keys",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("key", Text, nullable=False),
        sa.Column("handoff_id", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["handoff_id"],
            ["handoffs.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "key", "handoff_id"),
    )
