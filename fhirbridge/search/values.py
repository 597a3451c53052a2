"""Resource -> index values, by readings that are compiled once for each resource type.

Source: R4 search.html#2.1.1.4.3 and the tables of each parameter type there
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from functools import cache
from typing import Any, TypeAlias

from fhirbridge.fhir.elements import Branch, compile_expression
from fhirbridge.fhir.search_parameters import SearchParameter, search_parameters
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.parameter_types import date, number, quantity, reference, string, token, uri
from fhirbridge.search.parameter_types.date import DateValue
from fhirbridge.search.parameter_types.number import NumberValue
from fhirbridge.search.parameter_types.quantity import QuantityValue
from fhirbridge.search.parameter_types.reference import ReferenceValue
from fhirbridge.search.parameter_types.string import StringValue
from fhirbridge.search.parameter_types.token import TokenValue
from fhirbridge.search.parameter_types.uri import UriValue

Value: TypeAlias = (
    TokenValue | StringValue | DateValue | ReferenceValue | NumberValue | QuantityValue | UriValue
)
Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterable[Value]]


@record()
class IndexValue:
    """One value under one parameter: `CarePlan.category`, or `CarePlan.subject:identifier`.

    `ordinal` tells apart the repetitions of the base element of a composite parameter, and the
    contained resources, whose parameters are `#Patient.name`; 0 else.
    """

    parameter: str
    value: Value
    ordinal: int = 0


@record()
class _Reading:
    parameter: str
    branch: Branch
    reader: Reader


@record()
class _Composite:
    base: Branch
    start: int
    names: frozenset[str]
    parts: tuple[_Reading, ...]


# These are columns of the resource itself.
ID = "Resource._id"
UNINDEXED = frozenset({ID, "Resource._lastUpdated"})

TEXT = ":text"
OF_TYPE = ":of-type"
IDENTIFIER = ":identifier"
UCUM = ":ucum"

_READERS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "token": {
        "": token.READERS,
        TEXT: token.TEXT_READERS,
        OF_TYPE: {"Identifier": token.of_type_values},
    },
    "reference": {"": reference.READERS, IDENTIFIER: reference.IDENTIFIER_READERS},
    "string": {"": string.READERS},
    "date": {"": date.READERS},
    "number": {"": number.READERS},
    "quantity": {"": quantity.READERS, UCUM: quantity.UCUM_READERS},
    "uri": {"": uri.READERS},
}


def extract(
    resource: Resource, *, timezone: tzinfo, bases: tuple[str, ...] = ()
) -> list[IndexValue]:
    """All index values of a resource. What stands there twice may come twice.

    `timezone` is for dates without a zone; references below one of `bases` are local.
    """
    context = SearchContext(zone=timezone, bases=bases)
    found = list(_values(resource, context))
    for ordinal, contained in enumerate(resource.get("contained", ()), start=1):
        found += _contained(contained, ordinal, context)
    return found


def _contained(resource: Resource, ordinal: int, context: SearchContext) -> Iterable[IndexValue]:
    """The values of a contained resource, under names of their own; `ordinal` tells which it is.

    Its composite parameters are left out.
    """
    resource_type = resource["resourceType"]
    yield IndexValue(contained_name(resource_type), TokenValue("", resource_type), ordinal)
    yield IndexValue(contained_name(ID), TokenValue("", resource.get("id", "")), ordinal)
    for found in _values(resource, context):
        if not found.ordinal:
            yield IndexValue(contained_name(found.parameter), found.value, ordinal)


def contained_name(name: str) -> str:
    """The index name of a parameter, or of a resource type, in contained resources."""
    return f"#{name}"


def _values(resource: Resource, context: SearchContext) -> list[IndexValue]:
    found: list[IndexValue] = []
    resource_type = resource["resourceType"]
    readings = _readings(resource_type)
    for first in ("", *resource):
        for reading in readings.get(first, ()):
            branch = reading.branch
            for node in branch.evaluate(resource, resource):
                for value in reading.reader(node, branch.system, context):
                    found.append(IndexValue(reading.parameter, value))
    for composite in _composites(resource_type):
        if composite.base.first and composite.base.first not in resource:
            continue
        nodes = composite.base.evaluate(resource, resource)
        for ordinal, base in enumerate(nodes, start=composite.start):
            found += _together(composite, base, resource, ordinal, context)
    return found


def _together(
    composite: _Composite, base: Json, resource: Resource, ordinal: int, context: SearchContext
) -> list[IndexValue]:
    """The values of all parts, or none if one of the parts has none: then nothing can match."""
    found = [
        IndexValue(part.parameter, value, ordinal)
        for part in composite.parts
        for node in part.branch.evaluate(base, resource)
        for value in part.reader(node, part.branch.system, context)
    ]
    complete = composite.names <= {value.parameter for value in found}
    return found if complete else []


@cache
def _readings(resource_type: str) -> Mapping[str, tuple[_Reading, ...]]:
    found: dict[str, list[_Reading]] = {}
    for parameter in search_parameters(resource_type).values():
        if parameter.name in UNINDEXED or parameter.type == "composite":
            continue
        for reading in _of(parameter, parameter.name, parameter.expression, resource_type):
            found.setdefault(reading.branch.first, []).append(reading)
    return {first: tuple(readings) for first, readings in found.items()}


def _of(parameter: SearchParameter, name: str, expression: str, focus: str) -> Iterable[_Reading]:
    for branch in compile_expression(expression, focus):
        for suffix, readers in _READERS[parameter.type].items():
            if branch.type in readers:
                yield _Reading(name + suffix, branch, readers[branch.type])


@cache
def _composites(resource_type: str) -> tuple[_Composite, ...]:
    found = []
    for parameter in search_parameters(resource_type).values():
        if parameter.type != "composite":
            continue
        names = [component_name(parameter, n + 1) for n in range(len(parameter.components))]
        for base in compile_expression(parameter.expression, resource_type):
            found.append(
                _Composite(
                    base=base,
                    # The resource itself is 1 where its repeated elements follow from 2 on.
                    start=2 if base.first else 1,
                    names=frozenset(names),
                    parts=tuple(_parts(parameter, base.children)),
                )
            )
    return tuple(found)


def _parts(parameter: SearchParameter, focus: str) -> Iterable[_Reading]:
    for position, component in enumerate(parameter.components, start=1):
        name = component_name(parameter, position)
        for reading in _of(component.parameter, name, component.expression, focus):
            if reading.parameter in (name, name + UCUM):
                yield reading


def component_name(parameter: SearchParameter, position: int) -> str:
    """The index name of the n-th part of a composite parameter, counted from 1."""
    return f"{parameter.name}${position}"
