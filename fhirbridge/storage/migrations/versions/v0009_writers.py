"""Which organization wrote a version of a Task or an Appointment, until it was taken in."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Text

revision = "v0009_writers"
down_revision = "v0008_outbox"


def upgrade() -> None:
    op.create_table(
        "writers",
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("reference", Text, nullable=False),
        sa.Column("version", Text, nullable=False),
        sa.Column("organization", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("custodian_id", "reference", "version"),
    )
