"""One search condition: `name=value` with modifiers, chains and `_has`, read into a clause.

Source: R4 search.html#modifiers, search.html#chaining, search.html#has, search.html#composite
"""

from dataclasses import dataclass

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import SearchParameter, search_parameters
from fhirbridge.search.clauses import (
    AnyOf,
    Chain,
    Clause,
    Has,
    Identity,
    Link,
    Missing,
    SearchClause,
    Together,
)
from fhirbridge.search.context import SearchContext, invalid_search
from fhirbridge.search.criteria import Criterion, parse_criteria, parse_ucum
from fhirbridge.search.escapes import split
from fhirbridge.search.values import IDENTIFIER, OF_TYPE, TEXT, UCUM, component_name

# More candidates than this ask for the type: `subject:Patient.name`.
_MAX_CHAINED_TYPES = 20
_MAX_VALUES = 500
_MAX_COMPOSITES = 50
_MAX_DEPTH = 5
_SUFFIXES = {"text": TEXT, "of-type": OF_TYPE, "identifier": IDENTIFIER}


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
        return _parse_chain(types, parameters, name, value, context, depth=depth)
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
    groups = _grouped(parameter, modifier, values, context)
    clauses = [
        Clause(
            parameter,
            tuple(each + group.suffix for each in names),
            group.criteria,
            negated=modifier in ("not", "not-in"),
        )
        for group in groups
    ]
    return clauses[0] if len(clauses) == 1 else AnyOf(tuple(clauses))


@dataclass(frozen=True, slots=True)
class _Group:
    """Criteria on index values that are kept under the name of the parameter and a suffix."""

    suffix: str
    criteria: tuple[Criterion, ...]


def _grouped(
    parameter: SearchParameter, modifier: str, values: list[str], context: SearchContext
) -> list[_Group]:
    """The criteria of all values: one group, or two where only some quantities are in UCUM."""
    found = []
    if parameter.type == "quantity" and not modifier:
        in_base_units = {each: parse_ucum(parameter, each) for each in values}
        criteria = tuple(each for each in in_base_units.values() if each is not None)
        if criteria:
            found.append(_Group(UCUM, criteria))
        values = [each for each in values if in_base_units[each] is None]
    if values:
        criteria_as_written = parse_criteria(parameter, modifier, values, context)
        found.append(_Group(_SUFFIXES.get(modifier, ""), criteria_as_written))
    return found


def _find(types: tuple[str, ...], code: str) -> list[SearchParameter]:
    """The parameter of each type; empty unless all have it and it has one type of value."""
    found = [search_parameters(each).get(code) for each in types or ("Resource",)]
    parameters = [each for each in found if each is not None]
    alike = len({each.type for each in parameters}) == 1
    return parameters if alike and len(parameters) == len(found) else []


def _parse_chain(
    types: tuple[str, ...],
    parameters: list[SearchParameter],
    name: str,
    value: str,
    context: SearchContext,
    *,
    depth: int,
) -> Chain:
    head, _, rest = name.partition(".")
    chosen = head.partition(":")[2]
    if parameters[0].type != "reference":
        raise invalid_search(f"'{head}' is not a reference, so it cannot be chained.")
    if not all(each.is_link for each in parameters):
        raise invalid_search(
            f"'{head}' is a canonical URL, which this server does not follow.",
            code="not-supported",
        )
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
        raise unknown(name, types)
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
    if parameter is None or not parameter.is_link:
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
        clauses = []
        for position, part in enumerate(parts, start=1):
            component = parameter.components[position - 1].parameter
            (group,) = _grouped(component, "", [part], context)
            name = component_name(parameter, position) + group.suffix
            clauses.append(Clause(component, (name,), group.criteria))
        alternatives.append(Together(tuple(clauses)))
    return AnyOf(tuple(alternatives))
