"""FHIRPath Patch: a Parameters resource with the operations add, insert, delete, replace, move.

Source: R4 fhirpatch.html
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.expressions import Name, UnknownExpression
from fhirbridge.fhir.locations import Location, find, steps_of, variants
from fhirbridge.interactions.patch_json import MAX_OPERATIONS
from fhirbridge.jsontypes import Json, JsonObject, Resource


class _Fault(Exception):
    """An operation that this resource does not allow; the text is a sentence without values."""


@dataclass(frozen=True, slots=True)
class _Value:
    """A value to write: `content` and what extends it; `type` is "" for an anonymous one."""

    content: Json
    companion: Json = None
    type: str = ""


def apply(resource: Resource, parameters: Resource) -> Resource:
    """The resource after all operations; the one that is given stays as it is.

    Raises InvalidContent: 400 for Parameters that are no FHIRPath Patch, 422 for an operation
    that this resource does not allow.
    """
    patched = deepcopy(resource)
    listed = parameters.get("parameter")
    operations = listed if isinstance(listed, list) else []
    if len(operations) > MAX_OPERATIONS:
        raise InvalidContent(
            Issue("too-costly", f"A patch may have at most {MAX_OPERATIONS} operations.")
        )
    for index, operation in enumerate(operations):
        if not isinstance(operation, dict) or operation.get("name") != "operation":
            raise _malformed(index, "every parameter must have the name operation")
        parts = _parts(operation, index)
        change = _CHANGES.get(_text(parts, "type", index))
        if change is None:
            raise _malformed(index, "type must be add, insert, delete, replace or move")
        try:
            change(patched, parts, index)
        except UnknownExpression as exc:
            raise _malformed(index, str(exc).partition(":")[0].rstrip(".")) from exc
        except _Fault as exc:
            raise InvalidContent(
                Issue("conflict", f"Operation {index} of the patch: {exc}", expression=_at(index))
            ) from exc
    return patched


def _at(index: int) -> tuple[str, ...]:
    return (f"Parameters.parameter[{index}]",)


def _malformed(index: int, words: str) -> InvalidContent:
    text = f"Operation {index} of the patch: {words}."
    return InvalidContent(Issue("structure", text, expression=_at(index)))


def _parts(operation: JsonObject, index: int) -> dict[str, JsonObject]:
    listed = operation.get("part")
    parts: dict[str, JsonObject] = {}
    for part in listed if isinstance(listed, list) else []:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name in parts:
            raise _malformed(index, "each part must have a name of its own")
        parts[name] = part
    return parts


def _text(parts: dict[str, JsonObject], name: str, index: int) -> str:
    part = parts.get(name, {})
    text = part.get("valueCode") or part.get("valueString")
    if not isinstance(text, str):
        raise _malformed(index, f"the part {name} is needed, as a string")
    return text


def _number(parts: dict[str, JsonObject], name: str, index: int) -> int:
    number = parts.get(name, {}).get("valueInteger")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise _malformed(index, f"the part {name} is needed, as an integer of 0 or more")
    return number


def _add(resource: Resource, parts: dict[str, JsonObject], index: int) -> None:
    parent = _one(resource, _text(parts, "path", index))
    owner, children = _inside(parent)
    name = _text(parts, "name", index)
    candidates = variants(children, name)
    value = _value(parts, candidates, index)
    element = _chosen(candidates, value)
    if element.is_list:
        items = _items(owner, element)
        _write_items(owner, element, [*items, value])
        return
    if any(each.name in owner or f"_{each.name}" in owner for each in candidates):
        raise _Fault("the element exists already and does not repeat; use replace.")
    _write(owner, element, value)


def _insert(resource: Resource, parts: dict[str, JsonObject], index: int) -> None:
    owner, element = _list(resource, _text(parts, "path", index))
    items = _items(owner, element)
    position = _number(parts, "index", index)
    if position > len(items):
        raise _Fault("the list has no such position.")
    items.insert(position, _value(parts, [element], index))
    _write_items(owner, element, items)


def _delete(resource: Resource, parts: dict[str, JsonObject], index: int) -> None:
    # Deleting what is not there succeeds.
    found = find(resource, steps_of(_text(parts, "path", index), resource["resourceType"]))
    if len(found) > 1:
        raise _Fault("the path names several elements; one at a time can be deleted.")
    for location in found:
        if location.element is None:
            raise _Fault("the resource itself cannot be deleted by a patch.")
        _erase(location, location.element)


def _replace(resource: Resource, parts: dict[str, JsonObject], index: int) -> None:
    location = _one(resource, _text(parts, "path", index))
    if location.element is None:
        raise _Fault("the resource itself cannot be replaced by a patch.")
    candidates = [location.element]
    if location.element.choice:
        holder = location.element.path.rpartition(".")[0]
        candidates = variants(holder, location.element.choice)
    value = _value(parts, candidates, index)
    if location.index is None:
        _erase(location, location.element)
        _write(location.owner, _chosen(candidates, value), value)
        return
    items = _items(location.owner, location.element)
    items[location.index] = value
    _write_items(location.owner, location.element, items)


def _move(resource: Resource, parts: dict[str, JsonObject], index: int) -> None:
    owner, element = _list(resource, _text(parts, "path", index))
    items = _items(owner, element)
    source = _number(parts, "source", index)
    destination = _number(parts, "destination", index)
    if source >= len(items) or destination >= len(items):
        raise _Fault("the list has no such position.")
    items.insert(destination, items.pop(source))
    _write_items(owner, element, items)


_CHANGES: dict[str, Callable[[Resource, dict[str, JsonObject], int], None]] = {
    "add": _add,
    "insert": _insert,
    "delete": _delete,
    "replace": _replace,
    "move": _move,
}


def _one(resource: Resource, expression: str) -> Location:
    found = find(resource, steps_of(expression, resource["resourceType"]))
    if len(found) != 1:
        raise _Fault(f"the path must name one element, and names {len(found)}.")
    return found[0]


def _list(resource: Resource, expression: str) -> tuple[JsonObject, ElementInfo]:
    """The owner and the element of the one list that a path names, which may still be empty."""
    steps = steps_of(expression, resource["resourceType"])
    if not steps or not isinstance(steps[-1], Name):
        raise _Fault("the path must end with the name of a list.")
    found = find(resource, steps[:-1])
    if len(found) != 1:
        raise _Fault("the path must name the list of one element.")
    owner, children = _inside(found[0])
    element = variants(children, steps[-1].name)[0]
    if not element.is_list:
        raise _Fault("the path must name an element that repeats.")
    return owner, element


def _inside(location: Location) -> tuple[JsonObject, str]:
    """Where the children of a value are written, and their type; made for a primitive."""
    element = location.element
    if element is None or not element.is_primitive:
        return location.value, location.children
    name = f"_{location.name}"
    if location.index is None:
        owner: JsonObject = location.owner.setdefault(name, {})
        return owner, "Element"
    items = location.owner.setdefault(name, [])
    items.extend([None] * (location.index + 1 - len(items)))
    if items[location.index] is None:
        items[location.index] = {}
    return items[location.index], "Element"


def _value(parts: dict[str, JsonObject], candidates: Sequence[ElementInfo], index: int) -> _Value:
    part = parts.get("value")
    if part is None:
        raise _malformed(index, "the part value is needed")
    return _content(part, candidates, index)


def _content(part: JsonObject, candidates: Sequence[ElementInfo], index: int) -> _Value:
    if "resource" in part:
        return _Value(part["resource"], type="Resource")
    nested = part.get("part")
    if isinstance(nested, list):
        return _Value(_anonymous(nested, candidates, index), type=candidates[0].type)
    for element in definitions().elements("Parameters.parameter").values():
        companion = part.get(f"_{element.name}")
        if element.choice == "value" and (element.name in part or companion is not None):
            return _Value(deepcopy(part.get(element.name)), deepcopy(companion), element.type)
    raise _malformed(index, "the part value has no value")


def _anonymous(parts: list[Json], candidates: Sequence[ElementInfo], index: int) -> JsonObject:
    """A value without a datatype of its own, its elements given as parts."""
    made: JsonObject = {}
    for part in parts:
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str):
            raise _malformed(index, "each part must have a name")
        found = variants(candidates[0].children, name)
        value = _content(part, found, index)
        element = _chosen(found, value)
        if element.is_list:
            _write_items(made, element, [*_items(made, element), value])
        else:
            _write(made, element, value)
    return made


def _chosen(candidates: Sequence[ElementInfo], value: _Value) -> ElementInfo:
    """The element that takes the value: of a choice, the variant of its type."""
    if len(candidates) == 1:
        return candidates[0]
    for element in candidates:
        if element.type == value.type:
            return element
    raise _Fault("the element does not take a value of this type.")


def _items(owner: JsonObject, element: ElementInfo) -> list[_Value]:
    values = owner.get(element.name) or []
    companions = owner.get(f"_{element.name}") or []
    length = max(len(values), len(companions))
    padded = [[*each, *[None] * (length - len(each))] for each in (values, companions)]
    return [_Value(value, companion) for value, companion in zip(*padded, strict=True)]


def _write_items(owner: JsonObject, element: ElementInfo, items: list[_Value]) -> None:
    for name, listed in (
        (element.name, [item.content for item in items]),
        (f"_{element.name}", [item.companion for item in items]),
    ):
        if any(each is not None for each in listed):
            owner[name] = listed
        else:
            owner.pop(name, None)


def _write(owner: JsonObject, element: ElementInfo, value: _Value) -> None:
    for name, content in ((element.name, value.content), (f"_{element.name}", value.companion)):
        if content is not None:
            owner[name] = content


def _erase(location: Location, element: ElementInfo) -> None:
    if location.index is None:
        location.owner.pop(element.name, None)
        location.owner.pop(f"_{element.name}", None)
        return
    items = _items(location.owner, element)
    del items[location.index]
    _write_items(location.owner, element, items)
