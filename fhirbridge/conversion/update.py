"""Lay a newly encoded resource over a stored one: what the mapping does not cover survives.

Law 2 (design.md section 6). Covered is what the template writes; everything else in the stored
resource was added by someone else and stays where it is.
"""

from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.selecting import Points, satisfies, slot_of, values_at
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Slot, Template

_SERVER_META = ("versionId", "lastUpdated")
_NOTHING: tuple[Json, ...] = (None, {}, [])


def update(
    stored: Resource,
    encoded: Resource,
    template: Template,
    points: Points,
    *,
    base: Resource | None = None,
) -> Resource:
    """`encoded`, and in it what others added to `stored`. No argument is changed.

    `points` tells which entry a reference of the stored resource leads to. `base` is what was
    encoded when `stored` was written: of what the template does not cover, what stands in `base`
    is not somebody else's addition (another mapping made it) and goes unless `encoded` has it.
    """
    merged = _Overlay(points).object(template.root, stored, encoded, base or {})
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

    def object(
        self, node: ObjectNode, stored: JsonObject, new: JsonObject, base: JsonObject
    ) -> JsonObject:
        result: JsonObject = {}
        for name, value in stored.items():
            child = node.children.get(name)
            if child is None:
                kept = _foreign(value, new.get(name), base.get(name))
            else:
                kept = self._child(child, value, new.get(name), base.get(name))
            if kept not in _NOTHING or (child is None and value in _NOTHING):
                result[name] = kept
        for name, value in new.items():
            result.setdefault(name, value)
        return result

    def _child(self, child: Child, stored: Json, new: Json, base: Json) -> Json:
        if isinstance(child, ObjectNode) and isinstance(stored, dict):
            return self.object(child, stored, _object(new), _object(base))
        if isinstance(child, ArrayNode) and isinstance(stored, list):
            return self._array(child, stored, _list(new), _list(base))
        return new

    def _array(
        self, node: ArrayNode, stored: list[Json], new: list[Json], base: list[Json]
    ) -> list[Json]:
        """The new items in their order; what others added stays behind the item it followed."""
        merged = list(new)
        free = set(range(len(new)))
        followers: dict[int, list[Json]] = {}
        before = -1
        for item in stored:
            slot = slot_of(node, item, self._points)
            if slot is None:
                if not _is_among(item, base) and not _is_among(item, new):
                    followers.setdefault(before, []).append(item)
                continue
            match = self._counterpart(slot, item, new, free)
            earlier = self._counterpart(slot, item, base, set(range(len(base))))
            was = None if earlier is None else base[earlier]
            if match is not None:
                free.discard(match)
                merged[match] = self._item(slot, item, new[match], was)
                before = match
            else:
                kept = self._item(slot, item, None, was)
                if kept not in _NOTHING:
                    followers.setdefault(before, []).append(kept)
        result = followers.get(-1, [])
        for position, item in enumerate(merged):
            result = [*result, item, *followers.get(position, [])]
        return result

    def _item(self, slot: Slot, item: Json, fresh: Json, was: Json) -> Json:
        if slot.kind == "links" or isinstance(slot.item, Leaf):
            return fresh
        kept = self._child(slot.item, item, fresh, was)
        if fresh is None and kept is not None and not _adds(kept):
            return None
        return kept

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


def _foreign(stored: Json, new: Json, base: Json) -> Json:
    """What becomes of a value that the template does not cover."""
    if isinstance(stored, list):
        ours = _list(base)
        fresh = _list(new)
        return [*fresh, *(x for x in stored if not _is_among(x, ours) and not _is_among(x, fresh))]
    if isinstance(stored, dict) and isinstance(base, dict):
        names = [*stored, *(name for name in _object(new) if name not in stored)]
        kept = {
            name: _foreign(stored.get(name), _object(new).get(name), base.get(name))
            for name in names
        }
        return {name: value for name, value in kept.items() if value not in _NOTHING}
    if new is not None:
        return new
    return None if base is not None and _same(stored, base) else stored


def _same(one: Json, other: Json) -> bool:
    return wire.canonical(one) == wire.canonical(other)


def _is_among(item: Json, items: list[Json]) -> bool:
    return any(_same(item, other) for other in items)


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


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
