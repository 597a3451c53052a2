"""The schemas of what the document API takes and answers, beside the documents themselves."""

from collections.abc import Mapping

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.documents import KINDS
from fhirbridge.native.json_schema import json_schema
from fhirbridge.web.native_api import SCHEMA_NAMES
from fhirbridge.web.partner_schemas import PARTNERS
from fhirbridge.web.schema_parts import (
    ANY,
    FILLED,
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
from fhirbridge.workflow.reasons import REASONS
from fhirbridge.workflow.words import DeliveryState

_ISSUES = listed(ref("Issue"))
_STATE = word(*(state.value for state in DeliveryState))
_DELIVERY: Mapping[str, JsonObject] = {
    "id": INTEGER,
    "handoff": TEXT,
    "kind": word(*KINDS),
    "documentVersion": INTEGER,
    "partner": TEXT,
    "state": _STATE,
    "referral": TEXT,
    "word": {**TEXT, "description": "Where it stands, in words."},
    "nextStepBy": TEXT,
    "nextStep": TEXT,
    "tries": INTEGER,
    "nextTryAt": maybe(INSTANT),
    "lastVerdict": maybe(TEXT),
    "lastErrorClass": maybe(TEXT),
    "lastStatus": maybe(INTEGER),
    "enqueuedAt": maybe(INSTANT),
    "finishedAt": maybe(INSTANT),
}

_OWN: Mapping[str, JsonObject] = {
    "Issue": an_object(
        "severity code expression diagnostics rule",
        severity=word("fatal", "error", "warning", "information"),
        code={**TEXT, "description": "A code of http://hl7.org/fhir/issue-type."},
        expression={**listed(TEXT), "description": "JSON paths or FHIRPaths."},
        diagnostics=TEXT,
        rule=TEXT,
    ),
    "Issues": an_object("issues", issues=_ISSUES),
    "Receipt": an_object(
        "outcome sourceSystem recordId version location patient written withdrawn issues",
        outcome=word("created", "updated", "unchanged"),
        sourceSystem=TEXT,
        recordId=TEXT,
        version=INTEGER,
        location=TEXT,
        patient={**TEXT, "description": "Reference of the Patient."},
        written={**listed(TEXT), "description": "Resources with a new version, as Type/id."},
        withdrawn={**listed(TEXT), "description": "Resources of items that are gone."},
        issues=_ISSUES,
    ),
    "DocumentPage": an_object(
        "documents next",
        documents=listed(
            an_object(
                "sourceSystem recordId version updatedAt receivedAt location",
                sourceSystem=TEXT,
                recordId=TEXT,
                version=INTEGER,
                updatedAt=INSTANT,
                receivedAt=INSTANT,
                location=TEXT,
            )
        ),
        next={**maybe(TEXT), "description": "Address of the next page; null on the last."},
    ),
    "Preview": an_object(
        "outcome changes issues bundle mapping",
        outcome=word("created", "updated", "unchanged", "conflict"),
        changes=listed(
            an_object(
                "action resource elements",
                action=word("create", "update", "withdraw"),
                resource=TEXT,
                elements={**listed(TEXT), "description": "FHIRPaths that would change."},
            )
        ),
        issues=_ISSUES,
        bundle={**ANY, "description": "A FHIR R4 transaction Bundle."},
        mapping={**ANY, "description": "Name, version and hash of the mapping pack."},
        lineage={**listed(ANY), "description": "With explain: where each element came from."},
    ),
    "HandoffRequest": an_object(
        "partner",
        partner=TEXT,
        kind=word(*KINDS),
        **dict.fromkeys(("recordId", "source", "purpose"), TEXT),
        document={"oneOf": [ref(name) for name in SCHEMA_NAMES.values()]},
        withPast={**YES_NO, "description": "Send the sessions that are over too."},
        again={**YES_NO, "description": "Ask anew who declined or ended it."},
    ),
    "HandoffReceipt": an_object(
        "handoff delivery state new replaced location issues",
        handoff=TEXT,
        delivery=INTEGER,
        state=_STATE,
        new=YES_NO,
        replaced={**INTEGER, "description": "Unsent older versions that this one replaces."},
        location=TEXT,
        issues=_ISSUES,
    ),
    "SendPlan": {**ANY, "description": "Way, requests, entries, and what is lost on this way."},
    "Delivery": an_object(" ".join(_DELIVERY), **_DELIVERY),
    "HandoffList": an_object("handoffs", handoffs=listed(ref("Delivery"))),
    "Handoff": {
        "allOf": [
            ref("Delivery"),
            an_object(
                "task taskVersion order events locations policy attempts",
                task=maybe(TEXT),
                taskVersion=maybe(TEXT),
                order=maybe(TEXT),
                events=listed(ANY),
                locations=ANY,
                policy=ANY,
                attempts=listed(ANY),
            ),
        ]
    },
}


_CASE: Mapping[str, JsonObject] = {
    "id": TEXT,
    "direction": word("outbound", "inbound"),
    "kind": TEXT,
    "partner": maybe(TEXT),
    "askedBy": {**maybe(TEXT), "description": "The organization whose client sent it to us."},
    "state": TEXT,
    "word": TEXT,
    "nextStepBy": TEXT,
    "nextStep": TEXT,
    "priority": TEXT,
    "done": YES_NO,
    "task": maybe(TEXT),
    "order": maybe(TEXT),
    "updatedAt": INSTANT,
}
_CASES: Mapping[str, JsonObject] = {
    "Nothing": ANY,
    "CaseList": an_object("cases", cases=listed(an_object(" ".join(_CASE), **_CASE))),
    "Case": an_object(
        " ".join(_CASE),
        **_CASE,
        events=listed(ANY),
        visits=ANY,
        closedFor=maybe(TEXT),
        lastVisit=maybe(TEXT),
        firstVisit=maybe(TEXT),
        daysBetween={**maybe(INTEGER), "description": "From the last visit to the first after."},
        mayBecome=listed(TEXT),
        alerts=listed(ANY),
        setAside=listed(ANY),
    ),
    "InboundDocument": an_object("document issues", document=ANY, issues=_ISSUES),
    "AnswerRequest": an_object(
        "",
        reason=word(*REASONS),
        text=TEXT,
        start=INSTANT,
        end=INSTANT,
        by=TEXT,
        heard=word("phone", "fax", "paper", "in-person"),
    ),
    "Answered": an_object(
        "handoff state task",
        handoff=TEXT,
        state=TEXT,
        task=TEXT,
        appointment=maybe(TEXT),
    ),
    "VisitRequest": an_object("at", at=INSTANT, by=TEXT),
    "CloseRequest": an_object("reason", reason=FILLED, by=TEXT),
    "RetryRequest": an_object("", anyway=YES_NO, found=TEXT, giveUp=TEXT, by=TEXT),
    "AlertList": an_object("alerts", alerts=listed(ANY)),
    "SetAsideList": an_object("setAside", setAside=listed(ANY)),
    "SetAside": {**ANY, "description": "Who said it, why it was set aside, and its text."},
    "SettleRequest": an_object("by", by=FILLED),
    "ReleaseRequest": an_object("by", by=FILLED, handoff=TEXT),
}
_REASON = an_object(
    "code text change",
    code=TEXT,
    text=TEXT,
    change={**TEXT, "description": "What would change it."},
    consent=TEXT,
    provision=TEXT,
    detail=TEXT,
)
_CONSENTS: Mapping[str, JsonObject] = {
    "Explanation": an_object(
        "patient recipient purpose at permitted decisions missingElements byResource resource",
        patient=TEXT,
        recipient=TEXT,
        purpose=TEXT,
        at=INSTANT,
        permitted=YES_NO,
        decisions=listed(
            an_object(
                "information decision reasons",
                information=TEXT,
                decision=word("permit", "withhold"),
                reasons=listed(_REASON),
            )
        ),
        missingElements={**ANY, "description": "Codes of written elements, by consent."},
        byResource=YES_NO,
        resource=maybe(
            an_object(
                "reference information leaves without",
                reference=TEXT,
                information=TEXT,
                leaves=YES_NO,
                without=listed(TEXT),
            )
        ),
    ),
    "ReviewRequest": an_object("by outcome", by=FILLED, outcome=FILLED),
    "RevocationRequest": an_object("by", by=FILLED),
    "Revocation": an_object(
        "consent effectiveAt inFlight stillInFlight waiting holders",
        consent=TEXT,
        effectiveAt=maybe(INSTANT),
        inFlight=listed(INTEGER),
        stillInFlight=listed(INTEGER),
        waiting=listed(INTEGER),
        holders=listed(ANY),
    ),
    "DisclosureList": an_object("disclosures", disclosures=listed(ANY)),
}


def schemas() -> dict[str, JsonObject]:
    """All schemas by name."""
    return {
        **{SCHEMA_NAMES[kind]: json_schema(kind) for kind in KINDS},
        **_OWN,
        **PARTNERS,
        **_CASES,
        **_CONSENTS,
    }
