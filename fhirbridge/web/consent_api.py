"""Consents and disclosures: explain a decision, revoke, account for what was disclosed.

Source: design.md section 9; 42 CFR 2.25
"""

from collections.abc import Iterator
from functools import partial

from fhirbridge.bridge import Bridge
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.handoffs import consenting, partners
from fhirbridge.operations import audits, consents, explanations
from fhirbridge.web.operations import Answer, Asked, Operation, Parameter

_TAG = "consents"


def operations(bridge: Bridge) -> Iterator[Operation]:
    """The operations of consents and of the audit."""
    yield Operation(
        "GET",
        "/consents/$explain",
        _TAG,
        "What may be disclosed, why the rest may not, and what would change that.",
        partial(_explain, bridge),
        {200: "Explanation", 400: "Issues", 404: "Issues"},
        parameters=(
            Parameter("patient", "The patient's id, or Patient/id."),
            Parameter("to", "A registered partner, or else:"),
            Parameter("recipient", "The name of an organization."),
            Parameter("class", "Classes that it belongs to, separated by commas: TREATER, PAYOR."),
            Parameter("purpose", "A code of v3-ActReason.", default="TREAT"),
            Parameter("at", "When; now if not given.", "date-time"),
            Parameter("reason", "Of an emergency: its nature."),
            Parameter("actor", "Of an emergency: who asks, with affiliation."),
            Parameter("resource", "Only about this one of theirs, Type/id."),
        ),
    )
    yield Operation(
        "POST",
        "/consents/{consentId}/$revoke",
        _TAG,
        "Stop what a consent permits; say since when, and who was told before.",
        partial(_revoke, bridge),
        {200: "Revocation", 400: "Issues", 404: "Issues"},
        "Deliveries on the wire are waited for; while one is left, effectiveAt is null.",
        body="RevocationRequest",
    )
    yield Operation(
        "GET",
        "/patients/{patientId}/accounting",
        _TAG,
        "The disclosures about a patient in the last three years, the newest first.",
        partial(_accounting, bridge),
        {200: "DisclosureList", 400: "Issues"},
        parameters=(
            Parameter("since", "Not older than this.", "date-time"),
            Parameter(
                "designated", "Only to recipients that consents name as a class.", "boolean", False
            ),
        ),
    )
    yield Operation(
        "GET",
        "/disclosures/$emergencies",
        _TAG,
        "Emergency access that nobody has reviewed yet.",
        partial(_emergencies, bridge),
        {200: "DisclosureList"},
    )
    yield Operation(
        "POST",
        "/disclosures/{number}/$review",
        _TAG,
        "Note that a person has looked at an emergency access.",
        partial(_review, bridge),
        {200: "DisclosureList", 400: "Issues", 404: "Issues", 409: "Issues"},
        "The answer has what is left to review.",
        body="ReviewRequest",
    )
    yield Operation(
        "GET",
        "/disclosures/$breach",
        _TAG,
        "Every disclosure that a breach may concern, with its patients, the newest first.",
        partial(_breach, bridge),
        {200: "DisclosureList", 400: "Issues"},
        parameters=(
            Parameter("since", "Not before this; it is required.", "date-time"),
            Parameter("until", "Not after this; now if not given.", "date-time"),
            Parameter("recipient", "Only to this organization or client."),
        ),
    )


def _explain(bridge: Bridge, asked: Asked) -> Answer:
    query = asked.query
    if not query["patient"] or bool(query["to"]) == bool(query["recipient"]):
        text = "Name a patient, and a partner (to) or an organization (recipient)."
        raise InvalidContent(Issue("required", text))
    if query["to"]:
        with bridge.database.read() as session:
            partner = partners.load(session, bridge, query["to"])
        recipient = consenting.gate_to(bridge, partner).recipient
    else:
        classes = tuple(each for each in (query["class"] or "").split(",") if each)
        recipient = Recipient(query["recipient"], classes=classes)
    caller = Caller(
        client_id="consents/$explain",
        recipient=recipient,
        purpose=query["purpose"],
        reason=query["reason"] or "",
        actor=query["actor"] or "",
    )
    found = explanations.explain(
        bridge, query["patient"], caller, at=query["at"], resource=query["resource"] or ""
    )
    return Answer(200, explanations.explanation_json(found))


def _revoke(bridge: Bridge, asked: Asked) -> Answer:
    by = asked.body.get("by")
    if not isinstance(by, str) or not by:
        raise InvalidContent(Issue("required", "Expected a text.", expression=("$.by",)))
    found = consents.revoke(bridge, asked.path["consentId"], by=by, wait_seconds=10.0)
    return Answer(200, consents.revocation_json(found))


def _accounting(bridge: Bridge, asked: Asked) -> Answer:
    query = asked.query
    found = audits.accounting(
        bridge, asked.path["patientId"], since=query["since"], designated=query["designated"]
    )
    return Answer(200, {"disclosures": [each.to_json() for each in found]})


def _emergencies(bridge: Bridge, asked: Asked) -> Answer:
    return Answer(200, {"disclosures": [each.to_json() for each in audits.unreviewed(bridge)]})


def _review(bridge: Bridge, asked: Asked) -> Answer:
    by, outcome = (str(asked.body.get(name) or "") for name in ("by", "outcome"))
    number = asked.path["number"]
    if not by or not outcome:
        text = "Say who has looked (by), and what was found (outcome)."
        raise InvalidContent(Issue("required", text))
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    audits.review(bridge, int(number) if is_number else 0, by=by, outcome=outcome)
    return _emergencies(bridge, asked)


def _breach(bridge: Bridge, asked: Asked) -> Answer:
    query = asked.query
    if query["since"] is None:
        raise InvalidContent(Issue("required", "Say since when (since)."))
    found = audits.breach(
        bridge, since=query["since"], until=query["until"], recipient=query["recipient"] or ""
    )
    return Answer(200, {"disclosures": [each.to_json() for each in found]})
