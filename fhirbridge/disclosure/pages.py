"""Pages of a search as they leave: filled up with what may be seen, counted only by that.

Source: design.md section 9 (totals, pages and includes reveal nothing)
"""

from dataclasses import replace

from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.leaving import leaving
from fhirbridge.disclosure.scope import Memory, scope_of
from fhirbridge.disclosure.trail import Trail
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.search.query import SearchQuery
from fhirbridge.search.scope import Scope
from fhirbridge.storage import search, search_includes
from fhirbridge.storage.search import MAX_COUNTED, SearchPage
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

_COUNTING = 200


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
    if query.contained:
        text = "'_contained' is for the custodian's own systems."
        raise InvalidContent(Issue("not-supported", text))
    scope = scope_of(session, gate, query, memory=memory)
    if query.count == 0 or query.summary == "count":
        return SearchPage((), _count(session, gate, query, scope), "")
    found, following = _fill(session, gate, query, scope)
    shown = tuple(each for _, each in found)
    page = SearchPage(shown, None, following)
    if not following and not query.cursor:
        page = replace(page, total=len(shown))
    elif query.total == "accurate":
        page = replace(page, total=_count(session, gate, query, scope))
    if query.includes:
        stored = [version for version, _ in found]
        included = search_includes.follow(
            session, query.includes, stored, scope, custodian_id=custodian_id
        )
        others = tuple(
            each
            for version in included.resources
            if (each := leaving(session, gate, version)) is not None
        )
        trail.note(session, included.resources)
        page = replace(page, included=others, issues=included.issues)
    trail.note(session, [version for version, _ in found])
    return page


def _fill(
    session: Session, gate: Gate, query: SearchQuery, scope: Scope
) -> tuple[list[tuple[ResourceVersion, ResourceVersion]], str]:
    """Stored and leaving versions of one page, and the cursor of the next."""
    found: list[tuple[ResourceVersion, ResourceVersion]] = []
    asked = replace(query, includes=(), total="none")
    while True:
        page = search.run(session, asked, scope, custodian_id=gate.place.custodian_id)
        for version in page.matches:
            shown = leaving(session, gate, version)
            if shown is not None:
                found.append((version, shown))
        missing = query.count - len(found)
        if missing <= 0 or not page.next:
            return found, page.next
        asked = replace(asked, cursor=page.next, count=missing)


def _count(session: Session, gate: Gate, query: SearchQuery, scope: Scope) -> int | None:
    """How many matches leave; None above MAX_COUNTED."""
    counted = 0
    asked = replace(
        query, includes=(), total="none", count=_COUNTING, summary="", cursor="", elements=()
    )
    while counted <= MAX_COUNTED:
        found, following = _fill(session, gate, asked, scope)
        counted += len(found)
        if not following:
            return counted
        asked = replace(asked, cursor=following)
    return None
