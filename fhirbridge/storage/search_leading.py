"""Which clause of a search leads: its rows are looked up, the others are asked about each one."""

from fhirbridge.search.clauses import AnyOf, Chain, Clause, Has, Identity, SearchClause, Together
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.parameter_types.string import StringCriterion
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.parameter_types.uri import UriCriterion
from fhirbridge.search.query import SearchQuery
from fhirbridge.storage.search_conditions import ID, Builder, Source
from fhirbridge.storage.session import Session

# A clause with at most this rank leads at once; among the others the smaller one does.
_SELECTIVE = 2
_MANY = 1000


def leading_clause(
    session: Session, builder: Builder, query: SearchQuery, led_by: int | None
) -> tuple[SearchClause, Source] | None:
    """The clause that leads, and its rows; None if every clause can only be asked about a row.

    `led_by` is the place of the one that led to the page before, and leads again if it can.
    """
    if led_by is not None and 0 <= led_by < len(query.clauses):
        source = builder.source(query.clauses[led_by], query.types)
        if source is not None:
            return query.clauses[led_by], source
    sources = [(each, builder.source(each, query.types)) for each in query.clauses]
    found = [(each, source) for each, source in sources if source is not None]
    found.sort(key=lambda candidate: _rank(candidate[0]))
    if len(found) < 2 or _rank(found[0][0]) <= _SELECTIVE:
        return found[0] if found else None
    return min(found, key=lambda candidate: _cost(session, *candidate))


def _cost(session: Session, clause: SearchClause, source: Source) -> tuple[int, bool]:
    """Fewer rows are better; among many, those that come in the order of pages."""
    single = isinstance(clause, Clause) and len(clause.names) == len(clause.criteria) == 1
    return _size(session, source), not single


def _size(session: Session, source: Source) -> int:
    """How many rows a source has, counted up to `_MANY`."""
    inner = f"SELECT 1 FROM {source.tables} WHERE {source.where.text} LIMIT {_MANY}"  # noqa: S608
    text = f"SELECT COUNT(*) FROM ({inner}) c"  # noqa: S608
    found: int = session.driver.execute(text, source.where.parameters).fetchone()[0]
    return found


def _rank(clause: SearchClause) -> int:
    """Smaller means fewer matches, as a rule."""
    match clause:
        case Identity():
            return 0
        case Clause(parameter=parameter) if parameter.name == ID:
            return 0
        case Clause(parameter=parameter, criteria=(TokenCriterion(code=str()), *_)):
            return 1 if parameter.code == "identifier" else 6
        case Clause(criteria=(ReferenceCriterion(), *_)):
            return 2
        case Clause(criteria=(StringCriterion() | UriCriterion(), *_)):
            return 3
        case Chain() | Has() | Together() | AnyOf():
            return 4
        case _:
            return 5
