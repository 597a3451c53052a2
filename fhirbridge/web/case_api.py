"""Handoffs and referrals as cases: where each stands, answers, closing, alerts, what was set aside.

Source: design.md sections 4 and 10; domain.md 4.4
"""

from collections.abc import Iterator
from datetime import datetime
from functools import partial

from fhirbridge.bridge import Bridge
from fhirbridge.documents.outgoing import outgoing_again
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.handoffs import closing, inbound, referrals, releasing, repair, view
from fhirbridge.handoffs.answer import ACTIONS, Action, answer
from fhirbridge.handoffs.answer import Answer as Given
from fhirbridge.jsontypes import JsonObject
from fhirbridge.web.operations import Answer, Asked, Operation, Parameter

_TAG = "cases"
_ONE = "/handoffs/{handoffId}"
_HEARD = ("phone", "fax", "paper", "in-person")
_ALL = Parameter("all", "Also what is over.", "boolean", False)


def operations(bridge: Bridge) -> Iterator[Operation]:
    """The operations of cases."""
    refusals = {400: "Issues", 404: "Issues", 409: "Issues", 422: "Issues"}
    yield Operation(
        "GET",
        "/cases",
        _TAG,
        "List handoffs and inbound referrals, those first that changed last.",
        partial(_list, bridge),
        {200: "CaseList", 400: "Issues"},
        parameters=(
            Parameter("direction", "Only of this direction.", values=("outbound", "inbound")),
            Parameter("partner", "Only of this partner."),
            Parameter("limit", "How many to list.", "integer", 100, minimum=1, maximum=1000),
        ),
    )
    yield Operation(
        "GET",
        "/cases/{handoffId}",
        _TAG,
        "One case: who owes the next step, visits, days between, alerts, what was set aside.",
        partial(_show, bridge),
        {200: "Case", 404: "Issues"},
    )
    yield Operation(
        "GET",
        "/cases/{handoffId}/$document",
        _TAG,
        "What came in, as a document, with what could not be represented.",
        partial(_document, bridge),
        {200: "InboundDocument", 404: "Issues"},
    )
    for action in ACTIONS:
        yield Operation(
            "POST",
            f"{_ONE}/${action}",
            _TAG,
            f"Answer a referral: {action}.",
            partial(_answer, bridge, action),
            {200: "Answered", **refusals},
            "Inbound: our answer. Outbound: what the partner said by phone, fax, on paper or in "
            "person (`heard`), marked as transcribed; `withdraw` is ours.",
            body="AnswerRequest",
        )
    yield Operation(
        "POST",
        f"{_ONE}/$visit",
        _TAG,
        "Enter that the client came.",
        partial(_visit, bridge),
        {200: "Case", **refusals},
        body="VisitRequest",
    )
    yield Operation(
        "POST",
        f"{_ONE}/$close",
        _TAG,
        "Close a handoff for a stated reason.",
        partial(_close, bridge),
        {200: "Case", **refusals},
        body="CloseRequest",
    )
    yield Operation(
        "POST",
        f"{_ONE}/$retry",
        _TAG,
        "Send a delivery that ended badly again, say where it was found, or give it up.",
        partial(_retry, bridge),
        {200: "Handoff", **refusals},
        "At most one of anyway, found and giveUp.",
        body="RetryRequest",
    )
    yield Operation(
        "GET",
        "/alerts",
        _TAG,
        "What people have to know of: one for each change.",
        partial(_alerts, bridge),
        {200: "AlertList"},
        parameters=(_ALL,),
    )
    yield Operation(
        "GET",
        "/set-aside",
        _TAG,
        "What arrived about referrals and led nowhere.",
        partial(_set_aside, bridge),
        {200: "SetAsideList"},
        parameters=(_ALL,),
    )
    yield Operation(
        "GET",
        "/set-aside/{number}",
        _TAG,
        "What was set aside, with its text as it came.",
        partial(_show_aside, bridge),
        {200: "SetAside", 404: "Issues"},
    )
    yield Operation(
        "POST",
        "/set-aside/{number}/$release",
        _TAG,
        "Let it count after all.",
        partial(_release, bridge),
        {200: "Case", **refusals},
        "Who releases it vouches for whom it is about and who said it; `handoff` says which one, "
        "where that is not known. 409: the referral cannot come to what it says.",
        body="ReleaseRequest",
    )
    yield Operation(
        "POST",
        "/set-aside/{number}/$settle",
        _TAG,
        "Note that somebody dealt with it, and that it counts for nothing.",
        partial(_settle, bridge),
        {204: "Nothing", **refusals},
        body="SettleRequest",
    )


def _list(bridge: Bridge, asked: Asked) -> Answer:
    query = asked.query
    found = referrals.list_cases(
        bridge,
        direction=query["direction"] or "",
        partner=query["partner"] or "",
        limit=query["limit"],
    )
    return Answer(200, {"cases": [one.to_json() for one in found]})


def _show(bridge: Bridge, asked: Asked) -> Answer:
    return Answer(200, referrals.show(bridge, asked.path["handoffId"]).to_json())


def _document(bridge: Bridge, asked: Asked) -> Answer:
    made = inbound.document_of(bridge, asked.path["handoffId"])
    issues = [issue.to_json() for issue in made.issues]
    return Answer(200, {"document": made.document, "issues": issues})


def _answer(bridge: Bridge, action: Action, asked: Asked) -> Answer:
    body = _fields(asked.body, "reason", "text", "start", "end", "by", "heard")
    heard = _text(body, "heard")
    if heard and heard not in _HEARD:
        words = f"heard is one of {', '.join(_HEARD)}."
        raise InvalidContent(Issue("value", words, expression=("$.heard",)))
    given = Given(
        action,
        reason=_text(body, "reason"),
        text=_text(body, "text"),
        start=_moment(body, "start"),
        end=_moment(body, "end"),
        by=_text(body, "by"),
        heard=heard,  # type: ignore[arg-type]
    )
    done = answer(bridge, asked.path["handoffId"], given)
    shown: JsonObject = {
        "handoff": done.handoff_id,
        "state": done.state.value,
        "task": done.task,
        "appointment": done.appointment or None,
    }
    return Answer(200, shown)


def _visit(bridge: Bridge, asked: Asked) -> Answer:
    body = _fields(asked.body, "at", "by")
    at = _moment(body, "at")
    if at is None:
        raise InvalidContent(Issue("required", "Expected a time.", expression=("$.at",)))
    closing.enter_visit(bridge, asked.path["handoffId"], at=at, by=_text(body, "by"))
    return _show(bridge, asked)


def _close(bridge: Bridge, asked: Asked) -> Answer:
    body = _fields(asked.body, "reason", "by")
    closing.close(
        bridge, asked.path["handoffId"], reason=_text(body, "reason"), by=_text(body, "by")
    )
    return _show(bridge, asked)


def _retry(bridge: Bridge, asked: Asked) -> Answer:
    body = _fields(asked.body, "anyway", "found", "giveUp", "by")
    handoff, by = asked.path["handoffId"], _text(body, "by")
    if sum(bool(body.get(name)) for name in ("anyway", "found", "giveUp")) > 1:
        words = "Give at most one of anyway, found and giveUp."
        raise InvalidContent(Issue("value", words, expression=("$",)))
    if body.get("found"):
        done = repair.found(bridge, handoff, _text(body, "found"), by=by)
    elif body.get("giveUp"):
        done = repair.close(bridge, handoff, reason=_text(body, "giveUp"), by=by)
    else:
        done = repair.retry(
            bridge,
            handoff,
            partial(outgoing_again, bridge),
            by=by,
            anyway=body.get("anyway") is True,
        )
    return Answer(200, done.to_json())


def _alerts(bridge: Bridge, asked: Asked) -> Answer:
    found = view.list_alerts(bridge, with_closed=asked.query["all"])
    return Answer(200, {"alerts": [view.alert_json(one) for one in found]})


def _set_aside(bridge: Bridge, asked: Asked) -> Answer:
    found = referrals.list_set_aside(bridge, with_settled=asked.query["all"])
    return Answer(200, {"setAside": [referrals.kept_json(one) for one in found]})


def _settle(bridge: Bridge, asked: Asked) -> Answer:
    body = _fields(asked.body, "by")
    releasing.settle(bridge, _number(asked), by=_text(body, "by"))
    return Answer(204)


def _show_aside(bridge: Bridge, asked: Asked) -> Answer:
    kept = releasing.show(bridge, _number(asked))
    text = kept.body.decode(errors="replace")
    return Answer(200, {**referrals.kept_json(kept), "content": text})


def _release(bridge: Bridge, asked: Asked) -> Answer:
    body = _fields(asked.body, "by", "handoff")
    name = _text(body, "handoff")
    taken = releasing.release(
        bridge,
        _number(asked),
        by=_text(body, "by"),
        handoff_id=referrals.resolve(bridge, name) if name else "",
    )
    return Answer(200, referrals.show(bridge, taken.handoff_id).to_json())


def _number(asked: Asked) -> int:
    number = asked.path["number"]
    return int(number) if number.isdecimal() and len(number) < 19 else -1


def _fields(body: JsonObject, *names: str) -> JsonObject:
    if set(body) - set(names):
        words = f"The fields are {', '.join(names)}."
        raise InvalidContent(Issue("structure", words, expression=("$",)))
    return body


def _text(body: JsonObject, name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str) or len(value) > 4000:
        raise InvalidContent(Issue("value", "Expected a text.", expression=(f"$.{name}",)))
    return value


def _moment(body: JsonObject, name: str) -> datetime | None:
    text = _text(body, name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        words = "Expected a date and time with 'Z' or an offset."
        raise InvalidContent(Issue("value", words, expression=(f"$.{name}",)))
    return moment
