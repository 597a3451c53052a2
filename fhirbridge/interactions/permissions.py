"""What the scopes of a caller allow, interaction by interaction.

Every request passes `check`, those inside a batch or transaction too. What only the content of a
request tells is asked where it is read: criteria of conditional forms and references, chains,
includes, what an operation gathers.
Source: SMART App Launch 2.2, Scopes for requesting FHIR resources
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from fhirbridge.disclosure import scopes
from fhirbridge.errors import Forbidden, Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirResponse
from fhirbridge.interactions.supported import COMPARTMENT, INTERACTIONS, OPERATIONS, Route
from fhirbridge.search.clauses import AnyOf, Chain, Has, SearchClause
from fhirbridge.search.query import Include, SearchQuery

_NOTHING = ""  # open, or asked for each entry
_ONE_OF_ANY = scopes.LETTERS  # stores nothing and shows what the caller sent

# code -> letters of which one must be allowed
_LETTERS: Mapping[str, str] = MappingProxyType(
    {
        "capabilities": _NOTHING,
        "transaction": _NOTHING,
        "batch": _NOTHING,
        "read": "r",
        "vread": "r",
        "history-instance": "r",
        "history-type": "s",
        "history-system": "s",
        "search-type": "s",
        "search-system": _NOTHING,  # the types stand in the query
        COMPARTMENT: _NOTHING,
        "create": "c",
        "update": "u",
        "patch": "u",
        "delete": "d",
        "$validate": _ONE_OF_ANY,
        "$everything": "r",
        "$document": "r",
        "$translate": "r",
        "$expand": "r",
        "$validate-code": "r",
    }
)
assert _LETTERS.keys() == {  # noqa: S101
    *(each.code for each in INTERACTIONS),
    *(each.name for each in OPERATIONS),
}


def check(context: Context, route: Route) -> None:
    """Raise Forbidden unless the caller may ask for this interaction with this type."""
    code = route.interaction.code
    letters = _LETTERS[code]
    if code == "$validate" and route.resource_id:
        letters = "r"  # it may be about what is stored
    if not letters:
        return
    resource_type = route.resource_type or scopes.ANY
    if not any(allows(context, resource_type, letter) for letter in letters):
        raise _forbidden(resource_type, letters)


def allows(context: Context, resource_type: str, letter: str) -> bool:
    """Whether the caller may do this with resources of the type; `*` stands for all of them."""
    held = context.caller.scopes
    return held is None or scopes.scopes_of(held).allow(resource_type, letter)


def require(context: Context, resource_types: Iterable[str], letter: str) -> None:
    """Raise Forbidden unless the caller may do this with all the types."""
    for resource_type in resource_types:
        if not allows(context, resource_type, letter):
            raise _forbidden(resource_type, letter)


def shown(context: Context, route: Route, response: FhirResponse) -> FhirResponse:
    """The answer, without the stored resource where the caller may write it but not read it."""
    code = route.interaction.code
    is_stored = code == "patch" or (code == "create" and response.status == 200)
    if not is_stored or not response.content or allows(context, route.resource_type, "r"):
        return response
    return replace(response, content=b"")


def check_search(context: Context, wanted: SearchQuery) -> SearchQuery:
    """The query, without includes of types that the caller may not see; an issue says so.

    Raises Forbidden if it may not search one of the types, those in chains and `_has` included.
    """
    if context.caller.scopes is None:
        return wanted
    require(context, wanted.types or (scopes.ANY,), "s")
    require(context, _linked(wanted.clauses), "s")
    includes = tuple(part for each in wanted.includes for part in _visible(context, each))
    if includes == wanted.includes:
        return wanted
    text = "Only resources of types that the scopes of the access token allow are included."
    issue = Issue("suppressed", text, severity="warning")
    return replace(wanted, includes=includes, issues=(*wanted.issues, issue))


def _linked(clauses: Iterable[SearchClause]) -> Iterator[str]:
    """The types of resources that conditions ask about besides those that are searched."""
    for clause in clauses:
        match clause:
            case Chain(links=links):
                yield from (link.resource_type for link in links)
                yield from _linked(link.clause for link in links)
            case Has(link=link):
                yield link.resource_type
                yield from _linked((link.clause,))
            case AnyOf(clauses=inner):
                yield from _linked(inner)
            case _:
                pass


def _visible(context: Context, include: Include) -> Iterator[Include]:
    """The include, narrowed to what the caller may see; nothing if that is nothing.

    What points here is searched, what is pointed to is read.
    """
    if include.reverse:
        if allows(context, include.source_type, "s"):
            yield include
        return
    targets = {include.target_type} if include.target_type else _targets(include)
    allowed = [each for each in sorted(targets) if allows(context, each, "r")]
    if len(allowed) == len(targets):
        yield include
    else:
        yield from (replace(include, target_type=each) for each in allowed)


def _targets(include: Include) -> set[str]:
    found: set[str] = set()
    for parameter in search_parameters(include.source_type).values():
        if parameter.name in include.names:
            found |= set(parameter.targets) or definitions().resource_types
    return found


def _forbidden(resource_type: str, letters: str) -> Forbidden:
    words = " or ".join(f"system/{resource_type}.{letter}" for letter in letters)
    hint = "; or name the resource types" if resource_type == scopes.ANY else ""
    return Forbidden(Issue("forbidden", f"The access token lacks the scope {words}{hint}."))
