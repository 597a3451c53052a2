"""Receive a native document: check, map, validate, and store everything in one transaction.

Idempotent by (sourceSystem, recordId): the same version with the same content changes nothing, the
same version with other content or an older one is a conflict, a newer one updates what changed.
Source: design.md sections 4 and 5
"""

import hashlib
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings
from fhirbridge.conversion.model import ToFhir
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.update import update
from fhirbridge.documents.withdrawal import withdrawn_form
from fhirbridge.errors import Conflict, InvalidContent, Issue
from fhirbridge.fhir import references, wire
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.matching import classify
from fhirbridge.mapping.selecting import Points
from fhirbridge.native import documents as native
from fhirbridge.storage import documents as store
from fhirbridge.storage import resources
from fhirbridge.storage.documents import DocumentKey, NewVersion, StoredDocument
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Session

Outcome = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A document loaded, mapped and validated; nothing is stored yet."""

    document: native.Document
    content: bytes
    made: ToFhir
    issues: tuple[Issue, ...]

    @property
    def key(self) -> DocumentKey:
        """Its identity."""
        data = self.document.data
        return DocumentKey(self.document.kind, data["sourceSystem"], data["recordId"])


@dataclass(frozen=True, slots=True)
class Received:
    """What receiving it did: `written` and `withdrawn` are `Type/id`."""

    document_id: int
    key: DocumentKey
    outcome: Outcome
    patient: str
    written: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


def prepare(data: JsonObject, mappings: Mappings, namespace: UUID) -> Prepared:
    """Load, map and validate. Raises InvalidContent with all findings."""
    document = native.load(native.kind_of(data), data)
    made = to_fhir(document, mappings[document.kind], Identity(namespace))
    faults = [issue for issue in check(made.bundle) if issue.is_error]
    if faults:
        raise InvalidContent.of(faults)
    return Prepared(document, wire.dump(data), made, (*document.issues, *made.issues))


def receive(
    session: Session, prepared: Prepared, mapping: Mapping, circumstances: Circumstances
) -> Received:
    """Store a prepared document and its resources inside the caller's transaction.

    Raises Conflict for the same version with other content, and for an older version.
    """
    data = prepared.document.data
    custodian_id = circumstances.custodian_id
    content_hash = hashlib.sha256(wire.canonical(data)).digest()
    known = store.find(session, custodian_id, prepared.key)
    patient = _patient_of(prepared.made.bundle)
    if known is not None and not _is_newer(known, data, content_hash):
        return Received(known.document_id, prepared.key, "unchanged", patient)
    new = NewVersion(
        key=prepared.key,
        version=data["version"],
        updated_at=datetime.fromisoformat(data["updatedAt"]),
        content=prepared.content,
        content_hash=content_hash,
        conversion=_conversion(prepared.made),
        patient_key=key_of(patient),
    )
    document_id = store.put(session, custodian_id, new, now=circumstances.now)
    written = _write(session, prepared.made.bundle, mapping, circumstances)
    present = [_identity(entry["resource"]) for entry in prepared.made.bundle["entry"]]
    before = store.resources_of(session, document_id)
    missing = [mark for mark in before if mark not in set(present)]
    gone = [mark for mark in missing if not before[mark]]
    withdrawn = [mark for mark in gone if _withdraw(session, mark, document_id, circumstances)]
    store.link(session, custodian_id, document_id, present=present, withdrawn=missing)
    return Received(
        document_id,
        prepared.key,
        "created" if known is None else "updated",
        patient,
        tuple(written),
        tuple("/".join(mark) for mark in withdrawn),
    )


def _is_newer(known: StoredDocument, data: JsonObject, content_hash: bytes) -> bool:
    if data["version"] > known.version:
        return True
    if data["version"] == known.version and content_hash == known.content_hash:
        return False
    same = data["version"] == known.version
    text = (
        "This version of the document is stored with other content; send a higher version."
        if same
        else f"Version {known.version} of the document is stored; this one is older."
    )
    raise Conflict(Issue("conflict", text, expression=("$.version",)))


def _write(
    session: Session, bundle: Resource, mapping: Mapping, circumstances: Circumstances
) -> list[str]:
    """Create or update each resource; what the mapping does not cover in a stored one stays."""
    local = {entry["fullUrl"]: "/".join(_identity(entry["resource"])) for entry in bundle["entry"]}
    entries = _entry_names(bundle, mapping)
    written: list[str] = []
    for entry in bundle["entry"]:
        resource = references.rewrite(entry["resource"], local)
        resource_type, resource_id = _identity(resource)
        current = resources.read(session, circumstances.custodian_id, resource_type, resource_id)
        if current is None or current.deleted:
            if current is None:
                resources.create(
                    session, circumstances, resource, resource_id=resource_id, method="PUT"
                )
            else:
                resources.update(session, circumstances, resource, current=current)
            written.append(f"{resource_type}/{resource_id}")
            continue
        template = mapping.compiled[entries[f"{resource_type}/{resource_id}"]].template
        merged = update(wire.parse(current.content), resource, template, _points(entries))
        version = resources.update(session, circumstances, merged, current=current)
        if version is not current:
            written.append(version.reference)
    return written


def _entry_names(bundle: Resource, mapping: Mapping) -> dict[str, str]:
    """Type/id of each resource of the bundle -> the mapping entry that made it."""
    pairs = [(entry["fullUrl"], entry["resource"]) for entry in bundle["entry"]]
    templates = {name: item.template for name, item in mapping.compiled.items()}
    matched = classify(templates, pairs)
    return {"/".join(_identity(found.resource)): found.entry for found in matched.found}


def _points(entries: MappingABC[str, str]) -> Points:
    def points(reference: str, entry: str) -> bool:
        return entries.get(reference) == entry

    return points


def _withdraw(
    session: Session, mark: tuple[str, str], document_id: int, circumstances: Circumstances
) -> bool:
    resource_type, resource_id = mark
    custodian_id = circumstances.custodian_id
    if store.held_by_others(session, custodian_id, document_id, resource_type, resource_id):
        return False
    current = resources.read(session, custodian_id, resource_type, resource_id)
    if current is None or current.deleted:
        return False
    changed = withdrawn_form(wire.parse(current.content))
    return resources.update(session, circumstances, changed, current=current) is not current


def _identity(resource: Resource) -> tuple[str, str]:
    return resource["resourceType"], resource["id"]


def _patient_of(bundle: Resource) -> str:
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Patient":
            return f"Patient/{entry['resource']['id']}"
    return ""


def _conversion(made: ToFhir) -> JsonObject:
    stamp = made.stamp
    return {
        "pack": stamp.name,
        "version": stamp.version,
        "hash": stamp.hash,
        "codeEditions": list(stamp.code_editions),
    }
