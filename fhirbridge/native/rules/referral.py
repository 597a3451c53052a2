"""Rules of a referral: what its status needs, and the order of its responses.

Source: domain.md sections 4.3 and 4.4 (referral table, column next).
"""

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.rules import appointments
from fhirbridge.native.rules.findings import (
    Findings,
    entries,
    member,
    require_chronology,
    require_order,
)

# What may follow a state; tests hold it equal to the table of `workflow.words`.
# Source: domain.md section 4.4, column next.
REFERRAL_NEXT: dict[str, tuple[str, ...]] = {
    "draft": ("sent", "cancelled"),
    "sent": ("received", "accepted", "declined", "info-needed", "cancel-requested"),
    "received": ("accepted", "declined", "info-needed", "waitlisted", "cancel-requested"),
    "info-needed": ("received", "accepted", "declined", "cancel-requested"),
    "accepted": (
        "scheduled",
        "in-service",
        "waitlisted",
        "info-needed",
        "declined",
        "completed",
        "cancel-requested",
        "failed",
    ),
    "waitlisted": ("accepted", "scheduled", "declined", "cancel-requested"),
    "scheduled": (
        "scheduled",
        "no-show",
        "appt-cancelled",
        "in-service",
        "completed",
        "declined",
        "cancel-requested",
    ),
    "no-show": ("scheduled", "appt-cancelled", "declined", "cancel-requested"),
    "appt-cancelled": ("scheduled", "cancel-requested"),
    "in-service": (
        "in-service",
        "scheduled",
        "appt-cancelled",
        "completed",
        "declined",
        "cancel-requested",
    ),
    "cancel-requested": ("cancelled", "completed"),
    "declined": (),
    "cancelled": (),
    "completed": (),
    "failed": (),
    "entered-in-error": (),
}
_NEEDED = {"scheduled": "appointment", "completed": "outcome", "cancelled": "cancellation"}


def check(document: JsonObject, findings: Findings) -> None:
    """Check a referral beyond its envelope."""
    require_order(
        findings,
        member(document, "requestedWindow"),
        ("requestedWindow",),
        first="from",
        second="to",
    )
    if document.get("direction") == "outbound" and "consentRef" not in document:
        findings.warn(
            ("consentRef",), "Nothing can be sent without a consent.", "expected-consentRef"
        )
    needed = _NEEDED.get(document.get("status", ""))
    if needed and needed not in document:
        findings.warn(
            (needed,), f"A referral in this status should have `{needed}`.", f"expected-{needed}"
        )
    if "appointment" in document:
        appointments.check(
            member(document, "appointment"), ("appointment",), findings, minutes="duration"
        )
    require_chronology(findings, document, (), name="responses", refuse=False)
    _check_transitions(document, findings)
    recipient = member(document, "recipient")
    if recipient.get("noFhir") is True and "endpoint" in recipient:
        findings.warn(
            ("recipient", "noFhir"), "The recipient has a FHIR endpoint.", "recipient-fhir"
        )


def _check_transitions(document: JsonObject, findings: Findings) -> None:
    state = "sent"
    for index, response in entries(document, "responses"):
        action = response.get("action")
        if action is None:
            return
        if action not in REFERRAL_NEXT[state] and action != "entered-in-error":
            findings.warn(
                ("responses", index, "action"),
                "This does not follow from what was answered before.",
                "transition",
            )
        state = action
