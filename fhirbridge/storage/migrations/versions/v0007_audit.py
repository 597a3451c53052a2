"""What was asked and disclosed, its review, and what is known about consents."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Key, Text
from fhirbridge.storage.instants import Instant

revision = "v0007_audit"
down_revision = "v0006_delivery"


def upgrade() -> None:
    op.create_table(
        "audit_events",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("id", Key, autoincrement=False, nullable=False),
        sa.Column("recorded_at", Instant(), nullable=False),
        sa.Column("action", Text, nullable=False),
        sa.Column("decision", Text, nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("entry", Text, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "id"),
    )
    op.create_index("ix_audit_events_action", "audit_events", ["custodian_id", "action", "id"])
    op.create_index(
        "ix_audit_events_patient", "audit_events", ["custodian_id", "patient_key", "id"]
    )
    op.create_table(
        "audit_patients",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("patient_key", sa.BigInteger(), nullable=False),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "patient_key", "audit_id"),
    )
    op.create_table(
        "audit_reviews",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("audit_id", sa.BigInteger(), nullable=False),
        sa.Column("reviewed_by", Text, nullable=False),
        sa.Column("outcome", Text, nullable=False),
        sa.Column("reviewed_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "audit_id"),
    )
    op.create_table(
        "consent_marks",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("consent_id", Text, nullable=False),
        sa.Column("version_id", sa.Integer(), nullable=False),
        sa.Column("kind", Text, nullable=False),
        sa.Column("made_by", Text, nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("effective_at", Instant(), nullable=False),
        sa.Column("confirmed", Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_consent_marks", "consent_marks", ["custodian_id", "consent_id"])
