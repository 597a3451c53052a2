"""The official SearchParameter definitions by resource type.

Left out, because they search text or need a query of their own and this server offers neither:
`_text`, `_content`, `_filter`, `_query`, and `near`; and those without an expression.
Source: R4 searchparameter-registry.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

from fhirbridge.fhir.definitions import definitions, read_data
from fhirbridge.fhir.elements import compile_expression
from fhirbridge.jsontypes import JsonObject

ParameterType: TypeAlias = Literal[
    "token", "reference", "string", "date", "composite", "uri", "quantity", "number"
]

_COMMON_BASES = ("Resource", "DomainResource")


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite: a parameter, and where its value stands from the base element."""

    parameter: "SearchParameter"
    expression: str


@dataclass(frozen=True, slots=True)
class SearchParameter:
    """One search parameter of one resource type.

    `name` identifies it everywhere, also in the index: `CarePlan.category`, and `Resource._tag`
    for those that every type has. `targets` are the types a reference may point to; empty means
    any.
    """

    name: str
    code: str
    type: ParameterType
    expression: str
    url: str
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()


@cache
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Code -> search parameter of a resource type, the common ones included.

    `"Resource"` gives those that all types have.
    """
    found = {}
    for entry in _entries():
        if resource_type in entry["base"]:
            found[entry["code"]] = _make(entry, resource_type)
        elif "Resource" in entry["base"] and resource_type not in _COMMON_BASES:
            found[entry["code"]] = _make(entry, "Resource")
    return MappingProxyType(found)


@cache
def _entries() -> tuple[JsonObject, ...]:
    return tuple(
        entry
        for entry in read_data("search_parameters.json")
        if "expression" in entry and entry["type"] != "special"
    )


@cache
def _by_url() -> Mapping[str, JsonObject]:
    return {entry["url"]: entry for entry in _entries()}


def _make(entry: JsonObject, resource_type: str) -> SearchParameter:
    return SearchParameter(
        name=f"{resource_type}.{entry['code']}",
        code=entry["code"],
        type=cast(ParameterType, entry["type"]),
        expression=entry["expression"],
        url=entry["url"],
        targets=_targets(entry, resource_type),
        components=tuple(
            Component(_make(_by_url()[part["definition"]], resource_type), part["expression"])
            for part in entry.get("component", ())
        ),
    )


def _targets(entry: JsonObject, resource_type: str) -> tuple[str, ...]:
    """The declared targets that the element allows; () for any.

    Definitions for several resource types declare the targets of all of them together.
    """
    if entry["type"] != "reference":
        return ()
    declared = set(entry.get("target", ()))
    branches = compile_expression(entry["expression"], resource_type)
    if branches and all(branch.targets for branch in branches):
        allowed = {target for branch in branches for target in branch.targets}
        return tuple(sorted(declared & allowed or allowed))
    everything = declared >= definitions().resource_types - {"Parameters"}
    return () if everything else tuple(sorted(declared))
