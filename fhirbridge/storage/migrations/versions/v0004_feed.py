"""The number of the last version, which a custodian's connection may not see the row of."""

import sqlalchemy as sa
from alembic import op

revision = "v0004_feed"
down_revision = "v0003_handoffs"


def upgrade() -> None:
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO feed SELECT 1, coalesce(max(seq), 0) FROM resource_versions")
    op.execute("DROP TABLE IF EXISTS schema_info")
