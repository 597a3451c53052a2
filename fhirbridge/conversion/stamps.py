"""Keep the times of writing where nothing else changed.

A document says when it was written, not when each of its facts was. Where R4 wants a time, the
document's is written; without this, each version of a document would make a new version of every
such resource. `stamp: created` keeps the stored time for good, `stamp: changed` as long as the rest
of the resource says the same.
"""

from collections.abc import Collection

from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.mapping.model import Stamp
from fhirbridge.mapping.selecting import Points, slot_of
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Template

_SERVER_META = ("versionId", "lastUpdated")
# which stamps stay: at every update, and where nothing else changed
_ALWAYS: frozenset[Stamp] = frozenset({"created"})
_UNCHANGED: frozenset[Stamp] = frozenset({"created", "changed"})


def restamped(stored: Resource, merged: Resource, template: Template, points: Points) -> Resource:
    """`merged` with the times of `stored` that still hold. No argument is changed."""
    if not any(leaf.rule.stamp for leaf in template.leaves):
        return merged
    kept: Resource = _kept(template.root, stored, merged, _ALWAYS, points)
    same: Resource = _kept(template.root, stored, merged, _UNCHANGED, points)
    return same if _content(same) == _content(stored) else kept


def _kept(
    child: Child, stored: Json, merged: Json, stamps: Collection[Stamp], points: Points
) -> Json:
    if isinstance(child, Leaf):
        return stored if child.rule.stamp in stamps and stored is not None else merged
    if isinstance(child, ObjectNode) and isinstance(stored, dict) and isinstance(merged, dict):
        return {
            name: _kept(child.children[name], stored.get(name), value, stamps, points)
            if name in child.children
            else value
            for name, value in merged.items()
        }
    if isinstance(child, ArrayNode) and isinstance(stored, list) and isinstance(merged, list):
        return [_item(child, stored, item, stamps, points) for item in merged]
    return merged


def _item(
    node: ArrayNode, stored: list[Json], item: Json, stamps: Collection[Stamp], points: Points
) -> Json:
    """An item beside the one that held its place: stamps stand in slots of one item only."""
    slot = slot_of(node, item, points)
    if slot is None or slot.kind not in ("slice", "sole"):
        return item
    before = next((other for other in stored if slot_of(node, other, points) is slot), None)
    return item if before is None else _kept(slot.item, before, item, stamps, points)


def _content(resource: Resource) -> bytes:
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in _SERVER_META}
    bare = {k: v for k, v in resource.items() if k != "meta"}
    return wire.canonical({**bare, "meta": meta} if meta else bare)
