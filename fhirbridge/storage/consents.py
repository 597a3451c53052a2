"""Consents of a patient as they are stored, with what is known about them besides.

A consent counts as the custodian's own only in the very version that came in a document; a later
change by anybody else takes that away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.storage import tables
from fhirbridge.storage.instants import from_millis, to_millis
from fhirbridge.storage.session import Row, Session, Statement
from fhirbridge.storage.versions import ResourceVersion

MarkKind: TypeAlias = Literal["document", "attested", "ended", "revoking", "revoked"]

# Whom a Consent may refer to as an actor, as far as they have a name or identifiers.
ACTORS = frozenset(
    {"CareTeam", "Group", "Organization", "Patient", "Practitioner", "PractitionerRole"}
    | {"Device", "RelatedPerson"}
)

_r = tables.resources.c
_v = tables.resource_versions.c
_m = tables.consent_marks.c
_COLUMNS = (_v.patient_key, _v.resource_id, _v.version_id, _v.content)
_IS_CONSENT = (
    _r.custodian_id == bindparam("custodian_id"),
    _r.resource_type == sa.literal_column("'Consent'"),
    _r.deleted == sa.false(),
)
_current = sa.select(*_COLUMNS).join_from(
    tables.resources, tables.resource_versions, _v.seq == _r.seq
)
_OF_PATIENT = Statement(
    _current.where(*_IS_CONSENT, _r.patient_key == bindparam("patient_key")).order_by(_r.key)
)
_ALL = Statement(_current.where(*_IS_CONSENT).order_by(_r.key))
_ABOUT_SEVERAL = Statement(
    _current.where(
        *_IS_CONSENT,
        _r.patient_key == sa.literal_column("-1"),
        sa.exists().where(
            tables.resource_patients.c.resource_key == _r.key,
            tables.resource_patients.c.patient_key == bindparam("patient_key"),
        ),
    )
)
_MARKS = Statement(
    sa.select(
        _m.consent_id,
        _m.version_id,
        _m.kind,
        _m.made_by,
        _m.made_at,
        _m.effective_at,
        _m.confirmed,
        _m.id,
    )
    .where(_m.custodian_id == bindparam("custodian_id"), _m.consent_id == bindparam("consent_id"))
    .order_by(_m.id)
)
_INSERT = Statement(
    sa.insert(tables.consent_marks),
    columns=(
        "custodian_id",
        "consent_id",
        "version_id",
        "kind",
        "made_by",
        "made_at",
        "effective_at",
        "confirmed",
    ),
)
_BY_KEY = Statement(
    sa.select(_v.resource_type, _v.resource_id, _v.content, _v.seq)
    .join_from(tables.resources, tables.resource_versions, _v.seq == _r.seq)
    .where(
        _r.custodian_id == bindparam("custodian_id"),
        _r.reference_key == bindparam("reference_key"),
        _r.deleted == sa.false(),
    )
)
# Of all custodians: the end of the key, where one custodian's marks would be counted through.
_LAST_MARK = sa.select(sa.func.max(_m.id))


def _newest(resource_type: str) -> sa.ScalarSelect[Any]:
    """The last number of a version of one type: the end of an index, whatever is in it."""
    return (
        sa.select(sa.func.max(_v.seq))
        .where(
            _v.custodian_id == bindparam("custodian_id"),
            _v.resource_type == sa.literal_column(f"'{resource_type}'"),
        )
        .scalar_subquery()
    )


_STATE = Statement(
    sa.select(
        *(_newest(each) for each in sorted({"Consent", "Patient", *ACTORS})),
        _LAST_MARK.scalar_subquery(),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One thing that is known about a consent; `effective_at` is when it holds from."""

    consent_id: str
    version_id: int
    kind: MarkKind
    made_by: str
    made_at: datetime
    effective_at: datetime
    confirmed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class StoredConsent:
    """The current version of a Consent, and its marks in order."""

    patient_key: int
    consent_id: str
    version_id: int
    content: bytes
    marks: tuple[Mark, ...]


def of_patient(session: Session, custodian_id: int, patient_key: int) -> list[StoredConsent]:
    """Every Consent about a patient, whatever its status."""
    given = {"custodian_id": custodian_id, "patient_key": patient_key}
    rows = [*session.rows(_OF_PATIENT, **given), *session.rows(_ABOUT_SEVERAL, **given)]
    return [_consent(session, custodian_id, row) for row in rows]


def by_patient(session: Session, custodian_id: int) -> dict[int, list[StoredConsent]]:
    """Every Consent of the custodian, by patient key; those about several patients by -1."""
    found: dict[int, list[StoredConsent]] = {}
    marks = _all_marks(session, custodian_id)
    for row in session.rows(_ALL, custodian_id=custodian_id):
        consent = StoredConsent(row[0], row[1], row[2], bytes(row[3]), marks.get(row[1], ()))
        found.setdefault(row[0], []).append(consent)
    return found


def add_mark(session: Session, custodian_id: int, mark: Mark) -> None:
    """Note something about a consent."""
    session.rows(
        _INSERT,
        custodian_id=custodian_id,
        consent_id=mark.consent_id,
        version_id=mark.version_id,
        kind=mark.kind,
        made_by=mark.made_by,
        made_at=to_millis(mark.made_at),
        effective_at=to_millis(mark.effective_at),
        confirmed=" ".join(sorted(mark.confirmed)),
    )


def mark_document(session: Session, custodian_id: int, version: ResourceVersion) -> None:
    """Note that this version of a Consent came in a document of the custodian."""
    mark = Mark(
        consent_id=version.resource_id,
        version_id=version.version_id,
        kind="document",
        made_by="",
        made_at=version.last_updated,
        effective_at=version.last_updated,
    )
    add_mark(session, custodian_id, mark)


def marks_of(session: Session, custodian_id: int, consent_id: str) -> tuple[Mark, ...]:
    """What is known about a consent, oldest first."""
    rows = session.rows(_MARKS, custodian_id=custodian_id, consent_id=consent_id)
    return tuple(_mark(row) for row in rows)


def state_of_knowledge(session: Session, custodian_id: int) -> tuple[int, int]:
    """Numbers that grow whenever a Consent, a mark, a Patient or an actor is written."""
    row = session.row(_STATE, custodian_id=custodian_id)
    *written, marked = row or (0,)
    return max((each or 0 for each in written), default=0), marked or 0


def current(session: Session, custodian_id: int, reference_keys: Iterable[int]) -> dict[str, bytes]:
    """The content of resources by `Type/id`, as far as they exist."""
    found: dict[str, bytes] = {}
    for key in reference_keys:
        for row in session.rows(_BY_KEY, custodian_id=custodian_id, reference_key=key):
            found[f"{row[0]}/{row[1]}"] = bytes(row[2])
    return found


def _all_marks(session: Session, custodian_id: int) -> Mapping[str, tuple[Mark, ...]]:
    query = (
        sa.select(
            _m.consent_id,
            _m.version_id,
            _m.kind,
            _m.made_by,
            sa.type_coerce(_m.made_at, sa.BigInteger),
            sa.type_coerce(_m.effective_at, sa.BigInteger),
            _m.confirmed,
        )
        .where(_m.custodian_id == custodian_id)
        .order_by(_m.id)
    )
    found: dict[str, tuple[Mark, ...]] = {}
    for row in session.execute(query):
        mark = _mark(tuple(row))
        found[mark.consent_id] = (*found.get(mark.consent_id, ()), mark)
    return found


def _consent(session: Session, custodian_id: int, row: Row) -> StoredConsent:
    marks = marks_of(session, custodian_id, row[1])
    return StoredConsent(row[0], row[1], row[2], bytes(row[3]), marks)


def _mark(row: Row) -> Mark:
    return Mark(
        consent_id=row[0],
        version_id=row[1],
        kind=row[2],
        made_by=row[3],
        made_at=from_millis(row[4]),
        effective_at=from_millis(row[5]),
        confirmed=frozenset(row[6].split()),
    )
