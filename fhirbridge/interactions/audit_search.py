"""AuditEvents of our own audit, for the custodian's systems: read one, and search by patient, time.

Rows come first, newest first; AuditEvents that others stored here follow.
Source: R4 auditevent.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from fhirbridge.disclosure import audit_events
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, Pairs
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.search.parameter_types.date import interval
from fhirbridge.search.parameter_types.prefixes import Prefix, parse_prefix
from fhirbridge.search.query import CURSOR, DEFAULT_COUNT, MAX_COUNT
from fhirbridge.storage import audit, consents
from fhirbridge.storage.audit import AuditRow
from fhirbridge.storage.instants import from_millis
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session

_KNOWN = frozenset({"patient", "date", "_count", CURSOR})
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class _Wanted:
    patient_key: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    count: int = DEFAULT_COUNT
    before: int | None = None


def read_row(context: Context, route: Route) -> FhirResponse | None:
    """The AuditEvent of an audit row; None for any other id, and for other callers."""
    number = audit_events.number_of(route.resource_id)
    if not number or not context.gate.is_open:
        return None
    with context.reading() as session:
        row = audit.get(session, context.custodian_id, number)
        if row is None:
            return None
        resource = _render(session, context, row)
    return FhirResponse(
        status=200, content=wire.dump(resource), version_id=1, last_modified=row.recorded_at
    )


def rows_of(request: FhirRequest, context: Context) -> FhirResponse | None:
    """A page of audit rows; None where the search is about what is stored only.

    That is so for other callers, for other parameters than these, and once all rows were shown.
    """
    given = dict(request.query)
    cursor = given.get(CURSOR, "")
    other_cursor = bool(cursor) and not audit_events.number_of(cursor)
    if not context.gate.is_open or given.keys() - _KNOWN or other_cursor:
        return None
    wanted = _read(given, context)
    with context.reading() as session:
        rows = audit.find(
            session,
            context.custodian_id,
            patient_key=wanted.patient_key,
            since=wanted.since,
            until=wanted.until,
            before=wanted.before,
            limit=wanted.count + 1,
        )
        shown = rows[: wanted.count]
        resources = [_render(session, context, row) for row in shown]
    if not rows or wanted.count == 0:
        return None
    base = f"{context.base}/AuditEvent"
    links = {"self": _link(base, request.query)}
    rest = tuple(pair for pair in request.query if pair[0] != CURSOR)
    if len(rows) > wanted.count:
        cursor = f"{audit_events.PREFIX}{shown[-1].id}"
    else:  # what others stored comes after our own
        cursor = f"{audit_events.PREFIX}1"
    links["next"] = _link(base, (*rest, (CURSOR, cursor)))
    entries: list[JsonObject] = [
        bundles.search_entry(each, full_url=f"{base}/{each['id']}") for each in resources
    ]
    return FhirResponse(status=200, resource=bundles.searchset(entries, links=links, total=None))


def without_mark(request: FhirRequest) -> FhirRequest:
    """The same search, about what is stored: without the cursor of a row."""
    pairs = tuple(
        (name, value)
        for name, value in request.query
        if name != CURSOR or not audit_events.number_of(value)
    )
    return replace(request, query=pairs)


def _read(given: Mapping[str, str], context: Context) -> _Wanted:
    wanted = _Wanted()
    if "patient" in given:
        name = given["patient"].rpartition("/")[2]
        wanted = replace(wanted, patient_key=key_of(f"Patient/{name}"))
    if "_count" in given:
        text = given["_count"]
        count = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        wanted = replace(wanted, count=min(count, MAX_COUNT))
    if CURSOR in given:
        wanted = replace(wanted, before=audit_events.number_of(given[CURSOR]))
    return _dated(wanted, given["date"], context) if "date" in given else wanted


def _dated(wanted: _Wanted, text: str, context: Context) -> _Wanted:
    try:
        prefix, date = parse_prefix(text)
        found = interval(date.replace(" ", "+"), context.bridge.settings.zone)
    except ValueError as exc:
        raise InvalidContent(Issue("invalid", f"date must be a date: {exc}.")) from exc
    low, high = from_millis(found.low), from_millis(found.high)
    match prefix:
        case Prefix.GE:
            return replace(wanted, since=low)
        case Prefix.GT | Prefix.SA:
            return replace(wanted, since=high + _MILLISECOND)
        case Prefix.LE:
            return replace(wanted, until=high)
        case Prefix.LT | Prefix.EB:
            return replace(wanted, until=low - _MILLISECOND)
        case _:
            return replace(wanted, since=low, until=high)


def _render(session: Session, context: Context, row: AuditRow) -> Resource:
    found = consents.current(session, context.custodian_id, sorted(row.patient_keys))
    patients = tuple(name for name in found if name.startswith("Patient/"))
    observer = context.bridge.custodian.name
    return audit_events.render(row, patients=patients, observer=observer)


def _link(address: str, pairs: Pairs) -> str:
    return f"{address}?{urlencode(pairs, safe=':/,|$', quote_via=quote)}" if pairs else address
