"""What changed that decisions by consent are made of: Consents, their marks, Patients and actors.

Whoever remembers decisions asks what was written since, and decides anew about those patients only.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import patients, tables
from fhirbridge.storage.consents import ACTORS
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session, Statement

_TYPES = tuple(sorted({"Consent", "Patient", *ACTORS}))

_v = tables.resource_versions.c
_m = tables.consent_marks.c
_WRITTEN = Statement(
    sa.select(_v.resource_type, _v.resource_id, _v.resource_key)
    .distinct()
    .where(
        _v.custodian_id == bindparam("custodian_id"),
        _v.resource_type.in_([sa.literal_column(f"'{each}'") for each in _TYPES]),
        _v.seq > bindparam("after"),
    )
)
_MARKED = Statement(
    sa.select(_m.consent_id)
    .distinct()
    .where(_m.id > bindparam("after"), _m.custodian_id == bindparam("custodian_id"))
)
# A Consent may have been about somebody else before.
_PATIENTS = Statement(
    sa.select(_v.patient_key).distinct().where(_v.resource_key == bindparam("resource_key"))
)


@dataclass(frozen=True, slots=True)
class Changes:
    """Patients whose Consents or Patient were written, by key, -1 for several at once; and actors.

    `references` are the resources that a Consent may name as actors, as `Type/id`.
    """

    patient_keys: frozenset[int]
    references: frozenset[str]


def changes_after(session: Session, custodian_id: int, state: tuple[int, int]) -> Changes:
    """What was written since `consents.state_of_knowledge` gave `state`."""
    rows = session.rows(_WRITTEN, custodian_id=custodian_id, after=state[0])
    marked = session.rows(_MARKED, custodian_id=custodian_id, after=state[1])
    keys: set[int] = {key_of(f"Patient/{row[1]}") for row in rows if row[0] == "Patient"}
    names = [key_of(f"Consent/{consent_id}") for (consent_id,) in marked]
    consent_rows = {row[2] for row in rows if row[0] == "Consent"}
    for resource_key in consent_rows.union(patients.resource_keys(session, custodian_id, names)):
        keys.update(_owners(session, resource_key))
    references = frozenset(f"{row[0]}/{row[1]}" for row in rows if row[0] != "Consent")
    return Changes(frozenset(keys), references)


def _owners(session: Session, resource_key: int) -> Iterator[int]:
    for row in session.rows(_PATIENTS, resource_key=resource_key):
        yield row[0]
