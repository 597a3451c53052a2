"""Our extensions as StructureDefinitions: where each stands and what it may hold.

Source: R4 defining-extensions.html, structuredefinition.html
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from fhirbridge.conversion.published.places import Field, Place, Places, tell, words
from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.template import ArrayNode, Leaf, ObjectNode

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/Extension"
_LISTS = ("extension", "modifierExtension")


@dataclass(slots=True)
class _Definition:
    """What is known of one extension or of one part of it."""

    contexts: set[tuple[str, str]] = field(default_factory=set)  # (type, expression)
    types: set[str] = field(default_factory=set)
    fields: set[Field] = field(default_factory=set)
    parts: dict[str, "_Definition"] = field(default_factory=dict)
    repeats: bool = False


def extensions(places: Places) -> Iterator[Resource]:
    """A definition for each extension under our base."""
    prefix = f"{places.base}/StructureDefinition/"
    found: dict[str, _Definition] = {}
    for place in places.all:
        url = place.constant("url")
        if place.path[-1] in _LISTS and isinstance(url, str) and url.startswith(prefix):
            definition = found.setdefault(url, _Definition())
            definition.contexts.add(_context(places, place))
            _collect(definition, place, place.node)
            definition.repeats |= place.repeats
    for url in sorted(found):
        yield _structure_definition(places, url, found[url])


def _context(places: Places, place: Place) -> tuple[str, str]:
    """The element that the extension stands in, by the path of its definition."""
    holder = place.path[:-1]
    if holder[-1] in _LISTS:
        around = next(
            one
            for one in places.all
            if one.path == holder and _has(one.node, place.node) and one.constant("url")
        )
        return "extension", str(around.constant("url"))
    if len(holder) == 1:
        return "element", holder[0]
    element = definitions().resolve(holder[0], holder[1:])
    return "element", element.path if element is not None else ".".join(holder)


def _has(node: ObjectNode, wanted: ObjectNode) -> bool:
    lists = [child for child in node.children.values() if isinstance(child, ArrayNode)]
    return any(slot.item is wanted for array in lists for slot in array.slots)


def _collect(definition: _Definition, place: Place, node: ObjectNode) -> None:
    for name, child in node.children.items():
        if name.startswith("value"):
            element = definitions().resolve("Extension", (name,))
            definition.types.add(element.type if element is not None else name[5:])
            definition.fields |= {place.field(leaf) for leaf in _leaves(child)}
        elif name in _LISTS and isinstance(child, ArrayNode):
            for slot in child.slots:
                url = slot.item.children.get("url") if isinstance(slot.item, ObjectNode) else None
                if isinstance(url, Leaf) and ":" not in str(url.const):
                    assert isinstance(slot.item, ObjectNode)  # noqa: S101
                    part = definition.parts.setdefault(str(url.const), _Definition())
                    part.repeats |= slot.kind == "each"
                    _collect(part, place, slot.item)


def _leaves(child: object) -> Iterator[Leaf]:
    if isinstance(child, Leaf):
        if child.trail and child.kind in ("native", "carry"):
            yield child
    elif isinstance(child, ObjectNode):
        for grandchild in child.children.values():
            yield from _leaves(grandchild)
    elif isinstance(child, ArrayNode):
        for slot in child.slots:
            yield from _leaves(slot.item)


def _structure_definition(places: Places, url: str, definition: _Definition) -> Resource:
    parts = {name: definition.parts[name] for name in sorted(definition.parts)}
    fields = definition.fields.union(*(part.fields for part in parts.values()))
    told = f"Holds {tell(fields)}." if fields else "Written by a mapping."
    elements = list(_elements(url, told, definition, parts))
    head = places.head("StructureDefinition", url)
    elements[0]["short"] = head["title"]
    return {
        **head,
        "description": told,
        "fhirVersion": "4.0.1",
        "kind": "complex-type",
        "abstract": False,
        "context": [
            {"type": kind, "expression": expression}
            for kind, expression in sorted(definition.contexts)
        ],
        "type": "Extension",
        "baseDefinition": _EXTENSION,
        "derivation": "constraint",
        "snapshot": {"element": elements},
        "differential": {"element": [_changed(element) for element in elements]},
    }


def _elements(
    url: str, told: str, definition: _Definition, parts: dict[str, _Definition]
) -> Iterator[JsonObject]:
    """All elements of the extension, as a snapshot has them."""
    top = "*" if definition.repeats else "1"
    yield _element("Extension", "Extension", told, minimum=0, maximum=top)
    yield _inner("Extension", "id", "An id for references inside the resource.", "string")
    if parts:
        slicing = {
            "discriminator": [{"type": "value", "path": "url"}],
            "ordered": False,
            "rules": "closed",
        }
        holder = _element("Extension.extension", "Extension.extension", "The parts.", maximum="*")
        yield {**holder, "slicing": slicing, "type": [{"code": "Extension"}]}
        for name, part in parts.items():
            yield from _part(name, part)
    else:
        yield _extensions("Extension.extension", "Extension.extension", maximum="0")
    yield _url("Extension.url", url)
    if definition.types:
        yield _value("Extension.value[x]", definition.types)
    else:
        yield _element("Extension.value[x]", "Extension.value[x]", "No value.", maximum="0")


def _part(name: str, part: _Definition) -> Iterator[JsonObject]:
    root = f"Extension.extension:{name}"
    told = f"Holds {tell(part.fields)}."
    head = _element("Extension.extension", root, told, maximum="*" if part.repeats else "1")
    yield {**head, "short": words(name), "sliceName": name, "type": [{"code": "Extension"}]}
    yield _inner(root, "id", "An id for references inside the resource.", "string")
    yield _extensions("Extension.extension.extension", f"{root}.extension", maximum="0")
    yield _url(f"{root}.url", name)
    yield _value(f"{root}.value[x]", part.types)


def _extensions(path: str, identity: str, *, maximum: str) -> JsonObject:
    element = _element(path, identity, "No further extensions.", maximum=maximum)
    return {**element, "type": [{"code": "Extension"}]}


def _url(identity: str, url: str) -> JsonObject:
    path = identity.partition(":")[0] + (".url" if ":" in identity else "")
    element = _element(path, identity, "Which extension it is.", minimum=1, maximum="1")
    return {**element, "type": [{"code": "uri"}], "fixedUri": url}


def _value(identity: str, types: set[str]) -> JsonObject:
    path = identity.partition(":")[0] + (".value[x]" if ":" in identity else "")
    element = _element(path, identity, "The value.", minimum=1, maximum="1")
    return {**element, "type": [{"code": code} for code in sorted(types)]}


def _inner(root: str, name: str, told: str, kind: str) -> JsonObject:
    path = f"{root.partition(':')[0]}.{name}"
    return {**_element(path, f"{root}.{name}", told), "type": [{"code": kind}]}


def _element(
    path: str, identity: str, told: str, *, minimum: int = 0, maximum: str = "1"
) -> JsonObject:
    """An element definition with what a snapshot needs; the base is the Extension of R4."""
    base_path = "Extension" if path == "Extension" else "Extension." + path.rpartition(".")[2]
    unbounded = path == "Extension" or path.endswith(".extension")
    return {
        "id": identity,
        "path": path,
        "short": told.removesuffix("."),
        "definition": told,
        "min": minimum,
        "max": maximum,
        "base": {
            "path": base_path,
            "min": 1 if base_path.endswith(".url") else 0,
            "max": "*" if unbounded else "1",
        },
    }


def _changed(element: JsonObject) -> JsonObject:
    """The element as a differential says it."""
    return {name: value for name, value in element.items() if name != "base"}
