"""Which of the contained resources of a page it is that match.

Source: R4 search.html#contained
"""

from collections.abc import Mapping, Sequence

from fhirbridge.search.query import SearchQuery
from fhirbridge.search.scope import EVERYTHING, Scope
from fhirbridge.storage.fragments import Sql, joined, one_of
from fhirbridge.storage.search_conditions import Builder
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion


def positions(
    session: Session,
    query: SearchQuery,
    matches: Sequence[ResourceVersion],
    scope: Scope = EVERYTHING,
    *,
    custodian_id: int,
) -> Mapping[int, list[int]]:
    """Key of a match -> the positions in `contained`, from 0 on, that the query is about."""
    if not matches:
        return {}
    source = Builder(custodian_id, scope, dialect=session.connection.dialect.name).source(
        query.clauses[0], ()
    )
    assert source is not None  # noqa: S101  (plain conditions can be looked up)
    ordinal = source.key.replace("resource_key", "ordinal")
    keys = one_of(source.key, [version.key for version in matches])
    where = joined([source.where, keys], "AND")
    sql = Sql(
        f"SELECT DISTINCT {source.key}, {ordinal} FROM {source.tables}"  # noqa: S608
        f" WHERE {where.text} ORDER BY 1, 2",
        where.parameters,
    )
    found: dict[int, list[int]] = {}
    for key, position in session.driver.execute(sql.text, sql.parameters).fetchall():
        found.setdefault(key, []).append(position - 1)
    return found
