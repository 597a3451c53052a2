"""The schemas of what the document API takes and answers, beside the documents themselves."""

from collections.abc import Mapping

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import KINDS
from fhirbridge.native.json_schema import json_schema
from fhirbridge.web.native_api import SCHEMA_NAMES
from fhirbridge.web.partner_api import PROFILES
from fhirbridge.workflow.reasons import REASONS
from fhirbridge.workflow.words import DeliveryState

_TEXT: JsonObject = {"type": "string"}
_FILLED: JsonObject = {"type": "string", "minLength": 1}
_INTEGER: JsonObject = {"type": "integer"}
_YES_NO: JsonObject = {"type": "boolean"}
_INSTANT: JsonObject = {"type": "string", "format": "date-time"}
_ANY: JsonObject = {"type": "object", "additionalProperties": True}


def _maybe(schema: JsonObject) -> JsonObject:
    return {**schema, "nullable": True}


def _word(*codes: str) -> JsonObject:
    return {"type": "string", "enum": list(codes)}


def _list(item: JsonObject) -> JsonObject:
    return {"type": "array", "items": item}


def _ref(name: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str, **members: JsonObject) -> JsonObject:
    named = {"required": required.split()} if required else {}
    return {"type": "object", "properties": members, **named}


_ISSUES = _list(_ref("Issue"))
_STATE = _word(*(state.value for state in DeliveryState))
_CREDENTIALS = dict.fromkeys(("clientId", "keyFile", "scope", "tokenUrl"), _TEXT)
_PARTNER_FIELDS: Mapping[str, JsonObject] = {
    "name": {**_TEXT, "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    "url": {**_TEXT, "format": "uri"},
    "profile": _word(*PROFILES),
    "allowHttp": _YES_NO,
    "followSeconds": {"type": "number", "minimum": 0.1, "maximum": 604_800},
    "requestsPerSecond": {"type": "number", "minimum": 0, "description": "0: no limit."},
    "recipient": {
        **_maybe(
            _object(
                "name", name=_TEXT, npi=_maybe(_TEXT), classes=_list(_TEXT), coveredEntity=_YES_NO
            )
        ),
        "description": "The organization behind it, as consents name it.",
    },
    "credentials": _maybe(_object("clientId keyFile", **_CREDENTIALS)),
}
_TEXTS: JsonObject = _list(_TEXT)
_HOURS: JsonObject = _object("", days=_TEXTS, **{"from": _TEXT, "to": _TEXT}, holidays=_TEXTS)
_PARTNER_MORE: Mapping[str, JsonObject] = {
    "timezone": _TEXT,
    "window": {**_HOURS, "description": "Deliveries are sent only then."},
    "calendar": {**_HOURS, "description": "When its people work, for reminders."},
}
_DELIVERY: Mapping[str, JsonObject] = {
    "id": _INTEGER,
    "handoff": _TEXT,
    "kind": _word(*KINDS),
    "documentVersion": _INTEGER,
    "partner": _TEXT,
    "state": _STATE,
    "referral": _TEXT,
    "word": {**_TEXT, "description": "Where it stands, in words."},
    "nextStepBy": _TEXT,
    "nextStep": _TEXT,
    "tries": _INTEGER,
    "nextTryAt": _maybe(_INSTANT),
    "lastVerdict": _maybe(_TEXT),
    "lastErrorClass": _maybe(_TEXT),
    "lastStatus": _maybe(_INTEGER),
    "enqueuedAt": _maybe(_INSTANT),
    "finishedAt": _maybe(_INSTANT),
}

_OWN: Mapping[str, JsonObject] = {
    "Issue": _object(
        "severity code expression diagnostics rule",
        severity=_word("fatal", "error", "warning", "information"),
        code={**_TEXT, "description": "A code of http://hl7.org/fhir/issue-type."},
        expression={**_list(_TEXT), "description": "JSON paths or FHIRPaths."},
        diagnostics=_TEXT,
        rule=_TEXT,
    ),
    "Issues": _object("issues", issues=_ISSUES),
    "Receipt": _object(
        "outcome sourceSystem recordId version location patient written withdrawn issues",
        outcome=_word("created", "updated", "unchanged"),
        sourceSystem=_TEXT,
        recordId=_TEXT,
        version=_INTEGER,
        location=_TEXT,
        patient={**_TEXT, "description": "Reference of the Patient."},
        written={**_list(_TEXT), "description": "Resources with a new version, as Type/id."},
        withdrawn={**_list(_TEXT), "description": "Resources of items that are gone."},
        issues=_ISSUES,
    ),
    "DocumentPage": _object(
        "documents next",
        documents=_list(
            _object(
                "sourceSystem recordId version updatedAt receivedAt location",
                sourceSystem=_TEXT,
                recordId=_TEXT,
                version=_INTEGER,
                updatedAt=_INSTANT,
                receivedAt=_INSTANT,
                location=_TEXT,
            )
        ),
        next={**_maybe(_TEXT), "description": "Address of the next page; null on the last."},
    ),
    "Preview": _object(
        "outcome changes issues bundle mapping",
        outcome=_word("created", "updated", "unchanged", "conflict"),
        changes=_list(
            _object(
                "action resource elements",
                action=_word("create", "update", "withdraw"),
                resource=_TEXT,
                elements={**_list(_TEXT), "description": "FHIRPaths that would change."},
            )
        ),
        issues=_ISSUES,
        bundle={**_ANY, "description": "A FHIR R4 transaction Bundle."},
        mapping={**_ANY, "description": "Name, version and hash of the mapping pack."},
        lineage={**_list(_ANY), "description": "With explain: where each element came from."},
    ),
    "HandoffRequest": _object(
        "partner",
        partner=_TEXT,
        kind=_word(*KINDS),
        **dict.fromkeys(("recordId", "source", "purpose"), _TEXT),
        document={"oneOf": [_ref(name) for name in SCHEMA_NAMES.values()]},
        withPast={**_YES_NO, "description": "Send the sessions that are over too."},
    ),
    "HandoffReceipt": _object(
        "handoff delivery state new replaced location issues",
        handoff=_TEXT,
        delivery=_INTEGER,
        state=_STATE,
        new=_YES_NO,
        replaced={**_INTEGER, "description": "Unsent older versions that this one replaces."},
        location=_TEXT,
        issues=_ISSUES,
    ),
    "SendPlan": {**_ANY, "description": "Way, requests, entries, and what is lost on this way."},
    "Delivery": _object(" ".join(_DELIVERY), **_DELIVERY),
    "HandoffList": _object("handoffs", handoffs=_list(_ref("Delivery"))),
    "Handoff": {
        "allOf": [
            _ref("Delivery"),
            _object(
                "task taskVersion order events locations policy attempts",
                task=_maybe(_TEXT),
                taskVersion=_maybe(_TEXT),
                order=_maybe(_TEXT),
                events=_list(_ANY),
                locations=_ANY,
                policy=_ANY,
                attempts=_list(_ANY),
            ),
        ]
    },
    "PartnerRequest": _object("name url", **_PARTNER_FIELDS, **_PARTNER_MORE, headers=_ANY),
    "Partner": _object(
        "name url profile allowHttp followSeconds transaction batch types",
        **_PARTNER_FIELDS,
        **_PARTNER_MORE,
        probe=_ANY,
        capabilityAt=_maybe(_INSTANT),
        software=_TEXT,
        fhirVersion=_TEXT,
        transaction=_YES_NO,
        batch=_YES_NO,
        types=_list(_TEXT),
        unreachable=_maybe(_TEXT),
    ),
    "PartnerList": _object("partners", partners=_list(_ref("Partner"))),
}


_CASE: Mapping[str, JsonObject] = {
    "id": _TEXT,
    "direction": _word("outbound", "inbound"),
    "kind": _TEXT,
    "partner": _maybe(_TEXT),
    "state": _TEXT,
    "word": _TEXT,
    "nextStepBy": _TEXT,
    "nextStep": _TEXT,
    "priority": _TEXT,
    "done": _YES_NO,
    "task": _maybe(_TEXT),
    "order": _maybe(_TEXT),
    "updatedAt": _INSTANT,
}
_CASES: Mapping[str, JsonObject] = {
    "Nothing": _ANY,
    "CaseList": _object("cases", cases=_list(_object(" ".join(_CASE), **_CASE))),
    "Case": _object(
        " ".join(_CASE),
        **_CASE,
        events=_list(_ANY),
        visits=_ANY,
        closedFor=_maybe(_TEXT),
        lastVisit=_maybe(_TEXT),
        firstVisit=_maybe(_TEXT),
        daysBetween={**_maybe(_INTEGER), "description": "From the last visit to the first after."},
        mayBecome=_list(_TEXT),
        alerts=_list(_ANY),
        setAside=_list(_ANY),
    ),
    "InboundDocument": _object("document issues", document=_ANY, issues=_ISSUES),
    "AnswerRequest": _object(
        "",
        reason=_word(*REASONS),
        text=_TEXT,
        start=_INSTANT,
        end=_INSTANT,
        by=_TEXT,
        heard=_word("phone", "fax", "paper", "in-person"),
    ),
    "Answered": _object(
        "handoff state task",
        handoff=_TEXT,
        state=_TEXT,
        task=_TEXT,
        appointment=_maybe(_TEXT),
    ),
    "VisitRequest": _object("at", at=_INSTANT, by=_TEXT),
    "CloseRequest": _object("reason", reason=_FILLED, by=_TEXT),
    "RetryRequest": _object("", anyway=_YES_NO, found=_TEXT, giveUp=_TEXT, by=_TEXT),
    "AlertList": _object("alerts", alerts=_list(_ANY)),
    "SetAsideList": _object("setAside", setAside=_list(_ANY)),
    "SettleRequest": _object("by", by=_FILLED),
}
_REASON = _object(
    "code text change",
    code=_TEXT,
    text=_TEXT,
    change={**_TEXT, "description": "What would change it."},
    consent=_TEXT,
    provision=_TEXT,
    detail=_TEXT,
)
_CONSENTS: Mapping[str, JsonObject] = {
    "Explanation": _object(
        "patient recipient purpose at permitted decisions missingElements",
        patient=_TEXT,
        recipient=_TEXT,
        purpose=_TEXT,
        at=_INSTANT,
        permitted=_YES_NO,
        decisions=_list(
            _object(
                "information decision reasons",
                information=_TEXT,
                decision=_word("permit", "withhold"),
                reasons=_list(_REASON),
            )
        ),
        missingElements={**_ANY, "description": "Codes of written elements, by consent."},
    ),
    "RevocationRequest": _object("by", by=_FILLED),
    "Revocation": _object(
        "consent effectiveAt inFlight stillInFlight waiting holders",
        consent=_TEXT,
        effectiveAt=_maybe(_INSTANT),
        inFlight=_list(_INTEGER),
        stillInFlight=_list(_INTEGER),
        waiting=_list(_INTEGER),
        holders=_list(_ANY),
    ),
    "DisclosureList": _object("disclosures", disclosures=_list(_ANY)),
}


def schemas() -> dict[str, JsonObject]:
    """All schemas by name."""
    return {
        **{SCHEMA_NAMES[kind]: json_schema(kind) for kind in KINDS},
        **_OWN,
        **_CASES,
        **_CONSENTS,
    }
