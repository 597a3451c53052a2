"""`_contained=true` and `both`: conditions on the resources that others contain.

Plain conditions are carried over, all to hold for the same contained resource; what would lead
out of it (chains, `_has`) or needs what is not indexed there is refused.
Source: R4 search.html#contained
"""

from collections.abc import Sequence

from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.search.clauses import Clause, Identity, SearchClause, Together
from fhirbridge.search.context import invalid_search
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.values import ID, contained_name


def in_contained(resource_type: str, clauses: Sequence[SearchClause]) -> Together:
    """The conditions on resources of a type, as ones on what is contained somewhere.

    Raises InvalidContent for a condition that cannot be carried over.
    """
    parameters = search_parameters(resource_type)
    is_type = Clause(
        parameters["_id"],
        (contained_name(resource_type),),
        (TokenCriterion(None, resource_type),),
    )
    return Together((is_type, *(_carried(each) for each in clauses)))


def _carried(clause: SearchClause) -> Clause:
    if isinstance(clause, Identity):
        ids = [reference.partition("/")[2] for reference in clause.references]
        parameter = search_parameters("Resource")["_id"]
        criteria = tuple(TokenCriterion(None, each) for each in ids)
        return Clause(parameter, (contained_name(ID),), criteria)
    if not isinstance(clause, Clause) or clause.negated or clause.parameter.code == "_lastUpdated":
        raise invalid_search(
            "'_contained' goes with plain conditions, not with _lastUpdated, a chain, _has, a"
            " composite, :missing or :not.",
            code="not-supported",
        )
    names = tuple(contained_name(name) for name in clause.names)
    return Clause(clause.parameter, names, clause.criteria, also=clause.also)
