"""A document as what goes out in a handoff: a new one, received on the way, or a stored one."""

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.documents.receive import Prepared, receive
from fhirbridge.documents.stored import circumstances_of, find, prepare_as
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.native.documents import Kind
from fhirbridge.storage import document_resources, resources
from fhirbridge.storage.session import Session

_MAX_BYTES = 100_000_000


def outgoing_of(prepared: Prepared, withdrawn: tuple[Resource, ...] = ()) -> Outgoing:
    """What a document that was loaded and mapped gives to a handoff."""
    key = prepared.key
    version = int(prepared.document.data["version"])
    return Outgoing(
        key.kind, key.source_system, key.record_id, version, prepared.made.bundle, withdrawn
    )


def prepare_stored(bridge: Bridge, kind: Kind, record_id: str, *, source: str = "") -> Prepared:
    """A stored document, mapped again. Raises NotFound, or Conflict where `source` is needed."""
    found = find(bridge, kind, record_id, source=source)
    return prepare_as(bridge, kind, wire.parse(found.content, max_bytes=_MAX_BYTES))


class Receiving:
    """Stores a prepared document inside the transaction of its handoff."""

    def __init__(self, bridge: Bridge, prepared: Prepared) -> None:
        self._bridge = bridge
        self._prepared = prepared
        self._mapping = bridge.mappings[prepared.document.kind]

    def __call__(self, session: Session) -> Outgoing:
        """Receive the document; withdrawn items go out in the state they were left in."""
        bridge = self._bridge
        received = receive(session, self._prepared, self._mapping, circumstances_of(bridge))
        withdrawn = [
            resources.read(session, bridge.custodian.id, one.resource_type, one.resource_id)
            for one in document_resources.made_by(session, received.document_id)
            if one.withdrawn
        ]
        return outgoing_of(
            self._prepared,
            tuple(wire.parse(one.content) for one in withdrawn if one and not one.deleted),
        )
