"""Clients, their access tokens and the assertions that they have used."""

import sqlalchemy as sa
from alembic import op

from fhirbridge.storage.columns import Key, Text
from fhirbridge.storage.instants import Instant

revision = "v0005_clients"
down_revision = "v0004_feed"


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("id", Key, nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("client_id", Text, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("recipient", sa.JSON(), nullable=False),
        sa.Column("purposes", sa.JSON(), nullable=False),
        sa.Column("scopes", Text, nullable=False),
        sa.Column("jwks", sa.JSON(), nullable=False),
        sa.Column("jwks_url", Text, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("revoked_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("custodian_id", "client_id"),
    )
    op.create_table(
        "access_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("client_key", sa.BigInteger(), nullable=False),
        sa.Column("scopes", Text, nullable=False),
        sa.Column("purpose", Text, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("actor", Text, nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["client_key"],
            ["clients.id"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    op.create_index("ix_access_tokens_client", "access_tokens", ["client_key"])
    op.create_index("ix_access_tokens_expiry", "access_tokens", ["expires_at"])
    op.create_table(
        "used_assertions",
        sa.Column("client_key", sa.BigInteger(), nullable=False),
        sa.Column("jti_hash", sa.LargeBinary(), nullable=False),
        sa.Column("custodian_id", sa.Integer(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["custodian_id"],
            ["custodians.id"],
        ),
        sa.ForeignKeyConstraint(
            ["client_key"],
            ["clients.id"],
        ),
        sa.PrimaryKeyConstraint("client_key", "jti_hash"),
    )
    op.create_index("ix_used_assertions_expiry", "used_assertions", ["expires_at"])
