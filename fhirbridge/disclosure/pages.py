"""Pages of a search as they leave: filled up with what may be seen, counted only by that.

Source: design.md section 9 (totals, pages and includes reveal nothing)
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeAlias

from fhirbridge.disclosure import cursors, per_hit
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.leaving import leaving
from fhirbridge.disclosure.memory import Memory
from fhirbridge.disclosure.scope import asking, scope_of
from fhirbridge.disclosure.trail import Trail
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.search.query import CURSOR, SearchQuery
from fhirbridge.search.scope import Scope
from fhirbridge.storage import search, search_includes
from fhirbridge.storage.search import MAX_COUNTED, SearchPage
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

# More than this are not put in order by the time that the caller knows.
MAX_ORDERED = 5000
_BATCH = 200

Found: TypeAlias = list["Hit"]


@dataclass(frozen=True, slots=True)
class Hit:
    """A match as it is stored and as it leaves."""

    stored: ResourceVersion
    shown: ResourceVersion


def run(
    session: Session, gate: Gate, trail: Trail, query: SearchQuery, memory: Memory
) -> SearchPage:
    """The page of a search as `storage.search.run` gives it, inside the scope of the caller.

    A total is given where it could be counted from what the caller may see. Raises InvalidContent
    for a search in contained resources by somebody who may not see everything.
    """
    custodian_id = gate.place.custodian_id
    if gate.is_open:
        page = search.run(session, query, custodian_id=custodian_id)
        trail.note(session, (*page.matches, *page.included))
        return page
    gate = asking(gate, query)
    asked = _Asked(session, gate, query, scope_of(session, gate, query, memory))
    if query.count == 0 or query.summary == "count":
        counted = asked.counted()
        trail.note(session, counted or (), by=gate)  # a number tells of each of them
        return SearchPage((), None if counted is None else len(counted), "")
    found, following = asked.page()
    page = SearchPage(tuple(hit.shown for hit in found), None, following)
    if not following and not query.cursor:
        page = replace(page, total=len(found))
    elif query.total == "accurate":
        page = replace(page, total=asked.count())
    if query.includes:
        page = asked.with_included(page, found, trail)
    trail.note(session, [hit.stored for hit in found], by=gate)
    return page


def matches(
    session: Session, gate: Gate, query: SearchQuery, memory: Memory, *, limit: int
) -> list[ResourceVersion]:
    """Up to `limit` matches, as they are stored: those that the caller may see."""
    gate = asking(gate, query)
    scope = scope_of(session, gate, query, memory)
    asked = _Asked(session, gate, replace(query, includes=()), scope)
    return [hit.stored for hit in islice(asked.every(), limit)]


class _Asked:
    """One search of one caller who may not see everything."""

    def __init__(self, session: Session, gate: Gate, query: SearchQuery, scope: Scope) -> None:
        if query.contained:
            text = "'_contained' is for the custodian's own systems."
            raise InvalidContent(Issue("not-supported", text))
        self._session = session
        self._gate = gate
        self._scope = scope
        self._wanted = query
        self._split = per_hit.split(replace(query, includes=(), total="none"))

    def page(self) -> tuple[Found, str]:
        """One page, and the mark of the next; it is "" if nothing to be seen follows."""
        secret = self._gate.place.secret
        cursor = cursors.unseal(secret, self._wanted.cursor, parameter=CURSOR)
        fill = self._fill if self._split.newest_first is None else self._ordered
        found, following = fill(cursor)
        return found, cursors.seal(secret, following)

    def count(self) -> int | None:
        """How many matches leave; None above MAX_COUNTED."""
        counted = self.counted()
        return None if counted is None else len(counted)

    def counted(self) -> list[ResourceVersion] | None:
        """The matches that leave, as they are stored; None above MAX_COUNTED."""
        found = [hit.stored for hit in islice(self.every(), MAX_COUNTED + 1)]
        return found if len(found) <= MAX_COUNTED else None

    def every(self) -> Iterator[Hit]:
        """All matches that leave, in the order in which the database has them."""
        asked = replace(self._split.query, count=_BATCH, summary="", cursor="", elements=())
        while True:
            page = self._run(asked)
            yield from self._hits(page)
            if not page.next:
                return
            asked = replace(asked, cursor=page.next)

    def with_included(self, page: SearchPage, found: Found, trail: Trail) -> SearchPage:
        """The page with what it includes; what does not leave leads no further either."""
        shown: dict[int, ResourceVersion] = {}

        def leaves(version: ResourceVersion) -> bool:
            left = leaving(self._session, self._gate, version)
            if left is not None:
                shown[version.key] = left
            return left is not None

        included = search_includes.follow(
            self._session,
            self._wanted.includes,
            [hit.stored for hit in found],
            self._scope,
            custodian_id=self._gate.place.custodian_id,
            keep=leaves,
        )
        trail.note(self._session, included.resources, by=self._gate)
        others = tuple(shown[version.key] for version in included.resources)
        return replace(page, included=others, issues=included.issues)

    def _fill(self, cursor: str) -> tuple[Found, str]:
        found: Found = []
        asked = replace(self._split.query, cursor=cursor)
        while True:
            page = self._run(asked)
            found += self._hits(page)
            missing = self._wanted.count - len(found)
            if not page.next:
                return found, ""
            asked = replace(asked, cursor=page.next, count=max(missing, 1))
            if missing <= 0:
                return found, page.next if self._has_more(asked) else ""

    def _has_more(self, asked: SearchQuery) -> bool:
        """Whether anything that leaves follows: a link to nothing would tell of what is hidden."""
        while True:
            page = self._run(asked)
            if any(self._hits(page)):
                return True
            if not page.next:
                return False
            asked = replace(asked, cursor=page.next, count=_BATCH)

    def _ordered(self, cursor: str) -> tuple[Found, str]:
        """By the time that the caller knows: all that leaves is put in order."""
        every = list(islice(self.every(), MAX_ORDERED + 1))
        if len(every) > MAX_ORDERED:
            text = f"'_sort=_lastUpdated' orders up to {MAX_ORDERED} matches; ask for fewer."
            raise InvalidContent(Issue("too-costly", text))
        every.sort(
            key=lambda hit: per_hit.place_of(hit.shown), reverse=bool(self._split.newest_first)
        )
        left = [hit for hit in every if self._split.is_after(cursor, hit.shown)]
        found = left[: self._wanted.count]
        return found, per_hit.mark_of(found[-1].shown) if len(left) > len(found) else ""

    def _run(self, asked: SearchQuery) -> SearchPage:
        custodian_id = self._gate.place.custodian_id
        return search.run(self._session, asked, self._scope, custodian_id=custodian_id)

    def _hits(self, page: SearchPage) -> Iterator[Hit]:
        for version in page.matches:
            shown = leaving(self._session, self._gate, version)
            if shown is not None and self._split.holds(shown):
                yield Hit(version, shown)
