"""search in one type, in all, or in a compartment, by GET and POST alike.

Source: R4 http.html#search, search.html#contexts
"""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlencode

from fhirbridge.disclosure import pages
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.bundles import SearchMode
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions import audit_search, permissions
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.projection import Part, project_bytes
from fhirbridge.interactions.supported import Route
from fhirbridge.search import query
from fhirbridge.search.query import CURSOR, Compartment, SearchQuery
from fhirbridge.storage import search as storage
from fhirbridge.storage.search_contained import Meant, meant
from fhirbridge.storage.versions import ResourceVersion


def search(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """A searchset Bundle; nothing found is 200 as well.

    `self` shows the parameters that had an effect, `next` continues after the last row shown.
    """
    if route.resource_type == "AuditEvent" and not route.member_type:
        rows = audit_search.rows_of(request, context)
        if rows is not None:
            return rows
        request = audit_search.without_mark(request)
    compartment, resource_type = None, route.resource_type
    segments = [resource_type] if resource_type else []
    if route.member_type:
        compartment = Compartment(resource_type, route.resource_id)
        resource_type = route.member_type.removeprefix("*")
        segments = [compartment.name, quote(compartment.resource_id), route.member_type]
    address = "/".join((context.base, *segments))
    wanted = query.parse(
        resource_type or None,
        request.query,
        lenient=request.preferences.lenient,
        context=context.search_context(),
        compartment=compartment,
    )
    wanted = permissions.check_search(context, wanted)
    reading = context.glancing if storage.is_one_statement(wanted) else context.reading
    with reading() as session:
        page = pages.run(session, context.gate, context.trail, wanted, context.memory)
        contained = (
            meant(session, wanted, page.matches, custodian_id=context.custodian_id)
            if wanted.shows_contained
            else {}
        )
    if wanted.shows_contained:
        # What is counted are the resources that contain them.
        page = replace(page, total=None if page.matches else page.total)
    matched = _entries(page.matches, wanted, context.base)
    entries = (
        [
            entry
            for version, whole in zip(page.matches, matched, strict=True)
            for entry in _meant(version, whole, wanted, context.base, contained.get(version.key))
        ]
        if contained
        else matched
    )
    entries += _entries(page.included, wanted, context.base, mode="include")
    issues = (*wanted.issues, *page.issues)
    if issues:
        outcome = bundles.search_entry(to_outcome(issues), full_url="", mode="outcome")
        entries.append(wire.dump(outcome))
    here = (*wanted.used, (CURSOR, wanted.cursor)) if wanted.cursor else wanted.used
    links = {"self": _link(address, here)}
    if wanted.cursor:
        links["first"] = _link(address, wanted.used)
    if page.next:
        links["next"] = _link(address, (*wanted.used, (CURSOR, page.next)))
    bundle = bundles.searchset((), links=links, total=page.total)
    return FhirResponse(status=200, resource=bundle, entries=tuple(entries))


def _meant(
    version: ResourceVersion, whole: bytes, wanted: SearchQuery, base: str, found: Meant | None
) -> Iterator[bytes]:
    """The entry of a match, or those of the resources in it that are meant."""
    if found is None or found.itself:
        yield whole
    if found is None or not found.positions:
        return
    contained = wire.parse(version.content)["contained"]
    for position in found.positions:
        shown = contained[position]
        yield bundles.search_entry_text(
            project_bytes(wire.dump(shown), Part(wanted.summary, wanted.elements)),
            full_url=f"{base}/{version.reference}#{shown['id']}",
        )


def _entries(
    versions: tuple[ResourceVersion, ...],
    wanted: SearchQuery,
    base: str,
    *,
    mode: SearchMode = "match",
) -> list[bytes]:
    if wanted.summary or wanted.elements:
        part = Part(wanted.summary, wanted.elements)
        versions = tuple(
            replace(each, content=project_bytes(each.content, part)) for each in versions
        )
    return [
        bundles.search_entry_text(each.content, full_url=f"{base}/{each.reference}", mode=mode)
        for each in versions
    ]


def _link(address: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return f"{address}?{urlencode(pairs, safe=':/,|$', quote_via=quote)}" if pairs else address
