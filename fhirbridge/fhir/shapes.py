"""Whether JSON has the form that reading relies on: objects, lists and texts where R4 has them.

Far less than the gate (`validation`): values, cardinalities, and whatever R4 does not know are
passed over, so that what a newer version adds is not refused. Source: R4 json.html
"""

from collections.abc import Iterator

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, JsonObject, Resource

# Their primitives are texts in every version; those of resources and other types may change.
_TEXTS_IN = frozenset({"CodeableConcept", "Coding", "Identifier", "Meta", "Reference"})
_NO_TEXTS = frozenset({"boolean", "decimal", "integer", "positiveInt", "unsignedInt"})


def misshapen(resource: Resource, place: str) -> Iterator[Issue]:
    """What has another JSON type than R4 says, by place; contained resources are not looked into.

    A resource whose type is no R4 type is an issue itself. `place` is the FHIRPath of the resource.
    """
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in definitions().resource_types:
        words = "The resourceType must be a resource type of FHIR R4."
        yield Issue("structure", words, expression=(place,))
        return
    yield from _members(resource, resource_type, place)


def _members(value: JsonObject, type_name: str, place: str) -> Iterator[Issue]:
    elements = definitions().elements(type_name)
    for name, child in value.items():
        element = elements.get(name)
        if element is None or child is None:
            continue
        is_object = not element.is_primitive
        if not is_object and type_name not in _TEXTS_IN:
            continue
        there = f"{place}.{element.fhir_path}"
        if isinstance(child, list) is not element.is_list:
            words = "This must be a JSON array." if element.is_list else "This occurs once only."
            yield Issue("structure", words, expression=(there,))
        elif isinstance(child, list):
            for index, item in enumerate(child):
                yield from _item(item, element, f"{there}[{index}]")
        else:
            yield from _item(child, element, there)


def _item(value: Json, element: ElementInfo, place: str) -> Iterator[Issue]:
    if element.is_primitive:
        # null stands for a primitive that has nothing but extensions
        is_text = value is None or isinstance(value, str)
        if not is_text and element.type not in _NO_TEXTS:
            yield Issue("structure", "This must be a JSON string.", expression=(place,))
    elif not isinstance(value, dict):
        yield Issue("structure", "This must be a JSON object.", expression=(place,))
    elif element.type != "Resource":
        yield from _members(value, element.children, place)
