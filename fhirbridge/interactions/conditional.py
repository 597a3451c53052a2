"""Conditional interactions: the one resource that a search finds.

Source: R4 http.html#ccreate, http.html#cond-update, http.html#cdelete
"""

from typing import TypeAlias

from fhirbridge.disclosure import pages
from fhirbridge.errors import InvalidContent, Issue, PreconditionFailed
from fhirbridge.interactions import permissions
from fhirbridge.interactions.context import Context, Unit
from fhirbridge.interactions.messages import Pairs, parse_query
from fhirbridge.search import query
from fhirbridge.search.query import SearchQuery
from fhirbridge.storage import search
from fhirbridge.storage.versions import ResourceVersion

# a query string, or the pairs of one
Criteria: TypeAlias = str | Pairs


def one_match(
    unit: Unit, context: Context, resource_type: str, *, criteria: Criteria
) -> ResourceVersion | None:
    """The one resource that the criteria find, or None.

    Raises PreconditionFailed (412) for several, and InvalidContent for criteria without a
    condition, with a parameter that is not known, or with one that shapes results only.
    """
    pairs = _pairs(resource_type, criteria)
    wanted = query.parse(resource_type, pairs, context=context.search_context())
    shaped = wanted.sort or wanted.includes or wanted.elements or wanted.summary
    if not wanted.clauses or shaped or wanted.contained:
        raise InvalidContent(
            Issue(
                "invalid", "The conditional criteria must be search conditions, and nothing else."
            )
        )
    permissions.check_search(context, wanted)
    found = _found(unit, context, wanted)
    if len(found) > 1:
        raise PreconditionFailed(
            Issue("multiple-matches", "The conditional criteria match several resources.")
        )
    return unit.read(resource_type, found[0]) if found else None


def _found(unit: Unit, context: Context, wanted: SearchQuery) -> list[str]:
    """The ids of at most two matches."""
    if context.gate.is_open:
        return search.match_ids(unit.session, wanted, custodian_id=unit.custodian_id)
    found = pages.matches(unit.session, context.gate, wanted, context.memory, limit=2)
    return [version.resource_id for version in found]


def _pairs(resource_type: str, criteria: Criteria) -> Pairs:
    if not isinstance(criteria, str):
        return criteria
    # Written as a query string; the type in front of it is tolerated.
    return parse_query(criteria.removeprefix(resource_type).removeprefix("?"))
