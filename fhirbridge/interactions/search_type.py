"""search of one resource type, by GET and POST alike. Source: R4 http.html#search"""

from urllib.parse import quote, urlencode

from fhirbridge.fhir import bundles
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.projection import project
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import JsonObject
from fhirbridge.search import query
from fhirbridge.search.query import CURSOR, SearchQuery
from fhirbridge.storage import search
from fhirbridge.storage.versions import ResourceVersion


def search_type(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """A searchset Bundle; nothing found is 200 as well.

    `self` shows the parameters that had an effect, `next` continues after the last row shown.
    """
    wanted = query.parse(
        route.resource_type,
        request.query,
        lenient=request.preferences.lenient,
        context=context.search_context(),
    )
    with context.reading() as session:
        page = search.run(session, wanted, custodian_id=context.custodian_id)
    entries = [_entry(version, wanted, context.base) for version in page.matches]
    if wanted.issues:
        entries.append(bundles.search_entry(to_outcome(wanted.issues), full_url="", mode="outcome"))
    address = f"{context.base}/{route.resource_type}"
    links = {"self": _link(address, wanted.used)}
    if page.next:
        links["next"] = _link(address, (*wanted.used, (CURSOR, page.next)))
    return FhirResponse(
        status=200, resource=bundles.searchset(entries, links=links, total=page.total)
    )


def _entry(version: ResourceVersion, wanted: SearchQuery, base: str) -> JsonObject:
    return bundles.search_entry(
        project(version.content, wanted), full_url=f"{base}/{version.reference}"
    )


def _link(address: str, pairs: tuple[tuple[str, str], ...]) -> str:
    return f"{address}?{urlencode(pairs, safe=':/,|$', quote_via=quote)}" if pairs else address
