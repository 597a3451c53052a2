"""`_summary` and `_elements`: which part of a resource a read, history or search shows.

Source: R4 http.html#parameters, search.html#summary, search.html#elements
"""

from collections.abc import Callable
from dataclasses import dataclass

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.interactions.messages import FhirRequest
from fhirbridge.jsontypes import Json, Resource

_ALWAYS = frozenset({"resourceType", "id", "meta"})
_SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


PARAMETERS = frozenset({"_summary", "_elements"})


@dataclass(frozen=True, slots=True)
class Part:
    """What is asked for; everything by default. `elements` are names at the root."""

    summary: str = ""
    elements: tuple[str, ...] = ()


_WHOLE = Part()


def part_of(request: FhirRequest) -> Part:
    """The part that a read or history asks for. Raises InvalidContent for a summary it has not."""
    if not request.query:
        return _WHOLE
    given = dict(request.query)
    summary = given.get("_summary", "false")
    if summary not in ("true", "text", "data", "false"):
        raise InvalidContent(Issue("invalid", "_summary takes true, text, data or false here."))
    return Part(summary, tuple(filter(None, given.get("_elements", "").split(","))))


def project(content: bytes, part: Part) -> Json:
    """The part that is asked for, marked as a part; or the stored text as it is."""
    keeps = _selection(part)
    if keeps is None:
        return wire.embed(content)
    return _cut(wire.parse(content), keeps)


def project_bytes(content: bytes, part: Part) -> bytes:
    """The same as JSON text."""
    keeps = _selection(part)
    return content if keeps is None else wire.dump(_cut(wire.parse(content), keeps))


def _cut(resource: Resource, keeps: Callable[[ElementInfo], bool]) -> Resource:
    elements = definitions().elements(resource["resourceType"])
    part: Resource = {
        name: value
        for name, value in resource.items()
        if name in _ALWAYS or _keeps(elements.get(name.removeprefix("_")), keeps)
    }
    meta = part.get("meta", {})
    part["meta"] = {**meta, "tag": [*meta.get("tag", ()), _SUBSETTED]}
    return part


def _selection(wanted: Part) -> Callable[[ElementInfo], bool] | None:
    if wanted is _WHOLE:
        return None
    names = frozenset(wanted.elements)
    match wanted.summary:
        case "true":
            # Without what is mandatory it would be no resource.
            return lambda element: element.is_summary or element.min > 0
        case "text":
            return lambda element: element.name == "text" or element.min > 0
        case "data":
            return lambda element: element.name != "text"
        case _ if names:
            return lambda element: (
                element.name in names or element.choice in names or element.min > 0
            )
        case _:
            return None


def _keeps(element: ElementInfo | None, keeps: Callable[[ElementInfo], bool]) -> bool:
    return element is not None and keeps(element)
