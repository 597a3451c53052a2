"""Tables of systems that call us, of the tokens they hold and the assertions they have used."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from fhirbridge.storage.columns import Key, Text, custodian, metadata
from fhirbridge.storage.instants import Instant

clients = Table(
    "clients",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    Column("client_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("recipient", sa.JSON, nullable=False),  # its organization; {} for the custodian's own
    Column("purposes", sa.JSON, nullable=False),  # codes of v3-ActReason; the first is the default
    Column("scopes", Text, nullable=False),  # separated by blanks
    Column("jwks", sa.JSON, nullable=False),  # {} where the keys are fetched from jwks_url
    Column("jwks_url", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    UniqueConstraint("custodian_id", "client_id"),
)

# A row is a token that is accepted until it expires; revoking deletes it.
access_tokens = Table(
    "access_tokens",
    metadata,
    Column("token_hash", sa.LargeBinary, primary_key=True),  # SHA-256; the token itself is not kept
    custodian(),
    Column("client_key", sa.BigInteger, ForeignKey("clients.id"), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index("ix_access_tokens_client", "client_key"),
    Index("ix_access_tokens_expiry", "expires_at"),
)

# The `jti` of every assertion that may not have expired yet: each is accepted once.
used_assertions = Table(
    "used_assertions",
    metadata,
    Column("client_key", sa.BigInteger, ForeignKey("clients.id"), primary_key=True),
    Column("jti_hash", sa.LargeBinary, primary_key=True),
    custodian(),
    Column("expires_at", Instant, nullable=False),
    Index("ix_used_assertions_expiry", "expires_at"),
)
