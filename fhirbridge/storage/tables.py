"""All tables on one page, those of documents and around handoffs beside it.

- Every row has `custodian_id`; nothing is unique, matched or counted across custodians.
- Every version and every index row carries `patient_key` and `content_class`, so that what may
  be disclosed can be part of a search.
- `resources` points to the current version; `resource_versions.seq` has no gaps and is written
  in commit order, so it is a feed of changes.
- Index rows exist for current versions only. Their keys are integers from `storage.keys`.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Table, UniqueConstraint

from fhirbridge.storage.audit_tables import audit_events as audit_events
from fhirbridge.storage.audit_tables import audit_patients as audit_patients
from fhirbridge.storage.audit_tables import audit_reviews as audit_reviews
from fhirbridge.storage.audit_tables import consent_marks as consent_marks
from fhirbridge.storage.client_tables import access_tokens as access_tokens
from fhirbridge.storage.client_tables import clients as clients
from fhirbridge.storage.client_tables import used_assertions as used_assertions
from fhirbridge.storage.columns import Key, Text, custodian, partial_index, scope
from fhirbridge.storage.columns import metadata as metadata
from fhirbridge.storage.document_tables import document_resources as document_resources
from fhirbridge.storage.document_tables import document_versions as document_versions
from fhirbridge.storage.document_tables import documents as documents
from fhirbridge.storage.document_tables import patient_links as patient_links
from fhirbridge.storage.handoff_tables import alerts as alerts
from fhirbridge.storage.handoff_tables import circuits as circuits
from fhirbridge.storage.handoff_tables import feed_positions as feed_positions
from fhirbridge.storage.handoff_tables import handoff_clocks as handoff_clocks
from fhirbridge.storage.handoff_tables import handoff_keys as handoff_keys
from fhirbridge.storage.handoff_tables import quarantine as quarantine
from fhirbridge.storage.handoff_tables import writers as writers
from fhirbridge.storage.instants import Instant

custodians = Table(
    "custodians",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("namespace", Text, nullable=False),  # secret UUID under which ids are made
    Column("created_at", Instant, nullable=False),
)

resources = Table(
    "resources",
    metadata,
    Column("key", Key, primary_key=True),
    custodian(),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("reference_key", sa.BigInteger, nullable=False),  # key_of("Type/id"), for chains
    Column("seq", sa.BigInteger, nullable=False),  # current row of resource_versions
    Column("version_id", sa.Integer, nullable=False),
    Column("last_updated", Instant, nullable=False),
    Column("deleted", sa.Boolean, nullable=False),
    *scope(),
    UniqueConstraint("custodian_id", "resource_type", "resource_id"),
    Index("ix_resources_reference", "custodian_id", "reference_key"),
    Index("ix_resources_updated", "custodian_id", "resource_type", "last_updated", "key"),
    Index("ix_resources_patient", "custodian_id", "patient_key", "resource_type"),
)

# One row: the last number of a version. No row-level security, for the number is everyone's.
feed = Table(
    "feed",
    metadata,
    Column("id", sa.Integer, primary_key=True),
    Column("seq", sa.BigInteger, nullable=False),
)

resource_versions = Table(
    "resource_versions",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=False),
    custodian(),
    Column("resource_key", sa.BigInteger, ForeignKey("resources.key"), nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Text, nullable=False),
    Column("version_id", sa.Integer, nullable=False),
    Column("last_updated", Instant, nullable=False),
    Column("method", Text, nullable=False),  # POST, PUT, PATCH or DELETE
    Column("deleted", sa.Boolean, nullable=False),
    Column("content", sa.LargeBinary, nullable=False),  # JSON; empty for a deletion
    *scope(),
    UniqueConstraint("resource_key", "version_id"),
    Index("ix_versions_type", "custodian_id", "resource_type", "seq"),
    Index("ix_versions_updated", "custodian_id", "last_updated", "seq"),
)

# Patients of rows that concern several: one row each. patient_key of the resource is then -1.
resource_patients = Table(
    "resource_patients",
    metadata,
    Column("resource_key", sa.BigInteger, ForeignKey("resources.key"), primary_key=True),
    Column("patient_key", sa.BigInteger, primary_key=True),
    custodian(),
    Index("ix_resource_patients", "custodian_id", "patient_key"),
)

# Every reference to a resource of this server, wherever it stands: for referential integrity.
local_references = Table(
    "local_references",
    metadata,
    Column("target_key", sa.BigInteger, primary_key=True),  # key_of("Type/id")
    Column("resource_key", sa.BigInteger, ForeignKey("resources.key"), primary_key=True),
    custodian(),
    Index("ix_local_references", "resource_key"),
    sqlite_with_rowid=False,
)


def _index_table(name: str, key: Sequence[Column[Any]], *payload: Column[Any]) -> Table:
    """An index table. Its primary key starts with custodian, parameter and the value.

    `resource_key` stands as early in it as a search allows, so that hits come in page order.
    `ordinal` is the position of the repeated element a composite parameter speaks about, else 0.
    """
    return Table(
        name,
        metadata,
        Column("custodian_id", sa.Integer, primary_key=True),
        Column("parameter", sa.BigInteger, primary_key=True),  # key_of("CarePlan.category")
        *key,
        Column("ordinal", sa.Integer, primary_key=True),
        *payload,
        *scope(),
        Index(f"ix_{name}_resource", "resource_key", "parameter"),
        sqlite_with_rowid=False,
    )


def _key(name: str, kind: sa.types.TypeEngine[Any] | None = None) -> Column[Any]:
    return Column(name, kind or sa.BigInteger(), primary_key=True)


# code_key: key_of(code); system: key_of(system), 0 without one; code: its first characters
index_tokens = _index_table(
    "index_tokens",
    [_key("code_key"), _key("resource_key"), _key("system")],
    Column("code", Text, nullable=False),
)
# prefix: the first characters of `normalized`, which has case and accents folded;
# exact_key: key_of(text as written)
index_strings = _index_table(
    "index_strings",
    [_key("prefix", Text), _key("resource_key"), _key("exact_key")],
    Column("normalized", Text, nullable=False),
)
# low, high: milliseconds, both inclusive
index_dates = _index_table("index_dates", [_key("low"), _key("high"), _key("resource_key")])
Index("ix_index_dates_high", *(index_dates.c[n] for n in ("custodian_id", "parameter", "high")))
# target_key: key_of("Type/id" or URL); target_type: "" when unknown
index_references = _index_table(
    "index_references",
    [_key("target_key"), _key("resource_key")],
    Column("target_type", Text, nullable=False),
)
_number: sa.Double[float] = sa.Double()
index_numbers = _index_table(
    "index_numbers", [_key("low", _number), _key("high", _number), _key("resource_key")]
)
# code_key: of the code, else of the unit
_names = ("resource_key", "code_key", "system")
index_quantities = _index_table(
    "index_quantities", [_key("low", _number), _key("high", _number), *map(_key, _names)]
)
index_uris = _index_table("index_uris", [_key("uri", Text), _key("resource_key")])

partners = Table(
    "partners",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    Column("name", Text, nullable=False),
    Column("base_url", Text, nullable=False),
    Column("settings", sa.JSON, nullable=False),
    Column("capability", sa.JSON),  # CapabilityStatement as last fetched
    Column("capability_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("custodian_id", "name"),
)

handoffs = Table(
    "handoffs",
    metadata,
    Column("id", Text, primary_key=True),
    custodian(),
    Column("kind", Text, nullable=False),
    Column("source_system", Text, nullable=False),
    Column("record_id", Text, nullable=False),
    Column("document_version", sa.Integer, nullable=False),
    Column("partner", Text, nullable=False),
    *scope(),
    Column("status", Text, nullable=False),  # a word of workflow.words
    Column("task_reference", Text),  # the partner's Task
    Column("task_version", Text),
    Column("order_reference", Text),  # the partner's CarePlan or ServiceRequest
    Column("follow_at", Instant),  # when to look at the partner's Task next
    Column("details", sa.JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_handoffs_record", "custodian_id", "kind", "source_system", "record_id", "partner"),
    Index("ix_handoffs_status", "custodian_id", "status", "updated_at"),
    Index("ix_handoffs_follow", "custodian_id", "follow_at"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    Column("handoff_id", Text, ForeignKey("handoffs.id"), nullable=False),
    Column("partner", Text, nullable=False),
    *scope(),
    Column("sequence", sa.BigInteger, nullable=False),  # order per patient and partner
    # queued, leased, delivered, refused, dead, needs-person or replaced
    Column("state", Text, nullable=False),
    Column("attempts", sa.Integer, nullable=False, server_default="0"),
    Column("next_attempt_at", Instant, nullable=False),
    Column("lease_owner", Text),
    Column("lease_expires_at", Instant),
    Column("policy", sa.JSON, nullable=False),  # retry and disclosure policy, as of enqueueing
    Column("body", sa.LargeBinary, nullable=False),  # the Bundle
    Column("body_hash", sa.LargeBinary, nullable=False),
    Column("last_verdict", Text),
    Column("last_error_class", Text),
    Column("last_status", sa.Integer),
    Column("result", sa.JSON),  # locations by fullUrl
    Column("enqueued_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Index("ix_outbox_due", "custodian_id", "state", "next_attempt_at", "id", "partner"),
    partial_index("ix_outbox_leased", "partner", "lease_expires_at", where="state = 'leased'"),
    partial_index(
        "ix_outbox_tried", "partner", where="state = 'queued' AND last_verdict IS NOT NULL"
    ),
    Index("ix_outbox_order", "custodian_id", "partner", "patient_key", "sequence"),
    Index("ix_outbox_handoff", "handoff_id"),
)

outbox_attempts = Table(
    "outbox_attempts",
    metadata,
    Column("id", Key, primary_key=True),
    custodian(),
    Column("outbox_id", sa.BigInteger, ForeignKey("outbox.id"), nullable=False),
    Column("number", sa.Integer, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("verdict", Text),
    Column("error_class", Text),
    Column("status", sa.Integer),
    Column("details", sa.JSON),
    UniqueConstraint("outbox_id", "number"),
)
