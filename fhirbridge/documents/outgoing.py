"""A document as what goes out in a handoff: a new one, received on the way, or a stored one."""

from dataclasses import replace

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.documents.receive import Prepared, receive
from fhirbridge.documents.stored import circumstances_of, find, prepare_as
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.native.documents import KINDS, Kind
from fhirbridge.storage import document_resources, documents, resources
from fhirbridge.storage.documents import DocumentKey
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.session import Session


def outgoing_of(
    prepared: Prepared, withdrawn: tuple[Resource, ...] = (), *, with_past: bool = False
) -> Outgoing:
    """What a document that was loaded and mapped gives to a handoff."""
    key = prepared.key
    return Outgoing(
        key.kind,
        key.source_system,
        key.record_id,
        int(prepared.document.data["version"]),
        prepared.made.bundle,
        withdrawn,
        with_past,
    )


def prepare_stored(bridge: Bridge, kind: Kind, record_id: str, *, source: str = "") -> Prepared:
    """A stored document, mapped again. Raises NotFound, or Conflict where `source` is needed."""
    found = find(bridge, kind, record_id, source=source)
    return prepare_as(bridge, kind, wire.parse(found.content))


def outgoing_again(bridge: Bridge, handoff: HandoffRow) -> Outgoing | None:
    """The document of a handoff as it would go out today; None if it is not stored."""
    kind = next((kind for kind in KINDS if kind == handoff.kind), None)
    key = DocumentKey(handoff.kind, handoff.source_system, handoff.record_id)
    with bridge.database.read() as session:
        known = documents.find(session, bridge.custodian.id, key)
        withdrawn = _withdrawn(bridge, session, known.document_id) if known else ()
    if kind is None or known is None:
        return None
    data = wire.parse(known.content)
    with_past = bool(handoff.details.get("past"))
    made = outgoing_of(prepare_as(bridge, kind, data), withdrawn, with_past=with_past)
    return replace(made, round=int(handoff.details.get("round") or 0))


def _withdrawn(bridge: Bridge, session: Session, document_id: int) -> tuple[Resource, ...]:
    found = [
        resources.read(session, bridge.custodian.id, one.resource_type, one.resource_id)
        for one in document_resources.made_by(session, document_id)
        if one.withdrawn
    ]
    return tuple(wire.parse(one.content) for one in found if one and not one.deleted)


class Receiving:
    """Stores a prepared document inside the transaction of its handoff."""

    def __init__(self, bridge: Bridge, prepared: Prepared, *, with_past: bool = False) -> None:
        self._with_past = with_past
        self._bridge = bridge
        self._prepared = prepared
        self._mapping = bridge.mappings[prepared.document.kind]

    def __call__(self, session: Session) -> Outgoing:
        """Receive the document; withdrawn items go out in the state they were left in."""
        bridge = self._bridge
        received = receive(session, self._prepared, self._mapping, circumstances_of(bridge))
        withdrawn = _withdrawn(bridge, session, received.document_id)
        return outgoing_of(self._prepared, withdrawn, with_past=self._with_past)
