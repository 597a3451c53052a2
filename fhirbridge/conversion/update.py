"""Lay a newly encoded resource over a stored one: what the mapping does not cover survives.

Law 2 (design.md section 6). Covered is what the template writes; everything else in the stored
resource was added by someone else and stays where it is.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from fhirbridge.conversion.stamps import restamped
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
    overlay = _Overlay(points, knows_base=base is not None)
    merged = overlay.object(template.root, stored, encoded, base or {})
    for name in ("resourceType", "id"):
        merged[name] = encoded[name]
    meta = {k: v for k, v in merged.get("meta", {}).items() if k not in _SERVER_META}
    if meta:
        merged["meta"] = meta
    else:
        merged.pop("meta", None)
    return restamped(stored, merged, template, points)


class _Overlay:
    def __init__(self, points: Points, *, knows_base: bool) -> None:
        self._points = points
        self._knows_base = knows_base

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
        followers: dict[int, list[Json]] = {}
        before = -1
        slots = [slot_of(node, item, self._points) for item in stored]
        known = [index for index, slot in enumerate(slots) if slot is not None]
        origins = _pairs(slots, stored, base, known, _ALL, set(range(len(base))))
        added = [index for index in known if self._knows_base and index not in origins]
        free = set(range(len(new)))
        ours = [index for index in known if index not in added]
        matches = _pairs(slots, stored, new, ours, _ALL, free)
        matches |= _pairs(slots, stored, new, added, _SURE, free)
        for index, (slot, item) in enumerate(zip(slots, stored, strict=True)):
            if slot is None:
                if not _is_among(item, base) and not _is_among(item, new):
                    followers.setdefault(before, []).append(item)
                continue
            was = base[origins[index]] if index in origins else None
            if index in matches:
                before = matches[index]
                merged[before] = self._item(slot, item, new[before], was)
                continue
            kept = item if index in added else self._item(slot, item, None, was)
            if kept not in _NOTHING:
                followers.setdefault(before, []).append(kept)
        result = followers.get(-1, [])
        for position, item in enumerate(merged):
            result = [*result, item, *followers.get(position, [])]
        return result

    def _item(self, slot: Slot, item: Json, fresh: Json, was: Json) -> Json:
        if isinstance(slot.item, Leaf):
            return fresh
        if slot.kind == "links":
            if fresh is None or not self._knows_base:
                return fresh
            return {**{k: v for k, v in item.items() if k not in _object(was)}, **fresh}
        kept = self._child(slot.item, item, fresh, was)
        if fresh is None and kept is not None and not _adds(kept):
            return None
        return kept


# Ways to find the item that continues another one, the surest first.


def _equal(slot: Slot, item: Json, items: list[Json], free: set[int]) -> int | None:
    return next((p for p in sorted(free) if items[p] == item), None)


def _by_key(slot: Slot, item: Json, items: list[Json], free: set[int]) -> int | None:
    """In the same slot with the same key, which is all of it for a slot of one item."""
    if slot.kind == "links" or (slot.each is not None and slot.each.key == "ordered"):
        return None
    sole = slot.kind in ("slice", "sole")
    for position in _in_slot(slot, item, items, free):
        if sole or _key_values(slot, items[position]) == _key_values(slot, item):
            return position
    return None


def _held(slot: Slot, item: Json, items: list[Json], free: set[int]) -> int | None:
    """One to which something was added since."""
    return next((p for p in _in_slot(slot, item, items, free) if _holds(item, items[p])), None)


def _by_place(slot: Slot, item: Json, items: list[Json], free: set[int]) -> int | None:
    """The next one, where order is all that tells items apart."""
    if slot.each is None or slot.each.key != "ordered":
        return None
    return next(_in_slot(slot, item, items, free), None)


Way: TypeAlias = Callable[[Slot, Json, list[Json], set[int]], int | None]
_SURE: tuple[Way, ...] = (_equal, _by_key)
_ALL: tuple[Way, ...] = (_equal, _by_key, _held, _by_place)


def _pairs(
    slots: list[Slot | None],
    stored: list[Json],
    items: list[Json],
    among: list[int],
    ways: tuple[Way, ...],
    free: set[int],
) -> dict[int, int]:
    """Stored item -> the item that it continues or that continues it, both by position."""
    found: dict[int, int] = {}
    for way in ways:
        for index in among:
            slot = slots[index]
            if slot is None or index in found or not free:
                continue
            position = way(slot, stored[index], items, free)
            if position is not None:
                free.discard(position)
                found[index] = position
    return found


def _in_slot(slot: Slot, item: Json, items: list[Json], free: set[int]) -> Iterator[int]:
    for position in sorted(free):
        other = items[position]
        if isinstance(other, dict) == isinstance(item, dict) and all(
            satisfies(other, constraint, _anywhere) for constraint in slot.constraints
        ):
            yield position


def _holds(item: Json, part: Json) -> bool:
    """True when an item has all that is in another one."""
    if isinstance(item, dict) and isinstance(part, dict):
        return all(name in item and _holds(item[name], value) for name, value in part.items())
    if isinstance(item, list) and isinstance(part, list):
        return all(any(_holds(each, value) for each in item) for value in part)
    return bool(item == part)


def _foreign(stored: Json, new: Json, base: Json) -> Json:
    """What becomes of a value that the template does not cover."""
    if isinstance(stored, list):
        return _foreign_list(stored, _list(new), _list(base))
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


def _foreign_list(stored: list[Json], new: list[Json], base: list[Json]) -> list[Json]:
    result, origins, added = list(new), list(base), []
    others = [item for item in stored if not _is_among(item, new)]
    for item in stored:
        if item in origins:
            origins.remove(item)
    for item in others:
        if _is_among(item, base):
            continue
        origin = next((each for each in origins if _holds(item, each)), None)
        if origin is None:
            added.append(item)
            continue
        origins.remove(origin)
        if origin in result:
            result[result.index(origin)] = item
    return [*result, *added]


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
