"""What a changed mapping pack would change in stored documents; and the new versions.

A new pack changes nothing that is stored by itself. The mapping that made a document's resources is
recorded with it; documents made by another one than the present are converted again from what came
in. What others added to the resources stays, what the old mapping wrote and the new one does not
goes. Source: design.md section 6
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.to_fhir import stamp
from fhirbridge.documents.changes import ChangeSet, Source, changes
from fhirbridge.documents.preview import Touched, touched_by
from fhirbridge.documents.receive import Prepared, write
from fhirbridge.documents.stored import circumstances_of, prepare_as
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import KINDS, Kind
from fhirbridge.storage import documents as store
from fhirbridge.storage.document_resources import link
from fhirbridge.storage.documents import StoredDocument
from fhirbridge.storage.session import Session

_STAMP = ("pack", "version", "hash")


@dataclass(frozen=True, slots=True)
class Remapped:
    """One document that another mapping made. `issues` say why it cannot be converted now."""

    document: StoredDocument
    touched: tuple[Touched, ...]
    issues: tuple[Issue, ...] = ()

    def to_json(self) -> JsonObject:
        """The document and its changes for programs: ids and paths, no values."""
        key = self.document.key
        return {
            "kind": key.kind,
            "sourceSystem": key.source_system,
            "recordId": key.record_id,
            "version": self.document.version,
            "madeBy": {name: self.document.conversion.get(name) for name in _STAMP},
            "changes": [one.to_json() for one in self.touched],
            "issues": [issue.to_json() for issue in self.issues],
        }


def count(bridge: Bridge) -> int:
    """How many documents are stored."""
    with bridge.database.read() as session:
        ids = [list(store.every_id(session, bridge.custodian.id, kind=kind)) for kind in KINDS]
    return sum(map(len, ids))


def remap(bridge: Bridge, *, apply: bool) -> Iterator[Remapped | None]:
    """Convert again what another mapping made: one item a document, None for those up to date.

    With `apply`, each document's resources are written in one transaction; without, nothing is.
    """
    for kind in KINDS:
        with bridge.database.read() as session:
            ids = list(store.every_id(session, bridge.custodian.id, kind=kind))
        for document_id in ids:
            yield _remap_one(bridge, kind, document_id, apply=apply)


def _remap_one(bridge: Bridge, kind: Kind, document_id: int, *, apply: bool) -> Remapped | None:
    known = _outdated(bridge, kind, document_id)
    while known is not None:
        try:
            data = wire.parse(known.content)
            prepared = prepare_as(bridge, kind, data)
        except InvalidContent as error:
            return Remapped(known, (), tuple(issue for issue in error.issues if issue.is_error))
        if not apply:
            with bridge.database.read() as session:
                found = _changes(bridge, session, known, prepared)
            return Remapped(known, _touched(found))
        with bridge.database.transaction() as session:
            current = store.get(session, bridge.custodian.id, document_id)
            if current is not None and current.version == known.version:
                found = _changes(bridge, session, known, prepared)
                _store(bridge, session, known, prepared, found)
                return Remapped(known, _touched(found))
        # a newer version came in meanwhile, made by whichever mapping its process has
        known = _outdated(bridge, kind, document_id)
    return None


def _outdated(bridge: Bridge, kind: Kind, document_id: int) -> StoredDocument | None:
    """The document, if another mapping than the present one made its resources."""
    with bridge.database.read() as session:
        known = store.get(session, bridge.custodian.id, document_id)
    present = stamp(bridge.mappings[kind]).to_json()
    if known is None or all(known.conversion.get(name) == present[name] for name in _STAMP):
        return None
    return known


def _changes(
    bridge: Bridge, session: Session, known: StoredDocument, prepared: Prepared
) -> ChangeSet:
    source = Source(known.document_id, known.updated_at, known.updated_at)
    mapping = bridge.mappings[prepared.document.kind]
    return changes(session, bridge.custodian.id, prepared.made, mapping, source)


def _store(
    bridge: Bridge, session: Session, known: StoredDocument, prepared: Prepared, found: ChangeSet
) -> None:
    write(session, found, circumstances_of(bridge))
    link(
        session,
        bridge.custodian.id,
        known.document_id,
        found.made,
        updated_at=known.updated_at,
    )
    before = {name: value for name, value in known.conversion.items() if name != "earlier"}
    made = prepared.made.stamp.to_json()
    earlier = [*known.conversion.get("earlier", []), before]
    store.reconvert(
        session,
        known.document_id,
        known.version,
        conversion={**made, "earlier": earlier},
        encoded=found.encoded,
    )


def _touched(found: ChangeSet) -> tuple[Touched, ...]:
    return tuple(one for change in found.changes if (one := touched_by(change)))
