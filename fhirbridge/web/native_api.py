"""Enrollments, aftercare plans and referrals: take in, read, list, preview.

Source: design.md sections 4 and 5
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from urllib.parse import quote, urlencode

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.documents import stored
from fhirbridge.documents.preview import preview
from fhirbridge.documents.stored import Accepted
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import Kind
from fhirbridge.storage.documents import DocumentKey, Listed, Position
from fhirbridge.storage.instants import from_millis, to_millis
from fhirbridge.web.operations import PREFIX, Answer, Asked, Operation, Parameter

ADDRESSES: dict[Kind, str] = {
    "enrollment": "/enrollments",
    "aftercare-plan": "/aftercare-plans",
    "referral": "/referrals",
}
SCHEMA_NAMES: dict[Kind, str] = {
    "enrollment": "Enrollment",
    "aftercare-plan": "AftercarePlan",
    "referral": "Referral",
}
_STATUS = {"created": 201, "updated": 200, "unchanged": 200}

_SOURCE = Parameter("source", "The source system, needed where several have this record id.")
_LIST_PARAMETERS = (
    Parameter("source", "Only documents of this source system."),
    Parameter("updatedSince", "Only documents last changed at this time or later.", "date-time"),
    Parameter("limit", "How many to list.", "integer", default=50, minimum=1, maximum=500),
    Parameter("after", "Where the page before ended; taken from its `next`."),
)
_EXPLAIN = Parameter("explain", "Also say where each FHIR element came from.", "boolean", False)


def operations(bridge: Bridge) -> Iterator[Operation]:
    """The operations of all three documents."""
    for kind, path in ADDRESSES.items():
        yield from _of_kind(bridge, kind, path)


def _of_kind(bridge: Bridge, kind: Kind, path: str) -> Iterable[Operation]:
    schema, words = SCHEMA_NAMES[kind], kind.replace("-", " ")
    refusals = {400: "Issues", 409: "Issues", 413: "Issues", 415: "Issues", 422: "Issues"}
    taking = {201: "Receipt", 200: "Receipt", **refusals}
    idempotent = (
        "Idempotent by sourceSystem, recordId and version. 201: new; 200: a newer version, or the "
        "version that is stored already; 409: the stored version with other content, or an older "
        "one. What is missing in a newer version is withdrawn, not deleted."
    )
    return (
        Operation(
            "POST",
            path,
            path[1:],
            f"Take in one {words}.",
            partial(_take, bridge, kind),
            taking,
            idempotent,
            body=schema,
        ),
        Operation(
            "GET",
            path,
            path[1:],
            f"List documents of the kind {words}, the oldest change first.",
            partial(_list, bridge, kind),
            {200: "DocumentPage", 400: "Issues"},
            parameters=_LIST_PARAMETERS,
        ),
        Operation(
            "POST",
            f"{path}/$preview",
            path[1:],
            f"Map and validate one {words} and say what would change; nothing is stored.",
            partial(_preview, bridge, kind),
            {200: "Preview", 400: "Issues", 413: "Issues", 415: "Issues", 422: "Issues"},
            parameters=(_EXPLAIN,),
            body=schema,
        ),
        Operation(
            "PUT",
            f"{path}/{{recordId}}",
            path[1:],
            f"Take in one {words} with this record id.",
            partial(_take, bridge, kind),
            taking,
            idempotent,
            parameters=(_SOURCE,),
            body=schema,
        ),
        Operation(
            "GET",
            f"{path}/{{recordId}}",
            path[1:],
            f"Read one {words} as it came in.",
            partial(_read, bridge, kind),
            {200: schema, 404: "Issues", 409: "Issues"},
            "Also what stands in `extra`. The ETag is the version.",
            parameters=(_SOURCE,),
        ),
    )


def _take(bridge: Bridge, kind: Kind, asked: Asked) -> Answer:
    source = asked.query.get("source")
    if source and asked.body.get("sourceSystem") != source:
        sentence = "The address names another source system than the document."
        raise InvalidContent(Issue("value", sentence, expression=("$.sourceSystem",)))
    record_id = asked.path.get("recordId", "")
    accepted = stored.accept(bridge, kind, asked.body, record_id=record_id)
    where = location(accepted.received.key)
    headers = {"Location": where, "ETag": f'W/"{accepted.version}"'}
    status = _STATUS[accepted.received.outcome]
    return Answer(status, _receipt(accepted, where), headers=headers)


def _receipt(accepted: Accepted, where: str) -> JsonObject:
    received = accepted.received
    return {
        "outcome": received.outcome,
        "sourceSystem": received.key.source_system,
        "recordId": received.key.record_id,
        "version": accepted.version,
        "location": where,
        "patient": received.patient,
        "written": list(received.written),
        "withdrawn": list(received.withdrawn),
        "issues": [issue.to_json() for issue in accepted.issues],
    }


def _read(bridge: Bridge, kind: Kind, asked: Asked) -> Answer:
    source = asked.query["source"] or ""
    found = stored.find(bridge, kind, asked.path["recordId"], source=source)
    return Answer(200, content=found.content, headers={"ETag": f'W/"{found.version}"'})


def _list(bridge: Bridge, kind: Kind, asked: Asked) -> Answer:
    query = asked.query
    after = _position(query["after"]) if query["after"] else None
    source = query["source"] or ""
    page = stored.page(
        bridge,
        kind,
        source=source,
        since=query["updatedSince"],
        after=after,
        limit=query["limit"],
    )
    following = None
    if page.following is not None:
        at = f"{to_millis(page.following.updated_at)}-{page.following.document_id}"
        asked_again = {"source": source, "limit": str(query["limit"]), "after": at}
        pairs = {name: text for name, text in asked_again.items() if text}
        following = f"{PREFIX}{ADDRESSES[kind]}?{urlencode(pairs)}"
    return Answer(200, {"documents": [_listed(one) for one in page.documents], "next": following})


def _listed(one: Listed) -> JsonObject:
    return {
        "sourceSystem": one.key.source_system,
        "recordId": one.key.record_id,
        "version": one.version,
        "updatedAt": to_instant(one.updated_at),
        "receivedAt": to_instant(one.received_at),
        "location": location(one.key),
    }


def _position(text: str) -> Position:
    millis, _, document_id = text.rpartition("-")
    try:
        return Position(from_millis(int(millis)), int(document_id))
    except (ValueError, OverflowError) as exc:
        issue = Issue("invalid", "This is no `after` of a `next`.", expression=("query.after",))
        raise InvalidContent(issue) from exc


def _preview(bridge: Bridge, kind: Kind, asked: Asked) -> Answer:
    made = preview(bridge, kind, asked.body, explain=asked.query["explain"])
    body: JsonObject = {
        "outcome": made.verdict,
        "changes": [one.to_json() for one in made.touched],
        "issues": [issue.to_json() for issue in made.issues],
        "bundle": made.prepared.made.bundle,
        "mapping": made.prepared.made.stamp.to_json(),
    }
    if asked.query["explain"]:
        body["lineage"] = [asdict(one) for one in made.prepared.made.lineage]
    return Answer(200, body)


def location(key: DocumentKey) -> str:
    """Where a document is read; it holds whatever other sources send later."""
    kind: Kind = next(kind for kind in ADDRESSES if kind == key.kind)
    record = quote(key.record_id, safe="")
    return f"{PREFIX}{ADDRESSES[kind]}/{record}?{urlencode({'source': key.source_system})}"
