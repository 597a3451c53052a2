"""One search condition: `name=value` with modifiers, chains and `_has`, read into a clause.

Source: R4 search.html#modifiers, search.html#chaining, search.html#has, search.html#composite
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import SearchParameter, search_parameters
from fhirbridge.search.context import SearchContext, invalid_search
from fhirbridge.search.criteria import Criterion, parse_criteria
from fhirbridge.search.escapes import split
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.values import IDENTIFIER, OF_TYPE, TEXT, component_name

# More candidates than this ask for the type: `subject:Patient.name`.
_MAX_CHAINED_TYPES = 20
_MAX_VALUES = 500
_MAX_COMPOSITES = 50
_MAX_DEPTH = 5
_SUFFIXES = {"text": TEXT, "of-type": OF_TYPE, "identifier": IDENTIFIER}


@dataclass(frozen=True, slots=True)
class Clause:
    """Any index value under one of `names` matches any of the criteria; `negated`: none does.

    `also` are further sets of criteria, one of each of which the same value must match.
    """

    parameter: SearchParameter
    names: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    negated: bool = False
    also: tuple[tuple[Criterion, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """The resource has no value for a parameter, or with `missing=False`, has one."""

    parameter: SearchParameter
    names: tuple[str, ...]
    missing: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A clause on resources of one type."""

    resource_type: str
    clause: "SearchClause"


@dataclass(frozen=True, slots=True)
class Chain:
    """A reference points to a resource that one of the links describes."""

    names: tuple[str, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Has:
    """A resource that the link describes points here by its reference parameter `name`."""

    name: str
    link: Link


@dataclass(frozen=True, slots=True)
class Together:
    """All parts match in the same repetition of the base element of a composite parameter."""

    parts: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of the clauses holds."""

    clauses: tuple["SearchClause", ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """The resource is one of these (`CarePlan/1`)."""

    references: tuple[str, ...]


SearchClause: TypeAlias = Clause | Missing | Chain | Has | Together | AnyOf | Identity


class UnknownParameter(InvalidContent):
    """A name that is no search parameter of the type; ignored with `handling=lenient`."""


def unknown(name: str, types: tuple[str, ...]) -> UnknownParameter:
    """The error that names the parameter."""
    where = " and ".join(types) if types else "a search over all types"
    text = f"'{name[:80]}' is not a search parameter of {where} on this server."
    return UnknownParameter(Issue("not-supported", text))


def parse_clause(
    types: tuple[str, ...], name: str, value: str, context: SearchContext, *, depth: int = 0
) -> SearchClause:
    """Read one condition on resources of `types`; () means any type.

    Raises UnknownParameter for a name that not all types have, InvalidContent for a modifier or
    a value that cannot be used. Neither repeats the value.
    """
    if depth > _MAX_DEPTH:
        raise invalid_search("The chain of parameters is too long.", code="too-costly")
    if name.startswith("_has:"):
        return _parse_has(types, name, value, context, depth=depth)
    head, dot, _ = name.partition(".")
    code, _, modifier = head.partition(":")
    parameters = _find(types, code)
    if not parameters:
        raise unknown(name, types)
    if dot:
        return _parse_chain(parameters, name, value, context, depth=depth)
    parameter = parameters[0]
    names = tuple(dict.fromkeys(each.name for each in parameters))
    if modifier == "missing":
        if value not in ("true", "false") or parameter.type == "composite":
            raise invalid_search(f"'{name}' takes the value true or false.")
        return Missing(parameter, names, value == "true")
    values = split(value, ",")
    if not all(values) or len(values) > _MAX_VALUES:
        raise invalid_search(f"'{name}' needs a value, or up to {_MAX_VALUES}, none of them empty.")
    if parameter.type == "composite":
        return _parse_composite(types, parameter, modifier, values, context)
    if parameter.name == "Resource._id" and types and not modifier:
        references = [f"{type_name}/{each}" for type_name in types for each in values]
        return Identity(tuple(references))
    criteria = parse_criteria(parameter, modifier, values, context)
    suffix = _SUFFIXES.get(modifier, "")
    return Clause(
        parameter,
        tuple(each + suffix for each in names),
        criteria,
        negated=modifier in ("not", "not-in"),
    )


def merged(clauses: Sequence[SearchClause]) -> tuple[SearchClause, ...]:
    """Join conditions on the same parameter where a resource has one index row at most.

    `date=ge2026-01-01&date=lt2026-02-01` is then one range of the index and not two.
    """
    found: list[SearchClause] = []
    by_names: dict[tuple[str, ...], int] = {}
    for clause in clauses:
        if not isinstance(clause, Clause) or clause.negated or not _has_one_row(clause.parameter):
            found.append(clause)
        elif clause.names in by_names:
            position = by_names[clause.names]
            known = found[position]
            assert isinstance(known, Clause)  # noqa: S101  (by construction)
            found[position] = replace(known, also=(*known.also, clause.criteria))
        else:
            by_names[clause.names] = len(found)
            found.append(clause)
    return tuple(found)


def weight(clause: SearchClause) -> int:
    """How many values a clause compares with, all alternatives taken together."""
    match clause:
        case Clause(names=names):
            criteria = [each for group in (clause.criteria, *clause.also) for each in group]
            return len(names) + sum(
                len(each.targets) if isinstance(each, ReferenceCriterion) else 1
                for each in criteria
            )
        case Chain(links=links):
            return sum(weight(link.clause) for link in links)
        case Has(link=link):
            return weight(link.clause)
        case Together(parts=parts):
            return sum(weight(part) for part in parts)
        case AnyOf(clauses=clauses):
            return sum(weight(each) for each in clauses)
        case Identity(references=references):
            return len(references)
        case Missing(names=names):
            return len(names)


def _has_one_row(parameter: SearchParameter) -> bool:
    """A coded element has a row for each coding, a quantity for code and unit."""
    return parameter.is_single and parameter.type in ("date", "number")


def _find(types: tuple[str, ...], code: str) -> list[SearchParameter]:
    """The parameter of each type; empty unless all have it and it has one type of value."""
    found = [search_parameters(each).get(code) for each in types or ("Resource",)]
    parameters = [each for each in found if each is not None]
    alike = len({each.type for each in parameters}) == 1
    return parameters if alike and len(parameters) == len(found) else []


def _parse_chain(
    parameters: list[SearchParameter], name: str, value: str, context: SearchContext, *, depth: int
) -> Chain:
    head, _, rest = name.partition(".")
    chosen = head.partition(":")[2]
    if parameters[0].type != "reference":
        raise invalid_search(f"'{head}' is not a reference, so it cannot be chained.")
    candidates = {target for each in parameters for target in each.targets}
    if not all(each.targets for each in parameters):
        candidates = set(definitions().resource_types)
    if chosen:
        if chosen not in candidates:
            raise invalid_search(f"'{head}' does not name a type that the reference may point to.")
        candidates = {chosen}
    links = []
    refusals: list[InvalidContent] = []
    for candidate in sorted(candidates):
        try:
            clause = parse_clause((candidate,), rest, value, context, depth=depth + 1)
            links.append(Link(candidate, clause))
        except UnknownParameter:
            continue
        except InvalidContent as exc:
            refusals.append(exc)
    if refusals and not links:
        raise refusals[0]
    if not links:
        raise unknown(name, tuple(sorted(candidates)) if chosen else ())
    if len(links) > _MAX_CHAINED_TYPES:
        raise invalid_search(f"'{name}' may mean many types; name one, as in '{head}:Type.{rest}'.")
    return Chain(tuple(dict.fromkeys(each.name for each in parameters)), tuple(links))


def _parse_has(
    types: tuple[str, ...], name: str, value: str, context: SearchContext, *, depth: int
) -> Has:
    parts = name.split(":", 3)
    if len(parts) != 4 or parts[1] not in definitions().resource_types:
        raise invalid_search("'_has' is written _has:Type:reference:parameter.")
    _, resource_type, code, rest = parts
    parameter = search_parameters(resource_type).get(code)
    if parameter is None or parameter.type != "reference":
        raise unknown(name, (resource_type,))
    if parameter.targets and types and not set(parameter.targets) & set(types):
        raise invalid_search(f"'{resource_type}.{code}' does not point to {' or '.join(types)}.")
    clause = parse_clause((resource_type,), rest, value, context, depth=depth + 1)
    return Has(parameter.name, Link(resource_type, clause))


def _parse_composite(
    types: tuple[str, ...],
    parameter: SearchParameter,
    modifier: str,
    values: list[str],
    context: SearchContext,
) -> AnyOf:
    if modifier:
        raise invalid_search(f"'{parameter.code}' takes no modifier.", code="not-supported")
    if len(values) > _MAX_COMPOSITES:
        raise invalid_search(f"'{parameter.code}' takes up to {_MAX_COMPOSITES} values.")
    alternatives = []
    for value in values:
        parts = split(value, "$")
        if len(parts) != len(parameter.components) or not all(parts):
            raise invalid_search(
                f"'{parameter.code}' takes {len(parameter.components)} values joined by $."
            )
        clauses = [
            Clause(
                component.parameter,
                (component_name(parameter, position),),
                parse_criteria(component.parameter, "", [part], context),
            )
            for position, (component, part) in enumerate(
                zip(parameter.components, parts, strict=True), start=1
            )
        ]
        alternatives.append(Together(tuple(clauses)))
    return AnyOf(tuple(alternatives))
