"""Which resources a document has: one instance per anchor and occurrence, with key and id.

Ids are UUIDv5 under a secret namespace (design.md section 5), so that they are the same at each
conversion and cannot be counted back to record numbers.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote
from uuid import UUID, uuid5

from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.mapping import paths
from fhirbridge.mapping.expanders import EXPANDERS
from fhirbridge.mapping.model import Entry
from fhirbridge.mapping.selections import SELECTIONS


@dataclass(frozen=True, slots=True)
class Instance:
    """One resource to be: its entry, native anchor, position in the native list, key and id."""

    entry: Entry
    native: JsonObject
    index: int
    key: tuple[str, ...]
    prefix: str
    resource_id: str

    @property
    def reference(self) -> str:
        """The reference by which other resources of the bundle name it."""
        return f"urn:uuid:{self.resource_id}"

    @property
    def native_key(self) -> str:
        """What native references hold: the item's id, else the last part of the key."""
        if self.entry.expand:
            return "/".join(self.key)
        own = self.native.get("id")
        return own if isinstance(own, str) else (self.key[-1] if self.key else "")


def scope_of(entry: Entry, document: Mapping[str, Json]) -> tuple[str, ...]:
    """What the entry's key is unique in."""
    source = str(document.get("sourceSystem", ""))
    record = str(document.get("recordId", ""))
    if entry.scope == "global":
        return ()
    if entry.scope == "source" or entry.key == ("recordId",):
        return (source,)
    if entry.scope == "enrollment":
        return (source, str(document.get("enrollmentId") or record))
    return (source, record)


def key_of(entry: Entry, native: JsonObject, document: JsonObject) -> tuple[str, ...]:
    """The key parts; empty text where a part is missing. `npi|id` is the first one present."""
    parts: list[str] = []
    for part in entry.key:
        for name in part.split("|"):
            value = paths.read(document if name.startswith("/") else native, name)
            if value is None and "schedule" in native and not name.startswith("/"):
                value = paths.read(native["schedule"], name)
            if value is not None:
                parts.append(str(value))
                break
        else:
            parts.append("")
    return tuple(parts)


def anchors_of(entry: Entry, document: JsonObject) -> Iterator[tuple[int, JsonObject]]:
    """The native anchors of an entry, with their position in the native list."""
    for index, item in _candidates(entry, document):
        if entry.condition and not any(
            paths.read(item, name) is not None for name in entry.condition.split("|")
        ):
            continue
        if not entry.where or SELECTIONS[entry.where].test(item, document):
            yield index, item


def _candidates(entry: Entry, document: JsonObject) -> Iterator[tuple[int, JsonObject]]:
    if entry.list_path:
        found = paths.read(document, entry.list_path)
        if isinstance(found, list):
            yield from ((i, item) for i, item in enumerate(found) if isinstance(item, dict))
        return
    single = paths.read(document, entry.of)
    if isinstance(single, dict):
        yield 0, single


def instances_of(entry: Entry, document: JsonObject, namespace: UUID) -> list[Instance]:
    """All instances of one entry, occurrences in the order of the expander."""
    result: list[Instance] = []
    scope = scope_of(entry, document)
    scope_text = "".join(quote(part, safe="") + "/" for part in scope)
    for index, anchor in anchors_of(entry, document):
        natives = EXPANDERS[entry.expand].items(anchor, document) if entry.expand else (anchor,)
        for native in natives:
            key = key_of(entry, native, document)
            leading = "".join(quote(part, safe="") + "/" for part in key[:-1])
            name = "|".join((entry.type, entry.identity, *scope, *key))
            result.append(
                Instance(
                    entry, native, index, key, scope_text + leading, str(uuid5(namespace, name))
                )
            )
    return result
