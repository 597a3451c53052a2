"""What a page of matches includes: `_include`, `_revinclude`, `:iterate`.

Source: R4 search.html#include
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fhirbridge.errors import Issue
from fhirbridge.search.query import Include
from fhirbridge.search.scope import Scope
from fhirbridge.storage.fragments import Sql, joined, one_of
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.search_conditions import Builder
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

MAX_INCLUDED = 2000
MAX_ROUNDS = 8

# Keys in one statement; SQLite allows 32,766 parameters.
_CHUNK = 500
_VERSION = ", ".join(f"v.{column.name}" for column in COLUMNS)


@dataclass(frozen=True, slots=True)
class Included:
    """Resources that a page includes, none of them a match; and a warning if some are left out."""

    resources: tuple[ResourceVersion, ...]
    issues: tuple[Issue, ...] = ()


def follow(
    session: Session,
    includes: Sequence[Include],
    matches: Sequence[ResourceVersion],
    scope: Scope,
    *,
    custodian_id: int,
    keep: Callable[[ResourceVersion], bool] = lambda _: True,
) -> Included:
    """Follow the includes from the matches of one page, each resource once.

    What is not to `keep` is left out, and nothing is followed from there.
    """
    builder = Builder(custodian_id, scope, dialect=session.connection.dialect.name)
    seen = {version.key for version in matches}
    found: list[ResourceVersion] = []
    focus: Sequence[ResourceVersion] = matches
    for number in range(MAX_ROUNDS):
        chosen = [each for each in includes if each.iterate or number == 0]
        fresh: dict[int, ResourceVersion] = {}
        for include in chosen:
            for version in _step(session, include, focus, builder):
                if version.key not in seen and version.key not in fresh and keep(version):
                    fresh[version.key] = version
        if not fresh:
            return Included(tuple(found))
        if len(found) + len(fresh) > MAX_INCLUDED:
            break
        seen |= fresh.keys()
        found += fresh.values()
        focus = tuple(fresh.values())
    text = f"More than {MAX_INCLUDED} resources, or {MAX_ROUNDS} steps; not all are included."
    return Included(tuple(found), (Issue("too-costly", text, severity="warning"),))


def _step(
    session: Session, include: Include, focus: Sequence[ResourceVersion], builder: Builder
) -> Iterable[ResourceVersion]:
    if include.reverse:
        targets = [
            key_of(version.reference)
            for version in focus
            if include.target_type in ("", version.resource_type)
        ]
        ends = ("x.target_key", "x.resource_key", "r.key")
        return _across(session, include, targets, ends, builder)
    sources = [version.key for version in focus if version.resource_type == include.source_type]
    ends = ("x.resource_key", "x.target_key", "r.reference_key")
    return _across(session, include, sources, ends, builder)


def _across(
    session: Session,
    include: Include,
    keys: Sequence[int],
    ends: tuple[str, ...],
    builder: Builder,
) -> Iterable[ResourceVersion]:
    near, far, there = ends
    parameters = [key_of(name) for name in include.names]
    for start in range(0, len(keys), _CHUNK):
        inner = joined(
            [
                *builder.visible("x"),
                one_of("x.parameter", parameters),
                one_of(near, keys[start : start + _CHUNK]),
            ],
            "AND",
        )
        where = [Sql(f"{there} = f.far"), *builder.visible("r"), Sql("NOT r.deleted")]
        if include.target_type and not include.reverse:
            where.append(Sql("r.resource_type = ?", (include.target_type,)))
        condition = joined(where, "AND")
        text = (
            # The plus keeps SQLite from reading all references in the order of their targets.
            f"SELECT {_VERSION} FROM (SELECT DISTINCT +{far} AS far"  # noqa: S608
            f" FROM index_references x WHERE {inner.text}) f"
            " CROSS JOIN resources r CROSS JOIN resource_versions v"
            f" WHERE {condition.text} AND v.seq = r.seq ORDER BY r.key"
        )
        parameters_of_all = (*inner.parameters, *condition.parameters)
        for row in session.driver.execute(text, parameters_of_all).fetchall():
            yield version_of(row)
