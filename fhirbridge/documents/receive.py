"""Receive a native document: check, map, validate, and store everything in one transaction.

Idempotent by (sourceSystem, recordId): the same version with the same content changes nothing, the
same version with other content or an older one is a conflict, a newer one updates what changed.
Source: design.md sections 4 and 5
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal
from uuid import UUID

from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import Mappings
from fhirbridge.conversion.model import ToFhir
from fhirbridge.conversion.presentation import DEFAULT_USCORE
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.documents.changes import ChangeSet, Source, changes
from fhirbridge.errors import Conflict, InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import JsonObject
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.native import documents as native
from fhirbridge.storage import consents, resources
from fhirbridge.storage import documents as store
from fhirbridge.storage.document_resources import link
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

    @property
    def updated_at(self) -> datetime:
        """When the source last changed it."""
        return datetime.fromisoformat(self.document.data["updatedAt"])

    @property
    def content_hash(self) -> bytes:
        """Equal for documents that say the same in the same digits."""
        return hashlib.sha256(wire.canonical(self.document.data)).digest()

    @property
    def patient(self) -> str:
        """`Patient/id` of the patient."""
        patient = next(iter(bundles.resources_of(self.made.bundle, "Patient")))
        return f"Patient/{patient['id']}"

    def source(self, known: StoredDocument | None) -> Source:
        """The document as one that speaks of resources."""
        if known is None:
            return Source(0, None, self.updated_at)
        return Source(known.document_id, known.updated_at, self.updated_at)


@dataclass(frozen=True, slots=True)
class Received:
    """What receiving it did: `written` and `withdrawn` are `Type/id`."""

    document_id: int
    key: DocumentKey
    outcome: Outcome
    patient: str
    written: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()


def prepare(
    data: JsonObject,
    mappings: Mappings,
    namespace: UUID,
    *,
    explain: bool = False,
    uscore_version: str = DEFAULT_USCORE,
) -> Prepared:
    """Load, map and validate. Raises InvalidContent with all findings."""
    document = native.load(native.kind_of(data), data)
    made = to_fhir(
        document,
        mappings[document.kind],
        Identity(namespace),
        explain=explain,
        uscore_version=uscore_version,
    )
    faults = [issue for issue in check(made.bundle, ours=True) if issue.is_error]
    if faults:
        raise InvalidContent.of(faults)
    return Prepared(document, wire.dump(data), made, (*document.issues, *made.issues))


def receive(
    session: Session, prepared: Prepared, mapping: Mapping, circumstances: Circumstances
) -> Received:
    """Store a prepared document and its resources inside the caller's transaction.

    Raises Conflict for the same version with other content, and for an older version.
    """
    custodian_id = circumstances.custodian_id
    known = store.find(session, custodian_id, prepared.key)
    if known is not None and not is_newer(known, prepared):
        return Received(known.document_id, prepared.key, "unchanged", prepared.patient)
    found = changes(session, custodian_id, prepared.made, mapping, prepared.source(known))
    new = NewVersion(
        key=prepared.key,
        version=prepared.document.data["version"],
        updated_at=prepared.updated_at,
        content=prepared.content,
        content_hash=prepared.content_hash,
        conversion=prepared.made.stamp.to_json(),
        encoded=found.encoded,
        patient_key=key_of(prepared.patient),
    )
    document_id = store.put(session, custodian_id, new, now=circumstances.now)
    write(session, found, circumstances)
    link(session, custodian_id, document_id, found.made, updated_at=prepared.updated_at)
    return Received(
        document_id,
        prepared.key,
        "created" if known is None else "updated",
        prepared.patient,
        (*found.by("create"), *found.by("update")),
        found.by("withdraw"),
    )


def write(session: Session, found: ChangeSet, circumstances: Circumstances) -> None:
    """Store the new version of each resource that changes."""
    for change in found.changes:
        if change.action == "keep":
            continue
        labelled = replace(
            circumstances, content_class=change.content_class, patient=change.patient
        )
        if change.current is None:
            resource_id = change.reference.partition("/")[2]
            version = resources.create(
                session, labelled, change.resource, resource_id=resource_id, method="PUT"
            )
        else:
            version = resources.update(session, labelled, change.resource, current=change.current)
        if version.resource_type == "Consent":
            consents.mark_document(session, circumstances.custodian_id, version)


def is_newer(known: StoredDocument, prepared: Prepared) -> bool:
    """True if the prepared version follows the stored one, False if it is the stored one.

    Raises Conflict for the same version with other content, and for an older version.
    """
    version = prepared.document.data["version"]
    if version > known.version:
        return True
    same = version == known.version
    if same and prepared.content_hash == known.content_hash:
        return False
    text = (
        "This version of the document is stored with other content; send a higher version."
        if same
        else f"Version {known.version} of the document is stored; this one is older."
    )
    raise Conflict(Issue("conflict", text, expression=("$.version",)))
