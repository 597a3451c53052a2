"""Partners: register one, read one, list them, and let one tell us of changes.

Source: design.md section 4
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import partial
from typing import get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fhirbridge.bridge import Bridge
from fhirbridge.errors import InvalidContent, Issue, Misconfigured
from fhirbridge.handoffs import partner_view, partners, subscribe
from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.partners.credentials import read_key
from fhirbridge.partners.pace import FASTEST
from fhirbridge.partners.registry import Partner, recipient_json
from fhirbridge.web.operations import PREFIX, Answer, Asked, Operation
from fhirbridge.workflow.clocks import calendar_of
from fhirbridge.workflow.retry import MAX_AGE_HOURS, TIMEOUT_SECONDS, Policy, with_patience
from fhirbridge.workflow.words import Profile

_PATH, _TAG = "/partners", "partners"
_SUBSCRIBE = ("payload", "days", "url")
PROFILES: tuple[Profile, ...] = get_args(Profile)


def operations(bridge: Bridge) -> Iterator[Operation]:
    """The operations of partners."""
    yield Operation(
        "POST",
        _PATH,
        _TAG,
        "Register a partner, or change the one of this name.",
        partial(_add, bridge),
        {201: "Partner", 200: "Partner", 400: "Issues"},
        "Its CapabilityStatement is fetched. A partner that cannot be reached is registered all "
        "the same and asked again before the first delivery.",
        body="PartnerRequest",
    )
    yield Operation(
        "GET",
        _PATH,
        _TAG,
        "List the partners by name.",
        partial(_list, bridge),
        {200: "PartnerList"},
    )
    yield Operation(
        "GET",
        f"{_PATH}/{{name}}",
        _TAG,
        "One partner and what it offers.",
        partial(_read, bridge),
        {200: "Partner", 404: "Issues"},
    )
    refusals = {403: "Issues", 404: "Issues", 502: "Issues"}
    yield Operation(
        "POST",
        f"{_PATH}/{{name}}/$subscribe",
        _TAG,
        "Let a partner tell us of changes to what we handed over, or renew that.",
        partial(_subscribe, bridge),
        {200: "Partner", 400: "Issues", 409: "Issues", **refusals},
        "R4 Subscriptions (rest-hook) on Task and Appointment, made at the partner; its "
        "notifications go to /notifications/{name}. Without payload they bring nothing, and we "
        "fetch what changed. 409: the partner offers none; its Tasks are looked at in turn.",
        body="SubscribeRequest",
    )
    yield Operation(
        "POST",
        f"{_PATH}/{{name}}/$unsubscribe",
        _TAG,
        "Remove what a partner tells us of; nothing more is taken from it.",
        partial(_unsubscribe, bridge),
        {200: "Unsubscribed", **refusals},
    )


def _add(bridge: Bridge, asked: Asked) -> Answer:
    added = partners.add(bridge, _partner(asked.body))
    where = f"{PREFIX}{_PATH}/{added.partner.name}"
    body = {**_shown(added.partner), "unreachable": added.unreachable or None}
    return Answer(201 if added.is_new else 200, body, headers={"Location": where})


def _list(bridge: Bridge, _asked: Asked) -> Answer:
    return Answer(200, {"partners": [_shown(one) for one in partners.load_all(bridge)]})


def _read(bridge: Bridge, asked: Asked) -> Answer:
    with bridge.database.read() as session:
        return Answer(200, _shown(partners.load(session, bridge, asked.path["name"])))


def _subscribe(bridge: Bridge, asked: Asked) -> Answer:
    body = asked.body
    faults = [
        Issue("value", sentence, expression=(f"$.{name}",))
        for name, sentence, good in (
            ("", f"Expected {', '.join(_SUBSCRIBE)}.", not body.keys() - set(_SUBSCRIBE)),
            ("payload", "Expected true or false.", isinstance(body.get("payload", False), bool)),
            ("days", f"Expected 1 to {subscribe.MOST_DAYS}.", _is_days(body.get("days", 1))),
            ("url", "Expected an https address.", isinstance(body.get("url", ""), str)),
        )
        if not good
    ]
    if faults:
        raise InvalidContent.of(faults)
    made = subscribe.subscribe(
        bridge,
        asked.path["name"],
        with_payload=body.get("payload", False),
        days=body.get("days", subscribe.DAYS),
        url=body.get("url", ""),
    )
    return Answer(200, _shown(made))


def _unsubscribe(bridge: Bridge, asked: Asked) -> Answer:
    return Answer(200, {"leftBehind": subscribe.unsubscribe(bridge, asked.path["name"])})


def _is_days(value: Json) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole and 1 <= value <= subscribe.MOST_DAYS


def _partner(body: JsonObject) -> Partner:
    """The partner that a request describes. Raises InvalidContent with every finding."""
    faults: list[Issue] = []

    def expect(name: str, sentence: str, good: bool) -> None:
        if not good:
            faults.append(Issue("value", sentence, expression=(f"$.{name}",)))

    known = (*_PLAIN, *_MORE)
    unknown = [name for name in body if name not in known]
    expect("", f"A partner has the fields {', '.join(known)}.", not unknown)
    name, url, follow = body.get("name"), body.get("url"), body.get("followSeconds", 900)
    profile, allow_http = body.get("profile", "base"), body.get("allowHttp", False)
    rate = body.get("requestsPerSecond", 0)
    expect("name", "Expected a text.", isinstance(name, str))
    expect("url", "Expected the FHIR base address of the partner.", isinstance(url, str))
    expect("profile", f"Expected one of {', '.join(PROFILES)}.", profile in PROFILES)
    expect("allowHttp", "Expected true or false.", isinstance(allow_http, bool))
    expect(
        "followSeconds",
        "Expected a number of seconds from 0.1 to 604800.",
        _is_number(follow) and 0.1 <= follow <= 7 * 86_400,
    )
    expect(
        "requestsPerSecond",
        f"Expected a number from 0 to {FASTEST:g}; 0 is no limit.",
        _is_number(rate) and 0 <= rate <= FASTEST,
    )
    timeout, max_age = body.get("timeoutSeconds", 30), body.get("maxAgeHours", 72)
    for field, value, (low, high) in (
        ("timeoutSeconds", timeout, TIMEOUT_SECONDS),
        ("maxAgeHours", max_age, MAX_AGE_HOURS),
    ):
        words = f"Expected a number from {low:g} to {high:g}."
        expect(field, words, _is_number(value) and low <= value <= high)
    more = {field: body[field] for field in _MORE if body.get(field) is not None}
    for field, (kind, words) in _MORE.items():
        expect(field, words, isinstance(more.get(field, kind()), kind))
    if not faults:
        for field in ("window", "calendar"):
            is_over_midnight = field == "window"
            hours = more.get(field, {})
            expect(field, _MORE[field][1], _is_calendar(hours, over_midnight=is_over_midnight))
        zone = str(more.get("timezone", "UTC"))
        expect("timezone", "Expected a time zone name, e.g. America/Denver.", _is_zone(zone))
        named = more.get("recipient")
        expect("recipient", _MORE["recipient"][1], named is None or _is_recipient(named))
        keys = more.get("credentials")
        expect("credentials", _MORE["credentials"][1], keys is None or _is_credentials(keys))
    if not faults and "credentials" in more:
        words = "Expected a file here with our private key as a JWK."
        expect("credentials.keyFile", words, _is_key(more["credentials"]["keyFile"]))
    if faults:
        raise InvalidContent.of(faults)
    settings = {
        "profile": profile,
        "allowHttp": allow_http,
        "followSeconds": float(follow),
        "requestsPerSecond": float(rate),
        "policy": with_patience(
            Policy(), timeout_seconds=float(timeout), max_age_hours=float(max_age)
        ).to_json(),
        **more,
    }
    return Partner.from_settings(str(name), str(url), settings=settings)


_SPEEDS = ("followSeconds", "requestsPerSecond", "timeoutSeconds", "maxAgeHours")
_PLAIN = ("name", "url", "profile", "allowHttp", *_SPEEDS)

# field -> its JSON type, and what was expected
_MORE: Mapping[str, tuple[type, str]] = {
    "headers": (dict, "Expected header names with their values."),
    "timezone": (str, "Expected a time zone name, e.g. America/Denver."),
    "window": (dict, "Expected days, from and to."),
    "calendar": (dict, "Expected days, from, a later to, and holidays."),
    "recipient": (dict, "Expected name, npi, classes and coveredEntity."),
    "credentials": (dict, "Expected clientId and keyFile, and scope and tokenUrl as needed."),
}


def _is_number(value: Json) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _is_key(path: str) -> bool:
    try:
        read_key(path)
    except Misconfigured:
        return False
    return True


def _is_credentials(value: Json) -> bool:
    if not isinstance(value, dict) or value.keys() - {"clientId", "keyFile", "scope", "tokenUrl"}:
        return False
    is_text = all(isinstance(each, str) for each in value.values())
    return is_text and bool(value.get("clientId")) and bool(value.get("keyFile"))


def _is_recipient(value: Json) -> bool:
    if not isinstance(value, dict) or value.keys() - {"name", "npi", "classes", "coveredEntity"}:
        return False
    classes = value.get("classes", [])
    return (
        isinstance(value.get("name"), str)
        and bool(value["name"])
        and isinstance(value.get("npi", ""), str)
        and isinstance(classes, list)
        and all(isinstance(each, str) for each in classes)
        and isinstance(value.get("coveredEntity", False), bool)
    )


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _is_calendar(data: JsonObject, *, over_midnight: bool) -> bool:
    try:
        found = calendar_of(data)
    except (ValueError, TypeError):
        return False
    return over_midnight or found.opens < found.closes


def _shown(partner: Partner) -> JsonObject:
    return {
        **partner_view.to_json(partner),
        "allowHttp": partner.allow_http,
        "recipient": recipient_json(partner.recipient),
        "credentials": partner.credentials.to_json() if partner.credentials else None,
    }
