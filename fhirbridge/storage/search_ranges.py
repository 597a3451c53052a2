"""In which order the rows of a range of dates come out of an index.

In that order a page costs what it shows; in any other the whole range would be sorted for it.
"""

from fhirbridge.search.clauses import Clause, SearchClause
from fhirbridge.search.parameter_types.date import DateCriterion
from fhirbridge.search.parameter_types.prefixes import Prefix
from fhirbridge.search.query import SearchQuery
from fhirbridge.storage.search_conditions import LAST_UPDATED, Source

_FROM = (Prefix.GE, Prefix.GT)


def order_of(clause: SearchClause, source: Source, query: SearchQuery) -> tuple[str, ...]:
    """The columns by which the rows of a leading clause are sorted in an index, before the key.

    () for what is no range of dates, where a resource may have two rows in the range and would
    come twice, and where the query wants another order.
    """
    if not isinstance(clause, Clause) or len(clause.names) > 1 or not clause.parameter.is_single:
        return ()
    sets = (clause.criteria, *clause.also)
    criteria = [each[0] for each in sets if isinstance(each[0], DateCriterion) and len(each) == 1]
    is_sorted = any(key.names != clause.names for key in query.sort) or len(query.sort) > 1
    if len(criteria) < len(sets) or is_sorted:
        return ()
    alias = source.key.partition(".")[0]
    if clause.parameter.name == LAST_UPDATED:
        return (f"{alias}.last_updated",) if len(query.types) == 1 else ()
    by_end = all(each.prefix in _FROM for each in criteria)  # it has no other bound
    if query.sort:
        by_end = query.sort[0].descending and not clause.parameter.is_instant
    return (f"{alias}.high", f"{alias}.low") if by_end else (f"{alias}.low", f"{alias}.high")
