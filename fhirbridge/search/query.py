"""URL parameters -> SearchQuery. Unknown parameters are refused unless the caller is lenient.

Source: R4 search.html, http.html#search; fhir-rest.md rows 11 to 13
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias, cast

from fhirbridge.errors import Issue
from fhirbridge.fhir.compartments import compartment_parameters, patient_parameters
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import SearchParameter, search_parameters
from fhirbridge.records import record
from fhirbridge.search.clauses import (
    AnyOf,
    Clause,
    Identity,
    OfType,
    SearchClause,
    merged,
    weight,
)
from fhirbridge.search.conditions import UnknownParameter, parse_clause, unknown
from fhirbridge.search.contained import in_contained
from fhirbridge.search.context import SearchContext, invalid_search
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.values import UNINDEXED

DEFAULT_COUNT = 50
MAX_COUNT = 1000

# Values that all conditions together may compare with.
MAX_WEIGHT = 10_000

# The parameter of our own that a next link carries.
CURSOR = "_cursor"

Pair: TypeAlias = tuple[str, str]
Total: TypeAlias = Literal["", "none", "estimate", "accurate"]
Summary: TypeAlias = Literal["", "true", "text", "data", "count", "false"]
Contained: TypeAlias = Literal["", "true", "both"]

# Parameters that choose what of the matches is shown, and how.
RESULT_PARAMETERS = (
    "_count",
    "_sort",
    "_total",
    "_summary",
    "_elements",
    "_include",
    "_revinclude",
    "_containedType",
    CURSOR,
)

_SINGLE = ("_count", "_total", "_summary", "_contained", "_containedType")

# Answered by the web layer; they are no conditions and not part of the self link.
_FORMATS = ("_format", "_pretty")


@record()
class SortKey:
    """One key of the order. `name` is an index name, or `Resource._id`, `Resource._lastUpdated`."""

    parameter: SearchParameter
    names: tuple[str, ...]
    descending: bool


@record()
class Include:
    """An `_include` or `_revinclude`. `target_type` "" means any; `names` are index names."""

    source_type: str
    names: tuple[str, ...]
    target_type: str
    reverse: bool
    iterate: bool


@record()
class Compartment:
    """`Patient/p1` of `/Patient/p1/CarePlan`. `is_wide`: with the Tasks for the patient."""

    name: str
    resource_id: str
    is_wide: bool = False


@record()
class SearchQuery:
    """What is searched. `types` () means all; `count` 0 asks for the total only.

    With `contained` the one clause is about contained resources, and the matches are
    those that contain them (`both`: or that are what is searched themselves);
    `shows_contained`: the contained ones are asked for.
    `used` are the parameters that had an effect, in order, without the cursor: the self link.
    `issues` are warnings about what was ignored.
    """

    types: tuple[str, ...]
    compartment: Compartment | None = None
    clauses: tuple[SearchClause, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int = DEFAULT_COUNT
    total: Total = ""
    summary: Summary = ""
    elements: tuple[str, ...] = ()
    includes: tuple[Include, ...] = ()
    cursor: str = ""
    contained: Contained = ""
    shows_contained: bool = False
    used: tuple[Pair, ...] = ()
    issues: tuple[Issue, ...] = ()


def parse(
    resource_type: str | None,
    pairs: Sequence[Pair],
    *,
    lenient: bool = False,
    context: SearchContext | None = None,
    compartment: Compartment | None = None,
) -> SearchQuery:
    """Read the parameters of a search on a type, or on all types (`None`).

    Raises InvalidContent (400) for a parameter that is not known, unless `lenient`: then it is
    ignored and named in `issues`. A modifier or value that cannot be used is refused always.
    """
    context = context or SearchContext()
    types = (resource_type,) if resource_type else _types(pairs)
    query = SearchQuery(types, compartment)
    clauses: list[SearchClause] = []
    if compartment:
        clauses.append(_inside(types, compartment))
    used: list[Pair] = []
    issues: list[Issue] = []
    for name, value in pairs:
        if name in _FORMATS or (name == "_type" and not resource_type):
            if name == "_type":
                used.append((name, value))
            continue
        try:
            if name.startswith("_") and (changed := _control(query, name, value)) is not None:
                query = changed
            else:
                clauses.append(parse_clause(types, name, value, context))
        except UnknownParameter as exc:
            if not lenient:
                raise
            issues += [replace(issue, severity="warning") for issue in exc.issues]
            continue
        if name in _SINGLE:
            # The last one counts.
            used = [pair for pair in used if pair[0] != name]
        if name == "_count":
            used.append((name, str(query.count)))
        elif name != CURSOR:
            used.append((name, value))
    if query.summary == "text" and query.includes:
        raise invalid_search("'_summary=text' cannot be mixed with _include and _revinclude.")
    if sum(map(weight, clauses)) > MAX_WEIGHT:
        text = "The search compares with too many values; ask in parts, or name the types."
        raise invalid_search(text, code="too-costly")
    if query.contained:
        query = _of_containers(query, clauses)
    else:
        query = replace(query, clauses=merged(clauses), shows_contained=False)
    return replace(query, used=tuple(used), issues=tuple(issues))


def _of_containers(query: SearchQuery, clauses: list[SearchClause]) -> SearchQuery:
    """The query for resources of any type that contain what the clauses describe."""
    sorted_by_element = any(key.parameter.name not in UNINDEXED for key in query.sort)
    if len(query.types) != 1 or query.compartment or query.includes or sorted_by_element:
        raise invalid_search(
            "'_contained' goes with a search in one type, not with a compartment, includes,"
            " or an order other than _id and _lastUpdated.",
            code="not-supported",
        )
    found: SearchClause = in_contained(query.types[0], clauses)
    if query.contained == "both":
        found = AnyOf((found, OfType(query.types[0], merged(clauses))))
    return replace(query, types=(), clauses=(found,))


def _types(pairs: Sequence[Pair]) -> tuple[str, ...]:
    chosen = [name for key, value in pairs if key == "_type" for name in value.split(",")]
    for name in chosen:
        if name not in definitions().resource_types:
            raise invalid_search("'_type' takes names of resource types.")
    return tuple(dict.fromkeys(chosen))


def _inside(types: tuple[str, ...], compartment: Compartment) -> SearchClause:
    members = compartment_parameters(compartment.name)
    if compartment.is_wide:
        members = patient_parameters()
    reference = f"{compartment.name}/{compartment.resource_id}"
    parameters = [
        search_parameters(each)[code]
        for each in types or sorted(members)
        for code in members.get(each, ())
        if code in search_parameters(each)
    ]
    is_self = not types or compartment.name in types
    itself: list[SearchClause] = [Identity((reference,))] if is_self else []
    if not parameters and not itself:
        return Identity(())
    if not parameters:
        return itself[0]
    names = tuple(parameter.name for parameter in parameters)
    member = Clause(parameters[0], names, (ReferenceCriterion((reference,)),))
    return AnyOf((member, *itself)) if itself else member


def _control(query: SearchQuery, name: str, value: str) -> SearchQuery | None:
    """The query with one result parameter applied; None if `name` is none."""
    head, _, modifier = name.partition(":")
    if modifier and (head in _SINGLE or head in ("_sort", "_elements", CURSOR)):
        raise invalid_search(f"'{head}' takes no modifier.", code="not-supported")
    match head:
        case "_count":
            return replace(query, count=_count(value))
        case "_sort":
            return replace(query, sort=(*query.sort, *_sort(query.types, value)))
        case "_total":
            _one_of(name, value, ("none", "estimate", "accurate"))
            return replace(query, total=cast(Total, value))
        case "_summary":
            _one_of(name, value, ("true", "text", "data", "count", "false"))
            return replace(query, summary=cast(Summary, value))
        case "_elements":
            return replace(query, elements=(*query.elements, *filter(None, value.split(","))))
        case "_include" | "_revinclude":
            include = _include(query.types, head, modifier, value)
            return replace(query, includes=(*query.includes, include))
        case "_contained":
            _one_of(name, value, ("true", "both", "false"))
            return replace(query, contained=cast(Contained, value.removeprefix("false")))
        case "_containedType":
            _one_of(name, value, ("container", "contained"))
            return replace(query, shows_contained=value == "contained")
        case "_cursor":
            return replace(query, cursor=value)
        case _:
            return None


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise invalid_search(f"'{name}' takes {' or '.join(allowed)} on this server.")


def _count(value: str) -> int:
    if not value.isdigit() or not value.isascii() or len(value) > 9:
        raise invalid_search("'_count' takes a whole number, 0 or more.")
    return min(int(value), MAX_COUNT)


def _sort(types: tuple[str, ...], value: str) -> list[SortKey]:
    keys = []
    for item in value.split(","):
        code = item.removeprefix("-")
        found = [search_parameters(each).get(code) for each in types or ("Resource",)]
        parameters = [each for each in found if each is not None]
        if not parameters or len(parameters) < len(found):
            raise unknown(code or "_sort", types)
        if parameters[0].type == "composite":
            raise invalid_search(f"'_sort' cannot use the composite parameter '{code}'.")
        names = tuple(dict.fromkeys(each.name for each in parameters))
        keys.append(SortKey(parameters[0], names, item.startswith("-")))
    return keys


def _include(types: tuple[str, ...], name: str, modifier: str, value: str) -> Include:
    if modifier not in ("", "iterate", "recurse"):
        raise invalid_search(f"'{name}' takes the modifier :iterate only.", code="not-supported")
    parts = value.split(":")
    if value == "*" and len(types) == 1 and name == "_include":
        parts = [types[0], "*"]
    source, code, target = (*parts, "", "", "")[:3]
    if not 2 <= len(parts) <= 3 or source not in definitions().resource_types:
        raise invalid_search(f"'{name}' is written Type:parameter or Type:parameter:Target.")
    if target and target not in definitions().resource_types:
        raise invalid_search(f"'{name}' names a target that is not a resource type.")
    references = {each.code: each for each in search_parameters(source).values() if each.is_link}
    if code != "*" and code not in references:
        raise unknown(f"{name}={source}:{code}", (source,))
    chosen = references.values() if code == "*" else [references[code]]
    return Include(
        source_type=source,
        names=tuple(each.name for each in chosen),
        target_type=target,
        reverse=name == "_revinclude",
        iterate=bool(modifier),
    )
