"""`_summary` and `_elements`: which part of a resource a search shows.

Source: R4 search.html#summary, search.html#elements
"""

from collections.abc import Callable

from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.search.query import SearchQuery

_ALWAYS = frozenset({"resourceType", "id", "meta"})
_SUBSETTED = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "SUBSETTED",
}


def project(content: bytes, wanted: SearchQuery) -> Json:
    """The part that is asked for, marked as a part; or the stored text as it is."""
    keeps = _selection(wanted)
    if keeps is None:
        return wire.embed(content)
    resource = wire.parse(content)
    elements = definitions().elements(resource["resourceType"])
    part: Resource = {
        name: value
        for name, value in resource.items()
        if name in _ALWAYS or _keeps(elements.get(name.removeprefix("_")), keeps)
    }
    meta = part.get("meta", {})
    part["meta"] = {**meta, "tag": [*meta.get("tag", ()), _SUBSETTED]}
    return part


def _selection(wanted: SearchQuery) -> Callable[[ElementInfo], bool] | None:
    names = frozenset(wanted.elements)
    match wanted.summary:
        case "true":
            return lambda element: element.is_summary
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
