"""Tables of what was asked and disclosed, of its review, and of what is known about consents."""

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table

from fhirbridge.storage.columns import Key, Text, custodian, metadata
from fhirbridge.storage.instants import Instant


def _custodian_key() -> Column[int]:
    return Column("custodian_id", sa.Integer, ForeignKey("custodians.id"), primary_key=True)


# One row for each request, each chained to the one before by its hash (storage.audit).
audit_events = Table(
    "audit_events",
    metadata,
    _custodian_key(),
    Column("id", Key, primary_key=True, autoincrement=False),  # 1, 2, 3… for each custodian
    Column("recorded_at", Instant, nullable=False),
    Column("action", Text, nullable=False),  # an interaction, `handoff`, `revoke`…
    Column("decision", Text, nullable=False),  # a storage.audit.Verdict
    Column("patient_key", sa.BigInteger, nullable=False),  # 0 none, -1 several: audit_patients
    Column("entry", Text, nullable=False),  # the rest, as JSON
    Column("hash", sa.LargeBinary, nullable=False),
    Index("ix_audit_events_patient", "custodian_id", "patient_key", "id"),
    Index("ix_audit_events_action", "custodian_id", "action", "id"),
)

audit_patients = Table(
    "audit_patients",
    metadata,
    _custodian_key(),
    Column("patient_key", sa.BigInteger, primary_key=True),
    Column("audit_id", sa.BigInteger, primary_key=True),
)

# Emergency access that a person has looked at.
audit_reviews = Table(
    "audit_reviews",
    metadata,
    _custodian_key(),
    Column("audit_id", sa.BigInteger, primary_key=True),
    Column("reviewed_by", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reviewed_at", Instant, nullable=False),
)

# What is known about a Consent besides itself; rows are added, never changed. `kind` is document
# (this version came in a document), attested, ended, revoking or revoked.
consent_marks = Table(
    "consent_marks",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    Column("consent_id", Text, nullable=False),
    Column("version_id", sa.Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("effective_at", Instant, nullable=False),
    Column("confirmed", Text, nullable=False),  # elements seen on the form, separated by blanks
    Index("ix_consent_marks", "custodian_id", "consent_id"),
)
