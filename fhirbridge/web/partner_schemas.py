"""The schemas of partners in the document API."""

from collections.abc import Mapping

from fhirbridge.jsontypes import JsonObject
from fhirbridge.web.partner_api import PROFILES
from fhirbridge.web.schema_parts import (
    ANY,
    INSTANT,
    INTEGER,
    TEXT,
    YES_NO,
    an_object,
    listed,
    maybe,
    ref,
    word,
)

_CREDENTIALS = dict.fromkeys(("clientId", "keyFile", "scope", "tokenUrl"), TEXT)
_PARTNER_FIELDS: Mapping[str, JsonObject] = {
    "name": {**TEXT, "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "url": {**TEXT, "format": "uri"},
    "profile": word(*PROFILES),
    "allowHttp": YES_NO,
    "followSeconds": {"type": "number", "minimum": 0.1, "maximum": 604_800},
    "requestsPerSecond": {
        "type": "number",
        "minimum": 0,
        "maximum": 1000,
        "description": "0: no limit.",
    },
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 600},
    "maxAgeHours": {"type": "number", "minimum": 0.1, "maximum": 720},
    "recipient": {
        **maybe(
            an_object(
                "name", name=TEXT, npi=maybe(TEXT), classes=listed(TEXT), coveredEntity=YES_NO
            )
        ),
        "description": "The organization behind it, as consents name it.",
    },
    "credentials": maybe(an_object("clientId keyFile", **_CREDENTIALS)),
}
_TEXTS: JsonObject = listed(TEXT)
_HOURS: JsonObject = an_object("", days=_TEXTS, **{"from": TEXT, "to": TEXT}, holidays=_TEXTS)
_PARTNER_MORE: Mapping[str, JsonObject] = {
    "timezone": TEXT,
    "window": {**_HOURS, "description": "Deliveries are sent only then."},
    "calendar": {**_HOURS, "description": "When its people work, for reminders."},
}
PARTNERS: Mapping[str, JsonObject] = {
    "PartnerRequest": an_object("name url", **_PARTNER_FIELDS, **_PARTNER_MORE, headers=ANY),
    "Partner": an_object(
        "name url profile allowHttp followSeconds transaction batch types",
        **_PARTNER_FIELDS,
        **_PARTNER_MORE,
        probe=ANY,
        subscription={**ANY, "description": "Where it notifies us, until when; null if not."},
        capabilityAt=maybe(INSTANT),
        software=TEXT,
        fhirVersion=TEXT,
        transaction=YES_NO,
        batch=YES_NO,
        types=listed(TEXT),
        unreachable=maybe(TEXT),
    ),
    "SubscribeRequest": an_object("", payload=YES_NO, days=INTEGER, url=TEXT),
    "Unsubscribed": an_object("leftBehind", leftBehind=listed(TEXT)),
    "PartnerList": an_object("partners", partners=listed(ref("Partner"))),
}
