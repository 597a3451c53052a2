"""Which of the contained resources of a page it is that match, and whether it is their container.

Source: R4 search.html#contained
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fhirbridge.search.clauses import AnyOf, SearchClause
from fhirbridge.search.query import SearchQuery
from fhirbridge.search.scope import EVERYTHING, Scope
from fhirbridge.storage.fragments import Sql, joined, one_of
from fhirbridge.storage.search_conditions import Builder, Source
from fhirbridge.storage.session import Row, Session
from fhirbridge.storage.versions import ResourceVersion


@dataclass(slots=True)
class Meant:
    """What of a match the query is about: it `itself`, or places in `contained`, from 0 on."""

    itself: bool = False
    positions: list[int] = field(default_factory=list)


def meant(
    session: Session,
    query: SearchQuery,
    matches: Sequence[ResourceVersion],
    scope: Scope = EVERYTHING,
    *,
    custodian_id: int,
) -> Mapping[int, Meant]:
    """Key of a match -> what of it is meant."""
    found = {version.key: Meant() for version in matches}
    if not found:
        return found
    builder = Builder(custodian_id, scope, dialect=session.connection.dialect.name)
    (clause,) = query.clauses
    contained, *themselves = clause.clauses if isinstance(clause, AnyOf) else (clause,)
    for each in themselves:
        source = _source(builder, each)
        for (key,) in _rows(session, source, source.key, found):
            found[key].itself = True
    source = _source(builder, contained)
    ordinal = source.key.replace("resource_key", "ordinal")
    for key, position in _rows(session, source, f"{source.key}, {ordinal}", found):
        found[key].positions.append(position - 1)
    return found


def _source(builder: Builder, clause: SearchClause) -> Source:
    source = builder.source(clause, ())
    assert source is not None  # noqa: S101  (plain conditions can be looked up)
    return source


def _rows(session: Session, source: Source, columns: str, keys: Mapping[int, Meant]) -> list[Row]:
    where = joined([source.where, one_of(source.key, list(keys))], "AND")
    sql = Sql(
        f"SELECT DISTINCT {columns} FROM {source.tables}"  # noqa: S608
        f" WHERE {where.text} ORDER BY {columns}",
        where.parameters,
    )
    rows: list[Row] = session.driver.execute(sql.text, sql.parameters).fetchall()
    return rows
