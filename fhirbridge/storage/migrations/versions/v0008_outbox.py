"""Finding what is due in a long outbox without looking at all of it."""

import sqlalchemy as sa
from alembic import op

revision = "v0008_outbox"
down_revision = "v0007_audit"


def upgrade() -> None:
    op.drop_index("ix_outbox_due", "outbox")
    op.create_index(
        "ix_outbox_due", "outbox", ["custodian_id", "state", "next_attempt_at", "id", "partner"]
    )
    leased = sa.text("state = 'leased'")
    op.create_index(
        "ix_outbox_leased",
        "outbox",
        ["custodian_id", "partner", "lease_expires_at"],
        sqlite_where=leased,
        postgresql_where=leased,
    )
    tried = sa.text("state = 'queued' AND last_verdict IS NOT NULL")
    op.create_index(
        "ix_outbox_tried",
        "outbox",
        ["custodian_id", "partner"],
        sqlite_where=tried,
        postgresql_where=tried,
    )
