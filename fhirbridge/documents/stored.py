"""Documents as the systems that own them see them: take one in, read one, list them.

Source: design.md sections 4 and 5
"""

from dataclasses import dataclass
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.documents.receive import Prepared, Received, prepare, receive
from fhirbridge.errors import Conflict, InvalidContent, Issue, NotFound
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import OWN_IDS, Kind, kind_of
from fhirbridge.storage import documents as store
from fhirbridge.storage.documents import DocumentKey, Listed, Position, StoredDocument
from fhirbridge.storage.resources import Circumstances


@dataclass(frozen=True, slots=True)
class Accepted:
    """A document that was taken in, and what is doubtful about it."""

    received: Received
    version: int
    issues: tuple[Issue, ...]


def accept(bridge: Bridge, kind: Kind, data: JsonObject, *, record_id: str = "") -> Accepted:
    """Take a document of this kind in; idempotent by sourceSystem, recordId and version.

    `record_id` is what the address says, if it does. Raises InvalidContent with every finding,
    Conflict for a version that is stored with other content or is older.
    """
    prepared = prepare_as(bridge, kind, data)
    if record_id and prepared.key.record_id != record_id:
        sentence = f"The address names another record; recordId and {OWN_IDS[kind]} must be its."
        raise InvalidContent(Issue("value", sentence, expression=("$.recordId",)))
    with bridge.database.transaction() as session:
        received = receive(session, prepared, bridge.mappings[kind], circumstances_of(bridge))
    return Accepted(received, prepared.document.data["version"], prepared.issues)


def prepare_as(bridge: Bridge, kind: Kind, data: JsonObject, *, explain: bool = False) -> Prepared:
    """Load, map and validate a document of this kind. Raises InvalidContent."""
    if kind_of(data) != kind:
        sentence = f"The address is for documents of the schema fhirbridge.{kind}."
        raise InvalidContent(Issue("value", sentence, expression=("$.schema",), rule="schema"))
    return prepare(
        data,
        bridge.mappings,
        bridge.custodian.namespace,
        explain=explain,
        uscore_version=bridge.settings.uscore_version,
    )


def find(bridge: Bridge, kind: Kind, record_id: str, *, source: str = "") -> StoredDocument:
    """One document. `source` is needed where several systems have the same record id.

    Raises NotFound, and Conflict where `source` is missing.
    """
    custodian_id = bridge.custodian.id
    with bridge.database.read() as session:
        if source:
            known = store.find(session, custodian_id, DocumentKey(kind, source, record_id))
            found = [known] if known else []
        else:
            found = store.with_record_id(session, custodian_id, record_id, kind=kind)
    if not found:
        raise NotFound(Issue("not-found", f"There is no {kind} with this record id."))
    if len(found) > 1:
        sentence = "Several source systems have this record id; name one with source=."
        raise Conflict(Issue("multiple-matches", sentence))
    return found[0]


@dataclass(frozen=True, slots=True)
class Page:
    """Documents in the order of `updatedAt`; `following` is where the next page starts."""

    documents: tuple[Listed, ...]
    following: Position | None


def page(
    bridge: Bridge,
    kind: Kind,
    *,
    source: str = "",
    since: datetime | None = None,
    after: Position | None = None,
    limit: int,
) -> Page:
    """Documents of a kind, oldest change first."""
    with bridge.database.read() as session:
        rows = store.page(
            session,
            bridge.custodian.id,
            kind,
            source_system=source,
            since=since,
            after=after,
            limit=limit + 1,
        )
    shown = tuple(rows[:limit])
    if len(rows) <= limit:
        return Page(shown, None)
    return Page(shown, Position(shown[-1].updated_at, shown[-1].document_id))


def circumstances_of(bridge: Bridge) -> Circumstances:
    """What a write needs to know besides the resource."""
    settings = bridge.settings
    return Circumstances(
        custodian_id=bridge.custodian.id,
        now=bridge.now(),
        zone=settings.zone,
        bases=(settings.own_base,),
    )
