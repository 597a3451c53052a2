"""What joins documents and handoffs, which know nothing of each other: a document is received and
becomes what goes out, in one transaction.
"""

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.mappings import Mappings
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.documents.receive import Prepared, receive
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import document_resources, resources
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Session


def outgoing_of(prepared: Prepared, withdrawn: tuple[Resource, ...] = ()) -> Outgoing:
    """What a document that was loaded and mapped gives to a handoff."""
    key = prepared.key
    version = int(prepared.document.data["version"])
    return Outgoing(
        key.kind, key.source_system, key.record_id, version, prepared.made.bundle, withdrawn
    )


class Receiving:
    """Stores a prepared document inside the transaction of its handoff."""

    def __init__(self, bridge: Bridge, prepared: Prepared, mappings: Mappings) -> None:
        self._bridge = bridge
        self._prepared = prepared
        self._mapping = mappings[prepared.document.kind]

    def __call__(self, session: Session) -> Outgoing:
        """Receive the document; withdrawn items go out in the state they were left in."""
        bridge = self._bridge
        circumstances = Circumstances(
            custodian_id=bridge.custodian.id, now=bridge.now(), zone=bridge.settings.zone
        )
        received = receive(session, self._prepared, self._mapping, circumstances)
        withdrawn = [
            resources.read(session, bridge.custodian.id, one.resource_type, one.resource_id)
            for one in document_resources.made_by(session, received.document_id)
            if one.withdrawn
        ]
        return outgoing_of(
            self._prepared,
            tuple(wire.parse(one.content) for one in withdrawn if one and not one.deleted),
        )
