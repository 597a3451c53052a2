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
        """The new items in their order; what others added stays behind the item it followed."""
        merged = list(new)
        free = set(range(len(new)))
        followers: dict[int, list[Json]] = {}
        before = -1
        for item in stored:
            slot = self._slot(node, item)
            match = self._counterpart(slot, item, new, free) if slot is not None else None
            if slot is None:
                followers.setdefault(before, []).append(item)
            elif match is not None:
                free.discard(match)
                merged[match] = self._item(slot, item, new[match])
                before = match
            else:
                kept = self._item(slot, item, None)
                if kept not in (None, {}, []):
                    followers.setdefault(before, []).append(kept)
        result = followers.get(-1, [])
        for position, item in enumerate(merged):
            result = [*result, item, *followers.get(position, [])]
        return result

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

    def _counterpart(self, slot: Slot, item: Json, new: list[Json], free: set[int]) -> int | None:
        """The new item that continues a stored one: equal first, then the same slot and key."""
        candidates = [p for p in sorted(free) if isinstance(new[p], dict) == isinstance(item, dict)]
        for position in candidates:
            if new[position] == item:
                return position
        key = slot.each.key if slot.each is not None else ""
        for position in candidates:
            if not all(satisfies(new[position], c, _anywhere) for c in slot.constraints):
                continue
            if slot.kind in ("slice", "sole") or key == "ordered":
                return position
            if _key_values(slot, new[position]) == _key_values(slot, item):
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
