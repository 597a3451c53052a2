"""What documents state about the resources they made, and one resource from several statements.

Shared resources (a Patient, a Goal that an aftercare plan continues) are what all current documents
say about them: each element comes from the newest document that states it. An element is a child
of the resource; in a list, all items of one slice, rule or native list. So the result depends on
the documents only, never on the order in which they arrived.
Source: design.md section 5, identity across documents
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.model import Entry
from fhirbridge.mapping.selecting import Points, slot_of
from fhirbridge.mapping.template import ArrayNode, Template

_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Statement:
    """One resource as one document has it. `labels` name the group of each item of its lists."""

    entry: str
    resource: Resource
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def key(self) -> int:
        """A hash of what is stated, never 0."""
        content = wire.canonical({"resource": self.resource, "labels": dict(self.labels)})
        return (int.from_bytes(blake2b(content, digest_size=8).digest(), "big") >> 1) or 1


def is_shared(entry: Entry) -> bool:
    """True if documents of several records may make the same resource by this entry."""
    own_record = {"recordId", "/recordId"}
    return entry.scope != "record" and not set(entry.key) <= own_record


def state(resource: Resource, template: Template, points: Points) -> Statement:
    """What a document states about a resource; its references are `Type/id`."""
    if not is_shared(template.entry):
        return Statement(template.entry.name, resource)
    labels: dict[str, list[str]] = {}
    for name, node in template.root.children.items():
        items = resource.get(name)
        if isinstance(node, ArrayNode) and isinstance(items, list):
            labels[name] = [_label(node, item, points) for item in items]
    return Statement(template.entry.name, resource, labels)


def _label(node: ArrayNode, item: Json, points: Points) -> str:
    slot = slot_of(node, item, points)
    return f"{slot.kind} {slot.label}" if slot is not None else _OTHER


def combine(newest_first: Sequence[Statement]) -> Resource:
    """The resource that several statements make: each element from the newest that states it."""
    result: Resource = dict(newest_first[0].resource)
    labels = {name: set(given) for name, given in newest_first[0].labels.items()}
    for statement in newest_first[1:]:
        for name, value in statement.resource.items():
            if name not in result:
                result[name] = value
                labels[name] = set(statement.labels.get(name, ()))
            elif name in labels and name in statement.labels:
                given = statement.labels[name]
                pairs = zip(given, value, strict=True)
                added = [item for label, item in pairs if label not in labels[name]]
                result[name] = [*result[name], *added]
                labels[name] |= set(given)
    return result


def pack(statements: Mapping[str, Statement]) -> bytes:
    """All statements of a document by `Type/id`, as compressed JSON."""
    whole = {
        reference: {
            "entry": one.entry,
            "resource": one.resource,
            "labels": {name: list(labels) for name, labels in one.labels.items()},
        }
        for reference, one in statements.items()
    }
    return zlib.compress(wire.dump(whole), 6)


def unpack(content: bytes, *, only: Iterable[str] | None = None) -> dict[str, Statement]:
    """The statements of a document by `Type/id`."""
    whole: JsonObject = wire.parse(zlib.decompress(content))
    names = whole if only is None else [name for name in only if name in whole]
    return {
        name: Statement(whole[name]["entry"], whole[name]["resource"], whole[name]["labels"])
        for name in names
    }
