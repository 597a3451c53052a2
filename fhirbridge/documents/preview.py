"""What receiving a document would do: mapped, validated and compared; nothing is stored."""

from dataclasses import dataclass
from typing import Literal

from fhirbridge.bridge import Bridge
from fhirbridge.documents.changes import Change, changes
from fhirbridge.documents.receive import Prepared, is_newer
from fhirbridge.documents.stored import prepare_as
from fhirbridge.errors import Conflict, Issue
from fhirbridge.fhir import wire
from fhirbridge.fhir.differences import differences
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import Kind
from fhirbridge.storage import documents as store

Verdict = Literal["created", "updated", "unchanged", "conflict"]


@dataclass(frozen=True, slots=True)
class Touched:
    """A resource that would change, and the elements that would; never their values."""

    action: Literal["create", "update", "withdraw"]
    reference: str
    elements: tuple[str, ...]

    def to_json(self) -> JsonObject:
        """The change for programs."""
        return {
            "action": self.action,
            "resource": self.reference,
            "elements": list(self.elements),
        }


@dataclass(frozen=True, slots=True)
class Preview:
    """What was made of the document, and what storing it would come to."""

    prepared: Prepared
    verdict: Verdict
    touched: tuple[Touched, ...]
    issues: tuple[Issue, ...]


def preview(bridge: Bridge, kind: Kind, data: JsonObject, *, explain: bool = False) -> Preview:
    """Map and validate a document of this kind and compare it with what is stored.

    Raises InvalidContent with every finding. A version that would be refused is a finding.
    """
    prepared = prepare_as(bridge, kind, data, explain=explain)
    custodian_id = bridge.custodian.id
    with bridge.database.read() as session:
        known = store.find(session, custodian_id, prepared.key)
        if known is not None:
            try:
                if not is_newer(known, prepared):
                    return Preview(prepared, "unchanged", (), prepared.issues)
            except Conflict as refused:
                return Preview(prepared, "conflict", (), (*refused.issues, *prepared.issues))
        found = changes(
            session, custodian_id, prepared.made, bridge.mappings[kind], prepared.source(known)
        )
    touched = tuple(one for change in found.changes if (one := touched_by(change)))
    return Preview(prepared, "updated" if known else "created", touched, prepared.issues)


def touched_by(change: Change) -> Touched | None:
    """The change without values; None for a resource that stays as it is."""
    if change.action == "keep":
        return None
    if change.action == "create" or change.current is None:
        return Touched("create", change.reference, ())
    paths = differences(wire.parse(change.current.content), change.resource)
    return Touched(change.action, change.reference, tuple(paths))
