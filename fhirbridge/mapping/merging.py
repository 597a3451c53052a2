"""Put native parts together: objects field by field, keyed lists item by item."""

from fhirbridge.jsontypes import Json, JsonObject, NativeNode

COPIED_KEY = "\0key"  # where the decoder leaves a key that a carrier's item only copies


def merge_native(into: Json, part: Json, node: NativeNode | None) -> Json:
    """Merge `part` into `into` by the document's shape; returns the result."""
    if isinstance(into, dict) and isinstance(part, dict):
        for name, value in part.items():
            inner = node.fields.get(name) if node is not None else None
            into[name] = (
                merge_native(into[name], value, inner) if name in into else _own(value, inner)
            )
        return into
    if isinstance(into, list) and isinstance(part, list):
        return _merge_lists(into, part, node)
    return part


def _own(value: Json, node: NativeNode | None) -> Json:
    """A list that arrives first is merged with itself, so that copied keys are applied."""
    return _merge_lists([], value, node) if isinstance(value, list) else value


def _merge_lists(into: list[Json], part: list[Json], node: NativeNode | None) -> list[Json]:
    key = node.key if node is not None else None
    item_node = node.item if node is not None else None
    if key == ".":
        return into + [item for item in part if item not in into]
    if key is None:
        for position, item in enumerate(part):
            if position < len(into) and isinstance(item, dict):
                into[position] = merge_native(into[position], item, item_node)
            else:
                into.append(_tidy(item))
        return into
    known = {_key(item, key): position for position, item in enumerate(into)}
    for item in part:
        value = _key(item, key)
        if value in known and None not in value:
            into[known[value]] = merge_native(into[known[value]], _tidy(item, key), item_node)
        else:
            known[value] = len(into)
            into.append(_tidy(item, key))
    return into


def _key(item: Json, key: str) -> tuple[Json, ...]:
    if not isinstance(item, dict):
        return (None,)
    copied = item.get(COPIED_KEY, {})
    return tuple(item.get(name, copied.get(name)) for name in key.split("+"))


def _tidy(item: Json, key: str | None = None) -> Json:
    """Give an item the copied fields that identify it; other copies are not values."""
    if isinstance(item, dict) and COPIED_KEY in item:
        copied = item[COPIED_KEY]
        names = key.split("+") if key else ()
        own = {name: value for name, value in item.items() if name != COPIED_KEY}
        return {**{name: copied[name] for name in names if name in copied}, **own}
    return item


def prune(value: Json) -> Json:
    """Drop empty objects and lists, and copied keys that found no item of their own."""
    if isinstance(value, dict):
        kept = {name: prune(item) for name, item in value.items() if name != COPIED_KEY}
        return {name: item for name, item in kept.items() if item not in (None, {}, [])}
    if isinstance(value, list):
        return [item for item in map(prune, value) if item not in (None, {}, [])]
    return value


def sort_keyed(value: Json, node: NativeNode | None) -> Json:
    """Put keyed lists into the order that `load` gives them; sets are sorted and unique."""
    if isinstance(value, dict):
        fields = node.fields if node is not None else {}
        return {name: sort_keyed(item, fields.get(name)) for name, item in value.items()}
    if isinstance(value, list) and node is not None:
        items = [sort_keyed(item, node.item) for item in value]
        if node.key is None:
            return items
        if node.key == ".":
            return sorted(set(items))
        key = node.key
        return sorted(items, key=lambda item: tuple(str(part) for part in _key(item, key)))
    return value


def nest(path: str, value: Json) -> JsonObject:
    """`a.b` and a value as an object of objects."""
    for step in reversed(path.split(".")):
        value = {step: value}
    result: JsonObject = value
    return result
