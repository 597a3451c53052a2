"""The official SearchParameter definitions by resource type, and those that US Core adds.

Left out, because they search text or need a query of their own and this server offers neither:
`_text`, `_content`, `_filter`, `_query`, and `near`; and those without an expression.
Source: R4 searchparameter-registry.html; HL7/US-Core (CC0) 6.1.0 to 9.0.0
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

from fhirbridge.fhir.definitions import definitions, read_data
from fhirbridge.fhir.elements import Branch, compile_expression
from fhirbridge.jsontypes import JsonObject

ParameterType: TypeAlias = Literal[
    "token", "reference", "string", "date", "composite", "uri", "quantity", "number"
]

_COMMON_BASES = ("Resource", "DomainResource")
_CANONICAL = frozenset({"canonical", "uri"})
_POINTS = frozenset({"date", "dateTime", "instant"})


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
    any. `is_single`: a resource has one value at most. `is_point`: dates that cover a year at
    most, being no periods; `is_instant`: that cover a second. `is_canonical`: references that name
    what they mean by its URL.
    """

    name: str
    code: str
    type: ParameterType
    expression: str
    url: str
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    is_single: bool = False
    is_point: bool = False
    is_instant: bool = False
    is_canonical: bool = False

    @property
    def is_link(self) -> bool:
        """True for references that lead to a resource by its id: they can be followed."""
        return self.type == "reference" and not self.is_canonical


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
        for entry in (*read_data("search_parameters.json"), *_us_core()["parameters"])
        if "expression" in entry and entry["type"] != "special"
    )


@cache
def _us_core() -> JsonObject:
    # Where US Core says `.value.code`, ours ends at the Coding: then `system|code` finds as well.
    found: JsonObject = read_data("us_core_search.json")
    return found


def combinations(resource_type: str) -> tuple[tuple[str, ...], ...]:
    """The parameters that US Core asks a server to search by together."""
    listed = _us_core()["combinations"].get(resource_type, ())
    return tuple(tuple(codes) for codes in listed)


@cache
def _by_url() -> Mapping[str, JsonObject]:
    return {entry["url"]: entry for entry in _entries()}


def _make(entry: JsonObject, resource_type: str) -> SearchParameter:
    branches = compile_expression(entry["expression"], resource_type)
    # Variants of a choice exclude each other; several elements do not.
    parts = [part.strip(" (").split(".")[0] for part in entry["expression"].split("|")]
    return SearchParameter(
        name=f"{resource_type}.{entry['code']}",
        code=entry["code"],
        type=cast(ParameterType, entry["type"]),
        expression=entry["expression"],
        url=entry["url"],
        targets=_targets(entry, branches) if entry["type"] == "reference" else (),
        components=tuple(
            Component(_make(_by_url()[part["definition"]], resource_type), part["expression"])
            for part in entry.get("component", ())
        ),
        is_single=parts.count(resource_type) == 1 and all(each.is_single for each in branches),
        is_canonical=bool(branches) and {branch.type for branch in branches} <= _CANONICAL,
        is_point={branch.type for branch in branches} <= _POINTS,
        is_instant={branch.type for branch in branches} <= {"instant"},
    )


def _targets(entry: JsonObject, branches: tuple[Branch, ...]) -> tuple[str, ...]:
    """The declared targets that the element allows; () for any.

    Definitions for several resource types declare the targets of all of them together.
    """
    declared = set(entry.get("target", ()))
    if branches and all(branch.targets for branch in branches):
        allowed = {target for branch in branches for target in branch.targets}
        return tuple(sorted(declared & allowed or allowed))
    everything = declared >= definitions().resource_types - {"Parameters"}
    return () if everything else tuple(sorted(declared))
