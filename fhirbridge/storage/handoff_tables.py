"""The tables around handoffs: what was set aside, what people are told, who is not asked now."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from fhirbridge.storage.columns import Key, Text, custodian, metadata, scope
from fhirbridge.storage.instants import Instant

# What arrived and led to no allowed move: kept as it came, for a person to look at.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    *scope(),
    Column("handoff_id", Text),  # none where the referral is not known
    Column("partner", Text, nullable=False),
    Column("source", Text, nullable=False),  # polling, rest or notification
    Column("reference", Text, nullable=False),  # Type/id at its source
    Column("version", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("body", sa.LargeBinary, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("settled_by", Text),
    Index("ix_quarantine_open", "custodian_id", "settled_at", "id"),
    Index("ix_quarantine_source", "custodian_id", "partner", "reference", "version"),
)

# One row for each change that people have to know of; `key` says what it is about.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    *scope(),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("handoff_id", Text),
    Column("partner", Text, nullable=False, server_default=""),
    Column("count", sa.Integer, nullable=False, server_default="1"),
    Column("details", sa.JSON, nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("closed_at", Instant),
    Index("ix_alerts_key", "custodian_id", "key", "closed_at"),
)

# Partners that several attempts in a row failed at: left alone until `open_until`.
circuits = Table(
    "circuits",
    metadata,
    Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True),
    Column("partner", Text, primary_key=True),
    Column("failures", sa.Integer, nullable=False),
    Column("open_until", Instant),
    Column("updated_at", Instant, nullable=False),
)

# How far a reader of storage/changes.py has come.
feed_positions = Table(
    "feed_positions",
    metadata,
    Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True),
    Column("reader", Text, primary_key=True),
    Column("seq", sa.BigInteger, nullable=False),
)

# Under what a handoff is known: `Task/id` and `order Type/id` of ours, `PARTNER Task/id` of theirs,
# `system|value` of its identifiers. An order may have several handoffs, one to each recipient.
handoff_keys = Table(
    "handoff_keys",
    metadata,
    Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("handoff_id", Text, ForeignKey("handoffs.id"), primary_key=True),
)

# Which organization of outside wrote a version of a Task or an Appointment, until the reader of
# referrals has come to it.
writers = Table(
    "writers",
    metadata,
    Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("organization", sa.JSON, nullable=False),  # storage.writers
)

# When the clocks of a handoff are looked at next.
handoff_clocks = Table(
    "handoff_clocks",
    metadata,
    Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True),
    Column("handoff_id", Text, ForeignKey("handoffs.id"), primary_key=True),
    Column("state", Text, nullable=False),
    Column("since", Instant, nullable=False),  # since when it has been in this state
    Column("rung", sa.Integer, nullable=False),  # how many clocks of this state have rung
    Column("due_at", Instant),
    Index("ix_handoff_clocks", "custodian_id", "due_at"),
)
