"""Handoffs: start one, see where it stands, list them.

Source: design.md sections 4 and 10
"""

from collections.abc import Iterator
from functools import partial

from fhirbridge.bridge import Bridge
from fhirbridge.documents.outgoing import Receiving, outgoing_of, prepare_stored
from fhirbridge.documents.receive import Prepared
from fhirbridge.documents.stored import prepare_as
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.handoffs import send, view
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import kind_of
from fhirbridge.web.native_api import ADDRESSES
from fhirbridge.web.operations import PREFIX, Answer, Asked, Operation, Parameter
from fhirbridge.workflow.words import DeliveryState

_PATH, _TAG = "/handoffs", "handoffs"
_FIELDS = ("partner", "kind", "recordId", "source", "document", "withPast", "purpose", "again")


def operations(bridge: Bridge) -> Iterator[Operation]:
    """The operations of handoffs."""
    refusals = {400: "Issues", 403: "Issues", 404: "Issues", 409: "Issues", 422: "Issues"}
    yield Operation(
        "POST",
        _PATH,
        _TAG,
        "Hand a document over to a partner.",
        partial(_start, bridge),
        {202: "HandoffReceipt", 200: "HandoffReceipt", **refusals},
        "A stored document (kind, recordId, and source where it is needed), or a new one "
        "(document). It is stored and enqueued together; a delivery process sends it. 202: "
        "enqueued; 200: this version was on its way to this partner before. `again` asks a partner "
        "anew that declined or ended it, with a new Task on the same order.",
        body="HandoffRequest",
    )
    yield Operation(
        "POST",
        f"{_PATH}/$preview",
        _TAG,
        "The plan that would be followed; nothing is stored or sent.",
        partial(_plan, bridge),
        {200: "SendPlan", **refusals},
        body="HandoffRequest",
    )
    yield Operation(
        "GET",
        _PATH,
        _TAG,
        "List deliveries, the newest first.",
        partial(_list, bridge),
        {200: "HandoffList", 400: "Issues"},
        parameters=(
            Parameter("partner", "Only to this partner."),
            Parameter("state", "Only in these states, separated by commas."),
            Parameter("limit", "How many to list.", "integer", 100, minimum=1, maximum=1000),
        ),
    )
    yield Operation(
        "GET",
        f"{_PATH}/{{handoffId}}",
        _TAG,
        "One handoff: where it stands, who owes the next step, every attempt.",
        partial(_show, bridge),
        {200: "Handoff", 404: "Issues"},
    )


def _start(bridge: Bridge, asked: Asked) -> Answer:
    prepared = _document(bridge, asked.body)
    partner = _text(asked.body, "partner")
    receiving = Receiving(bridge, prepared, with_past=_flag(asked.body, "withPast"))
    receipt = send.hand_over(
        bridge,
        partner,
        receiving,
        purpose=_purpose(asked.body),
        again=_flag(asked.body, "again"),
    )
    where = f"{PREFIX}{_PATH}/{receipt.handoff_id}"
    body = {
        "handoff": receipt.handoff_id,
        "delivery": receipt.outbox_id,
        "state": receipt.state.value,
        "new": receipt.is_new,
        "replaced": receipt.replaced,
        "location": where,
        "issues": [issue.to_json() for issue in prepared.issues],
    }
    return Answer(202 if receipt.is_new else 200, body, headers={"Location": where})


def _plan(bridge: Bridge, asked: Asked) -> Answer:
    prepared = _document(bridge, asked.body)
    outgoing = outgoing_of(prepared, with_past=_flag(asked.body, "withPast"))
    partner, purpose = _text(asked.body, "partner"), _purpose(asked.body)
    again = _flag(asked.body, "again")
    made = send.preview(bridge, partner, outgoing, purpose=purpose, again=again)
    return Answer(200, made.to_json())


def _list(bridge: Bridge, asked: Asked) -> Answer:
    query = asked.query
    names = [name for name in (query["state"] or "").split(",") if name]
    known = {state.value: state for state in DeliveryState}
    if set(names) - set(known):
        sentence = f"States are: {', '.join(known)}."
        raise InvalidContent(Issue("value", sentence, expression=("query.state",)))
    found = view.list_deliveries(
        bridge,
        states=tuple(known[name] for name in names),
        partner=query["partner"] or "",
        limit=query["limit"],
    )
    return Answer(200, {"handoffs": [one.to_json() for one in found]})


def _show(bridge: Bridge, asked: Asked) -> Answer:
    return Answer(200, view.show(bridge, asked.path["handoffId"]).to_json())


def _document(bridge: Bridge, body: JsonObject) -> Prepared:
    """The document that a request names or holds."""
    unknown = [name for name in body if name not in _FIELDS]
    if unknown:
        sentence = f"A handoff has the fields {', '.join(_FIELDS)}."
        raise InvalidContent(Issue("structure", sentence, expression=("$",)))
    given = body.get("document")
    if isinstance(given, dict):
        return prepare_as(bridge, kind_of(given), given)
    name = _text(body, "kind")
    kind = next((kind for kind in ADDRESSES if kind == name), None)
    if kind is None:
        sentence = f"kind is one of {', '.join(ADDRESSES)}."
        raise InvalidContent(Issue("value", sentence, expression=("$.kind",)))
    source = _text(body, "source") if "source" in body else ""
    return prepare_stored(bridge, kind, _text(body, "recordId"), source=source)


def _flag(body: JsonObject, name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise InvalidContent(Issue("value", "Expected true or false.", expression=(f"$.{name}",)))
    return value


def _purpose(body: JsonObject) -> str:
    return _text(body, "purpose") if "purpose" in body else ""


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidContent(Issue("required", "Expected a text.", expression=(f"$.{name}",)))
    return value
