"""SearchQuery + Scope -> a page of resources.

The most selective clause leads and gives the order of pages (`resources.key`); the others are
asked about each of its rows, so that a page costs what it shows. A search without such a clause
is ordered by `resource_id`. Pages continue after the last row (keyset), never by counting rows.
Source: R4 search.html, http.html#paging
"""

import base64
import binascii
import json
from dataclasses import replace
from hashlib import blake2b
from typing import TypeAlias

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.records import record
from fhirbridge.search.context import invalid_search
from fhirbridge.search.query import RESULT_PARAMETERS, SearchQuery
from fhirbridge.search.scope import EVERYTHING, Scope
from fhirbridge.storage import search_includes
from fhirbridge.storage.fragments import Sql
from fhirbridge.storage.search_plans import OrderColumn, Plan, make_plan
from fhirbridge.storage.session import Row, Session
from fhirbridge.storage.versions import COLUMNS, ResourceVersion, version_of

# Without `_total`, matches are counted up to here; above, the total is left out.
MAX_COUNTED = 1000

_SortValue: TypeAlias = str | int | float
_VERSION = ", ".join(f"v.{column.name}" for column in COLUMNS)


@record()
class SearchPage:
    """One page of matches, and what they include.

    `total` counts the matches of all pages, None if that is not known. `next` is the cursor of
    the next page, "" on the last. `issues` are warnings.
    """

    matches: tuple[ResourceVersion, ...]
    total: int | None
    next: str
    included: tuple[ResourceVersion, ...] = ()
    issues: tuple[Issue, ...] = ()


def run(
    session: Session, query: SearchQuery, scope: Scope = EVERYTHING, *, custodian_id: int
) -> SearchPage:
    """The page of a search that the query asks for, with its includes.

    Raises InvalidContent if the cursor is not one of this query.
    """
    place = _read_cursor(query) if query.cursor else None
    plan = make_plan(
        session, query, scope, custodian_id=custodian_id, led_by=place.led_by if place else None
    )
    if query.count == 0 or query.summary == "count":
        return SearchPage((), _count(session, plan, limit=None), "")
    after = _after(place, plan) if place else ()
    rows = _fetch(session, plan, after, query.count + 1)
    width = len(plan.order)
    has_more = len(rows) > query.count
    rows = rows[: query.count]
    matches = tuple(version_of(row[width:]) for row in rows)
    page = SearchPage(
        matches,
        _total(session, query, plan, on_one_page=None if has_more else len(rows)),
        _write_cursor(query, plan, rows[-1][:width]) if has_more else "",
    )
    if not query.includes:
        return page
    found = search_includes.follow(
        session, query.includes, matches, scope, custodian_id=custodian_id
    )
    return replace(page, included=found.resources, issues=found.issues)


def is_one_statement(query: SearchQuery) -> bool:
    """Whether what leaves comes from one statement, so that it needs no snapshot.

    A total of several pages is counted by another; but between pages, things change anyway.
    """
    return not (query.includes or query.contained or query.count == 0 or query.summary == "count")


def match_ids(
    session: Session, query: SearchQuery, scope: Scope = EVERYTHING, *, custodian_id: int
) -> list[str]:
    """The ids of at most two matches: none, one or several is what conditions ask about."""
    plan = make_plan(session, query, scope, custodian_id=custodian_id)
    width = len(plan.order)
    return [version_of(row[width:]).resource_id for row in _fetch(session, plan, (), 2)]


def _fetch(session: Session, plan: Plan, after: tuple[_SortValue, ...], limit: int) -> list[Row]:
    page = plan.page(after, limit)
    columns = "".join(f"p.{column.name}, " for column in plan.order)
    order = ", ".join(f"p.{column.name}{column.direction}" for column in plan.order)
    text = (
        f"SELECT {columns}{_VERSION} FROM ({page.text}) p"  # noqa: S608
        " CROSS JOIN resources z CROSS JOIN resource_versions v"
        f" WHERE z.key = p.key AND v.seq = z.seq ORDER BY {order}"
    )
    return execute(session, Sql(text, page.parameters))


def execute(session: Session, sql: Sql) -> list[Row]:
    """Run SQL text on the driver and fetch all rows."""
    rows: list[Row] = session.driver.execute(sql.text, sql.parameters).fetchall()
    return rows


def _total(
    session: Session, query: SearchQuery, plan: Plan, *, on_one_page: int | None
) -> int | None:
    if on_one_page is not None and not query.cursor:
        return on_one_page
    if query.total == "none":
        return None
    return _count(session, plan, limit=None if query.total else MAX_COUNTED)


def _count(session: Session, plan: Plan, *, limit: int | None) -> int | None:
    """The number of matches; None if there are more than `limit`."""
    found: int = execute(session, plan.count(limit))[0][0]
    return None if limit is not None and found > limit else found


def _digest(query: SearchQuery) -> str:
    """Stands for what decides the order of the matches; the rest may change between pages."""
    used = [pair for pair in query.used if pair[0] == "_sort" or pair[0] not in RESULT_PARAMETERS]
    text = repr((query.types, query.compartment, used)).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=6).hexdigest()


def _write_cursor(query: SearchQuery, plan: Plan, values: Row) -> str:
    text = json.dumps([_digest(query), plan.led_by, *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@record()
class _Place:
    """Where a page goes on: after the row with these values, by the plan that led to it."""

    led_by: int
    values: tuple[_SortValue, ...]


def _read_cursor(query: SearchQuery) -> _Place:
    try:
        text = base64.urlsafe_b64decode(query.cursor + "=" * (-len(query.cursor) % 4))
        digest, led_by, *values = json.loads(text)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise _foreign_cursor() from exc
    if digest != _digest(query) or type(led_by) is not int:
        raise _foreign_cursor()
    return _Place(led_by, tuple(values))


def _after(place: _Place, plan: Plan) -> tuple[_SortValue, ...]:
    """The values of the row, if they are of this plan."""
    fits = len(place.values) == len(plan.order) and all(map(_fits, plan.order, place.values))
    if place.led_by != plan.led_by or not fits:
        raise _foreign_cursor()
    return place.values


def _fits(column: OrderColumn, value: object) -> bool:
    """Whether the database can compare the value with this column."""
    if column.is_text:
        return isinstance(value, str) and "\0" not in value
    return isinstance(value, float) or (type(value) is int and abs(value) < 2**63)


def _foreign_cursor() -> InvalidContent:
    return invalid_search("'_cursor' is not one that this server gave out for this search.")
