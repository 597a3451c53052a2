"""history of one resource, of one type, and of all, newest version first.

Source: R4 http.html#history
"""

from urllib.parse import urlencode

from fhirbridge.clock import to_instant
from fhirbridge.disclosure import cursors, histories
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.fhir import bundles
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.preconditions import is_unchanged_history
from fhirbridge.interactions.projection import PARAMETERS, Part, part_of, project
from fhirbridge.interactions.read import refuse_parameters
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import JsonObject
from fhirbridge.search.parameter_types.date import interval
from fhirbridge.search.query import DEFAULT_COUNT, MAX_COUNT
from fhirbridge.storage import history as stored
from fhirbridge.storage.history import Place, Span
from fhirbridge.storage.instants import from_millis
from fhirbridge.storage.versions import ResourceVersion

# `_before` is our paging mark: the numbers of versions never move, so pages are stable.
_PARAMETERS = frozenset({"_since", "_at", "_count", "_before", *PARAMETERS})
_WHOLE = Part()


def history(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """A history Bundle, with request and response of each version.

    The ETag stands for the newest version of this history. Raises NotFound for a resource that
    never was.
    """
    refuse_parameters(request, _PARAMETERS)
    part = part_of(request)
    given = dict(request.query)
    span = _span(given, context)
    count = min(_number(given, "_count", DEFAULT_COUNT), MAX_COUNT)
    place = Place(context.custodian_id, route.resource_type, route.resource_id)
    if not context.gate.is_open:
        return _limited(request, context, place, given, span)
    before = _number(given, "_before", 0) or None
    with context.reading() as session:
        newest = stored.newest(session, place)
        if newest is None and route.resource_id:
            name = f"{route.resource_type}/{route.resource_id}"
            raise NotFound(Issue("not-found", f"{name} does not exist."))
        if is_unchanged_history(request, newest):
            return FhirResponse(status=304, version_id=newest.seq if newest else 0)
        total = stored.total(session, place, span=span)
        versions = stored.versions(session, place, count=count + 1, before=before, span=span)
        context.trail.note(session, versions[:count])
    page, more = versions[:count], len(versions) > count
    links = {"self": _link(context, request, given)}
    if more and page:
        links["next"] = _link(context, request, {**given, "_before": str(page[-1].seq)})
    entries = [history_entry(version, context.base, part) for version in page]
    return FhirResponse(
        status=200,
        resource=bundles.history(entries, links=links, total=total),
        version_id=newest.seq if newest else 0,
        last_modified=newest.last_updated if newest else None,
    )


def _limited(
    request: FhirRequest, context: Context, place: Place, given: dict[str, str], span: Span
) -> FhirResponse:
    """For others than the custodian: without ETag and total, which would tell of more."""
    count = min(_number(given, "_count", DEFAULT_COUNT), MAX_COUNT)
    gate = context.gate
    secret = gate.place.secret
    mark = cursors.unseal(secret, given.get("_before", ""), parameter="_before")
    before = _number({"_before": mark}, "_before", 0) if mark else None
    with context.reading() as session:
        if place.resource_id and not histories.exists(session, gate, place):
            name = f"{place.resource_type}/{place.resource_id}"
            raise NotFound(Issue("not-found", f"{name} does not exist."))
        found = histories.versions(session, gate, place, count=count + 1, before=before, span=span)
        by = gate if place.resource_id else gate.as_everybody
        context.trail.note(session, found[:count], by=by)
    links = {"self": _link(context, request, given)}
    if len(found) > count > 0:
        mark = cursors.seal(secret, str(found[count - 1].seq))
        links["next"] = _link(context, request, {**given, "_before": mark})
    part = part_of(request)
    entries = [history_entry(version, context.base, part) for version in found[:count]]
    return FhirResponse(status=200, resource=bundles.history(entries, links=links, total=None))


def history_entry(version: ResourceVersion, base: str, part: Part = _WHOLE) -> JsonObject:
    """One version, or a part of it, as an entry of a history Bundle."""
    created = version.method == "POST" or version.version_id == 1
    return bundles.history_entry(
        full_url=f"{base}/{version.reference}",
        method=version.method,
        url=version.resource_type if version.method == "POST" else version.reference,
        status="204" if version.deleted else "201" if created else "200",
        etag=f'W/"{version.version_id}"',
        last_modified=to_instant(version.last_updated),
        resource=None if version.deleted else project(version.content, part),
    )


def _span(given: dict[str, str], context: Context) -> Span:
    """`_since`: written at or after; `_at`: current at some time in that interval."""
    zone = context.bridge.settings.zone
    bounds = {}
    for name in ("_since", "_at"):
        try:
            # A plus sign in a query is a blank once decoded.
            bounds[name] = interval(given[name].replace(" ", "+"), zone) if name in given else None
        except ValueError as exc:
            raise InvalidContent(
                Issue("invalid", f"{name} must be a date or an instant: {exc}.")
            ) from exc
    since, at = bounds["_since"], bounds["_at"]
    return Span(
        since=from_millis(since.low) if since else None,
        low=from_millis(at.low) if at else None,
        high=from_millis(at.high) if at else None,
    )


def _link(context: Context, request: FhirRequest, given: dict[str, str]) -> str:
    known = {name: value for name, value in given.items() if name in _PARAMETERS}
    url = "/".join((context.base, *request.path))
    return f"{url}?{urlencode(known)}" if known else url


def _number(given: dict[str, str], name: str, default: int) -> int:
    text = given.get(name, "")
    if name not in given:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidContent(Issue("invalid", f"{name} must be a whole number, zero or more."))
    return int(text)
