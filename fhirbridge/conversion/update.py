"""Lay a newly encoded resource over a stored one: what the mapping does not cover survives.

Law 2 (design.md section 6). Covered is what the template writes; everything else in the stored
resource was added by someone else and stays where it is.
"""

from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.selecting import Points, satisfies, values_at
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Slot, Template

_SERVER_META = ("versionId", "lastUpdated")


def update(stored: Resource, encoded: Resource, template: Template, points: Points) -> Resource:
    """`encoded`, and in it what others added to `stored`. Neither argument is changed.

    `points` tells which entry a reference of the stored resource leads to.
    """
    merged = _Overlay(points).object(template.root, stored, encoded)
    for name in ("resourceType", "id"):
        merged[name] = encoded[name]
    meta = {k: v for k, v in merged.get("meta", {}).items() if k not in _SERVER_META}
    if meta:
        merged["meta"] = meta
    else:
        merged.pop("meta", None)
    return merged


class _Overlay:
    def __init__(self, points: Points) -> None:
        self._points = points

    def object(self, node: ObjectNode, stored: JsonObject, new: JsonObject) -> JsonObject:
        result: JsonObject = {}
        for name, value in stored.items():
            child = node.children.get(name)
            if child is None:
                result[name] = new.get(name, value)
            else:
                kept = self._child(child, value, new.get(name))
                if kept not in (None, {}, []):
                    result[name] = kept
        for name, value in new.items():
            result.setdefault(name, value)
        return result

    def _child(self, child: Child, stored: Json, new: Json) -> Json:
        if isinstance(child, ObjectNode) and isinstance(stored, dict):
            return self.object(child, stored, new if isinstance(new, dict) else {})
        if isinstance(child, ArrayNode) and isinstance(stored, list):
            return self._array(child, stored, new if isinstance(new, list) else [])
        return new

    def _array(self, node: ArrayNode, stored: list[Json], new: list[Json]) -> list[Json]:
        pending = list(new)
        result: list[Json] = []
        for item in stored:
            slot = self._slot(node, item)
            if slot is None:
                result.append(item)
                continue
            match = self._counterpart(slot, item, pending)
            fresh = pending.pop(match) if match is not None else None
            kept = self._item(slot, item, fresh)
            if kept not in (None, {}, []):
                result.append(kept)
        return result + pending

    def _item(self, slot: Slot, item: Json, fresh: Json) -> Json:
        if slot.kind == "links" or isinstance(slot.item, Leaf):
            return fresh
        kept = self._child(slot.item, item, fresh)
        if fresh is None and kept is not None and not _adds(kept):
            return None
        return kept

    def _slot(self, node: ArrayNode, item: Json) -> Slot | None:
        for slot in sorted(node.slots, key=lambda slot: -len(slot.constraints)):
            if all(satisfies(item, constraint, self._points) for constraint in slot.constraints):
                return slot
        return None

    def _counterpart(self, slot: Slot, item: Json, pending: list[Json]) -> int | None:
        """The new item that continues a stored one: equal first, then the same slot and key."""
        for position, candidate in enumerate(pending):
            if candidate == item:
                return position
        key = slot.each.key if slot.each is not None else ""
        for position, candidate in enumerate(pending):
            if isinstance(candidate, dict) != isinstance(item, dict):
                continue
            belongs = all(satisfies(candidate, c, _anywhere) for c in slot.constraints)
            if belongs and (slot.kind in ("slice", "sole") or key in ("ordered",)):
                return position
            if belongs and _key_values(slot, candidate) == _key_values(slot, item):
                return position
        return None


def _key_values(slot: Slot, item: Json) -> list[Json]:
    return [list(values_at(item, c.path)) for c in slot.constraints if not c.link]


def _anywhere(reference: str, entry: str) -> bool:
    return True


def _adds(kept: Json) -> bool:
    """True when something is left of an item whose native counterpart is gone."""
    if isinstance(kept, dict):
        return any(_adds(value) for value in kept.values())
    if isinstance(kept, list):
        return any(_adds(value) for value in kept)
    return kept is not None
