"""Finds the places of a resource that a FHIRPath names, so that they can be changed.

The subset is that of `expressions`: child elements, `[n]`, `first()`, `last()`, `where(…)`,
`ofType(…)` and `extension(…)`, beginning with the resource type or with the first element.
Source: R4 fhirpatch.html, fhirpath.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.elements import compile_condition
from fhirbridge.fhir.expressions import (
    Extension,
    Index,
    Name,
    OfType,
    Path,
    Step,
    UnknownExpression,
    Where,
    parse,
)
from fhirbridge.jsontypes import Json, JsonObject, Resource


@dataclass(frozen=True, slots=True)
class Location:
    """One value and where it stands: `owner[name]`, or `owner[name][index]` in a list.

    The resource itself has no `element`; its `owner` is the resource.
    """

    owner: JsonObject
    name: str = ""
    index: int | None = None
    element: ElementInfo | None = None

    @property
    def value(self) -> Json:
        """The value; None for a primitive that has nothing but extensions."""
        if self.element is None:
            return self.owner
        found = self.owner.get(self.name)
        if self.index is None or found is None:
            return found
        return found[self.index] if self.index < len(found) else None

    @property
    def children(self) -> str:
        """The type or backbone path that holds the child elements."""
        if self.element is not None and self.element.children != "Resource":
            return self.element.children
        return str(self.value.get("resourceType", "Resource"))


def steps_of(expression: str, resource_type: str) -> tuple[Step, ...]:
    """The steps below the resource. Raises UnknownExpression for what this subset lacks."""
    try:
        node = parse(expression)
    except (ValueError, RecursionError) as exc:
        raise UnknownExpression("This FHIRPath is not covered.") from exc
    if not isinstance(node, Path):
        raise UnknownExpression("A path to an element is expected.")
    steps = node.steps
    roots = (resource_type, "Resource", "DomainResource")
    return steps[1:] if isinstance(steps[0], Name) and steps[0].name in roots else steps


def find(resource: Resource, steps: tuple[Step, ...]) -> list[Location]:
    """The places that the steps reach, in the order of the resource.

    Raises UnknownExpression for an element that the type does not have.
    """
    found = [Location(resource)]
    for step in steps:
        found = _advance(found, step, resource)
    return found


def variants(children: str, name: str) -> list[ElementInfo]:
    """The elements that go by a FHIRPath name: one, or all of a choice. Raises UnknownExpression.

    The full JSON name of a choice (`valueString`) is understood as well.
    """
    elements = definitions().elements(children) if children in definitions() else {}
    named = [e for e in elements.values() if name in (e.choice or e.name, e.name)]
    if not named:
        raise UnknownExpression("The path names an element that its type does not have.")
    return named


def _advance(locations: list[Location], step: Step, resource: Resource) -> list[Location]:
    match step:
        case Name(name=name):
            return [found for each in locations for found in _children(each, name)]
        case Index(position=-1):
            return locations[-1:]
        case Index(position=position):
            return locations[position : position + 1]
        case OfType(type=type_name):
            return [e for e in locations if e.element and _is_type(e.element.type, type_name)]
        case Extension(url=url):
            extensions = [found for each in locations for found in _children(each, "extension")]
            return [each for each in extensions if each.value.get("url") == url]
        case Where(condition=condition):
            return [
                each
                for each in locations
                if compile_condition(condition, each.children)(each.value, resource)
            ]
        case _:
            raise UnknownExpression("This FHIRPath is not covered.")


def _is_type(found: str, wanted: str) -> bool:
    return found.lower() == wanted.removeprefix("FHIR.").lower()


def _children(location: Location, name: str) -> Iterator[Location]:
    owner: Json = location.value
    element = location.element
    if element is not None and element.is_primitive:
        if name not in ("id", "extension"):
            raise UnknownExpression("The path names an element that its type does not have.")
        owner = companion_of(location)
        children = "Element"
    else:
        children = location.children
    for variant in variants(children, name):
        if not isinstance(owner, dict):
            continue
        values = [owner.get(variant.name), owner.get("_" + variant.name)]
        if variant.is_list:
            length = max(len(each) if isinstance(each, list) else 0 for each in values)
            for index in range(length):
                yield Location(owner, variant.name, index, variant)
        elif values != [None, None]:
            yield Location(owner, variant.name, None, variant)


def companion_of(location: Location) -> Json:
    """What holds id and extensions of a primitive; None if it has none."""
    found = location.owner.get("_" + location.name)
    if location.index is None or not isinstance(found, list):
        return found
    return found[location.index] if location.index < len(found) else None
