"""Create, read, vread, update and delete one resource, with its index rows and references.

Content is stored as it came in, with `id`, `meta.versionId` and `meta.lastUpdated` set by us.
Nothing is ever changed once written: an update or a deletion adds a version.
Source: R4 http.html, resource.html#Meta
"""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import bindparam

from fhirbridge.clock import to_instant
from fhirbridge.consent.classes import DIRECTORY, OTHER, stored_class
from fhirbridge.fhir import wire
from fhirbridge.fhir.compartments import patients_of
from fhirbridge.jsontypes import Resource
from fhirbridge.records import record
from fhirbridge.search import values
from fhirbridge.storage import integrity, search_index, tables
from fhirbridge.storage.instants import from_millis, to_millis
from fhirbridge.storage.keys import key_of, patient_key_of
from fhirbridge.storage.session import Session, Statement
from fhirbridge.storage.versions import (
    COLUMNS,
    Labels,
    ResourceVersion,
    classify,
    insert_resource,
    insert_version,
    labels_of,
    next_seq,
    point_to,
    version_of,
)

_r = tables.resources.c
_v = tables.resource_versions.c
_IDENTITY = (
    _r.custodian_id == bindparam("custodian_id"),
    _r.resource_type == bindparam("resource_type"),
    _r.resource_id == bindparam("resource_id"),
)
_READ = Statement(
    sa.select(*COLUMNS)
    .join_from(tables.resources, tables.resource_versions, _v.seq == _r.seq)
    .where(*_IDENTITY)
)
_VREAD = Statement(
    sa.select(*COLUMNS)
    .join_from(tables.resources, tables.resource_versions, _v.resource_key == _r.key)
    .where(*_IDENTITY, _v.version_id == bindparam("version_id"))
)
_CLEAR_PATIENTS = Statement(
    sa.delete(tables.resource_patients).where(
        tables.resource_patients.c.resource_key == bindparam("of_key")
    )
)
_INSERT_PATIENT = Statement(
    sa.insert(tables.resource_patients), columns=("resource_key", "patient_key", "custodian_id")
)


@record(kw_only=True)
class Circumstances:
    """What a write needs to know besides the resource.

    `zone` is for dates without one; `bases` are the URLs under which this server is known, so
    that absolute references to it count as local; `content_class` is what a mapping says.
    `patient` is whose record it is part of, for what says nothing of a patient itself: the place
    of a visit is no entry of a directory.
    """

    custodian_id: int
    now: datetime
    zone: ZoneInfo
    bases: tuple[str, ...] = ()
    content_class: str = ""
    patient: str = ""


def read(
    session: Session, custodian_id: int, resource_type: str, resource_id: str
) -> ResourceVersion | None:
    """The current version, which may be a deletion; None if the id was never used."""
    row = session.row(
        _READ, custodian_id=custodian_id, resource_type=resource_type, resource_id=resource_id
    )
    return version_of(row) if row else None


def vread(
    session: Session, custodian_id: int, resource_type: str, resource_id: str, *, version_id: int
) -> ResourceVersion | None:
    """One version, which may be a deletion; None if there is no such version."""
    row = session.row(
        _VREAD,
        custodian_id=custodian_id,
        resource_type=resource_type,
        resource_id=resource_id,
        version_id=version_id,
    )
    return version_of(row) if row else None


def create(
    session: Session,
    circumstances: Circumstances,
    resource: Resource,
    *,
    resource_id: str,
    method: str = "POST",
) -> ResourceVersion:
    """Store version 1 under an id that was never used."""
    return _write(
        session, circumstances, resource, resource_id=resource_id, current=None, method=method
    )


def update(
    session: Session,
    circumstances: Circumstances,
    resource: Resource,
    *,
    current: ResourceVersion,
    method: str = "PUT",
) -> ResourceVersion:
    """Store the next version; returns `current` itself if the resource says the same."""
    if not current.deleted and says_the_same(resource, wire.parse(current.content)):
        return current
    return _write(
        session,
        circumstances,
        resource,
        resource_id=current.resource_id,
        current=current,
        method=method,
    )


def delete(
    session: Session, circumstances: Circumstances, *, current: ResourceVersion
) -> ResourceVersion:
    """Add a version that says the resource is deleted; it leaves every index.

    The labels stay, and so do the patients: who may know of the deletion depends on them.
    """
    version = replace(
        current,
        seq=next_seq(session),
        version_id=current.version_id + 1,
        updated=max(to_millis(circumstances.now), current.updated),
        method="DELETE",
        deleted=True,
        content=b"",
    )
    labels = labels_of(session, current.key)
    point_to(session, version, labels)
    insert_version(session, version, labels)
    search_index.clear(session, current.key)
    integrity.clear(session, current.key)
    return version


def says_the_same(one: Resource, other: Resource) -> bool:
    """True if two resources differ at most in `id`, `meta.versionId` and `meta.lastUpdated`."""
    return wire.canonical(_bare(one)) == wire.canonical(_bare(other))


def _bare(resource: Resource) -> Resource:
    meta = {
        name: value
        for name, value in resource.get("meta", {}).items()
        if name not in ("versionId", "lastUpdated")
    }
    bare = {name: value for name, value in resource.items() if name not in ("id", "meta")}
    return {**bare, "meta": meta} if meta else bare


def _stamped(resource: Resource, resource_id: str, *, version_id: int, updated: int) -> Resource:
    """The resource with the identity and the times that the server gives it."""
    meta = {
        **resource.get("meta", {}),
        "versionId": str(version_id),
        "lastUpdated": to_instant(from_millis(updated)),
    }
    head = {"resourceType": resource["resourceType"], "id": resource_id, "meta": meta}
    return head | {name: value for name, value in resource.items() if name not in head}


def _write(
    session: Session,
    circumstances: Circumstances,
    resource: Resource,
    *,
    resource_id: str,
    current: ResourceVersion | None,
    method: str,
) -> ResourceVersion:
    now = to_millis(circumstances.now)
    seq = next_seq(session)
    resource_type = resource["resourceType"]
    version_id = current.version_id + 1 if current else 1
    updated = max(now, current.updated) if current else now
    stamped = _stamped(resource, resource_id, version_id=version_id, updated=updated)
    patients = patients_of(stamped, bases=circumstances.bases)
    labels = _labels(session, circumstances, stamped, patients, current=current)
    version = ResourceVersion(
        # A new resource is known by the number of its first version.
        key=current.key if current else seq,
        seq=seq,
        resource_type=resource_type,
        resource_id=resource_id,
        version_id=version_id,
        updated=updated,
        method=method,
        deleted=False,
        content=wire.dump(stamped),
        patient_key=labels.patient_key,
        content_class=labels.content_class,
    )
    if current is None:
        insert_resource(session, version, labels)
    else:
        point_to(session, version, labels)
        _clear(session, version.key)
    insert_version(session, version, labels)
    _derive(session, circumstances, version.key, stamped, patients=patients, labels=labels)
    return version


def _labels(
    session: Session,
    circumstances: Circumstances,
    resource: Resource,
    patients: frozenset[str],
    *,
    current: ResourceVersion | None,
) -> Labels:
    """Whose a version is, and of which class. What belonged to a patient's record stays there."""
    found = stored_class(resource, circumstances.content_class)
    patient_key = patient_key_of(patients)
    if found == DIRECTORY and not patients:
        if circumstances.patient:
            patient_key = key_of(circumstances.patient)
            found = circumstances.content_class or OTHER
        elif current is not None and current.patient_key > 0:
            before = labels_of(session, current.key)
            patient_key, found = before.patient_key, before.content_class
    return Labels(circumstances.custodian_id, patient_key, found)


def derive_again(session: Session, circumstances: Circumstances, version: ResourceVersion) -> None:
    """Rebuild what is made from a current version; its class may become stricter, never wider."""
    _clear(session, version.key)
    if not version.deleted:
        resource = wire.parse(version.content)
        labels = labels_of(session, version.key)
        content_class = stored_class(resource, labels.content_class)
        if content_class == DIRECTORY and labels.patient_key:
            content_class = labels.content_class or OTHER
        if content_class != labels.content_class:
            classify(session, version.key, content_class, before=labels.content_class)
            labels = replace(labels, content_class=content_class)
            point_to(session, version, labels)
        patients = patients_of(resource, bases=circumstances.bases)
        _derive(session, circumstances, version.key, resource, patients=patients, labels=labels)


def _clear(session: Session, key: int) -> None:
    session.rows(_CLEAR_PATIENTS, of_key=key)
    search_index.clear(session, key)
    integrity.clear(session, key)


def _derive(
    session: Session,
    circumstances: Circumstances,
    key: int,
    resource: Resource,
    *,
    patients: frozenset[str],
    labels: Labels,
) -> None:
    if len(patients) > 1:
        _write_patients(session, key, labels.custodian_id, patients)
    found = values.extract(resource, timezone=circumstances.zone, bases=circumstances.bases)
    search_index.write(session, key, labels, found)
    integrity.write(session, key, labels.custodian_id, resource, circumstances.bases)


def _write_patients(
    session: Session, key: int, custodian_id: int, patients: frozenset[str]
) -> None:
    rows = [(key, key_of(patient), custodian_id) for patient in sorted(patients)]
    session.add(_INSERT_PATIENT, rows)
