"""Rules of an aftercare plan: continuity of care, and completeness of the plans inside it.

Source: domain.md section 4.2.
"""

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.rules import appointments, prevention
from fhirbridge.native.rules.clinical import check_goals, check_medications
from fhirbridge.native.rules.envelope import days_between
from fhirbridge.native.rules.findings import (
    Findings,
    entries,
    member,
    require_chronology,
    require_order,
)

FIRST_VISIT_DAYS = (7, 14)
PLANNING_DAYS = 14
_EXPECTED = {
    "planningStartedAt": "the day on which planning started",
    "effective": "the day on which it takes effect",
    "livingSituation": "the living situation",
    "items": "an item",
    "relapsePreventionPlan": "the relapse prevention plan",
    "goals": "a goal",
}
_OPEN = ("to-arrange", "referred")
_DONE = ("finalized", "active", "amended", "completed")


def check(document: JsonObject, findings: Findings) -> None:
    """Check an aftercare plan beyond its envelope."""
    for name, meaning in _EXPECTED.items():
        if name not in document:
            findings.warn((name,), f"The plan lacks {meaning}.", f"expected-{name}")
    _check_dates(document, findings)
    _check_items(document, findings)
    first_visit = _check_appointments(document, findings)
    _check_medications(document, first_visit, findings)
    prevention.check_safety_plan(document, findings)
    prevention.check_relapse_prevention(document, findings)
    check_goals(document, findings)
    _check_people(document, findings)
    require_chronology(findings, document, (), name="adjustments", refuse=False)
    agreement = member(document, "patientAgreement")
    if document.get("status") in _DONE and agreement.get("copyGiven") is not True:
        findings.warn(
            ("patientAgreement", "copyGiven"),
            "The patient has no copy of the finished plan.",
            "copy-given",
        )


def _check_dates(document: JsonObject, findings: Findings) -> None:
    require_order(findings, document, (), first="planningStartedAt", second="finalizedAt")
    if document.get("status") in _DONE and "finalizedAt" not in document:
        findings.warn(("finalizedAt",), "A finished plan has no date.", "expected-finalizedAt")
    started, effective = document.get("planningStartedAt"), document.get("effective")
    if started and effective and days_between(started, effective) < PLANNING_DAYS:
        findings.inform(
            ("planningStartedAt",),
            f"Planning started less than {PLANNING_DAYS} days before discharge.",
            "planning-late",
        )


def _check_items(document: JsonObject, findings: Findings) -> None:
    living = member(document, "livingSituation")
    if living.get("type") == "sober-living" and "contact" not in living:
        findings.warn(
            ("livingSituation", "contact"),
            "Sober living needs the name of the house, or 'to be arranged'.",
            "sober-living",
        )
    for index, item in entries(document, "items"):
        is_open = item.get("status") in _OPEN and "provider" in item
        if is_open and "contact" not in item and "referralId" not in item:
            findings.warn(
                ("items", index, "contact"),
                "An open item with a provider needs `contact` or `referralId`.",
                "item-contact",
            )


def _check_appointments(document: JsonObject, findings: Findings) -> str | None:
    starts: list[str] = []
    for index, appointment in entries(document, "followUpAppointments"):
        path: Path = ("followUpAppointments", index)
        appointments.check(appointment, path, findings, minutes="durationMin")
        if "startLocal" in appointment and appointment.get("status") not in appointments.CANCELLED:
            starts.append(appointment["startLocal"])
    effective = document.get("effective")
    later = [start for start in starts if not effective or start[:10] >= effective]
    first = min(later, default=None)
    path = ("followUpAppointments",)
    if "followUpAppointments" not in document and "noFollowUpReason" not in document:
        findings.warn(
            path, "No follow-up appointment and no `noFollowUpReason`.", "expected-follow-up"
        )
    elif first and effective:
        days = days_between(effective, first)
        if days > FIRST_VISIT_DAYS[1]:
            findings.warn(
                path,
                f"The first visit is more than {FIRST_VISIT_DAYS[1]} days after discharge.",
                "first-visit",
            )
        elif days > FIRST_VISIT_DAYS[0]:
            findings.inform(
                path,
                f"The first visit is more than {FIRST_VISIT_DAYS[0]} days after discharge.",
                "first-visit",
            )
    return first


def _check_medications(document: JsonObject, first_visit: str | None, findings: Findings) -> None:
    continuity = member(document, "medicationContinuity")
    path: Path = ("medicationContinuity",)
    check_medications(continuity, path, findings)
    has_mat = any(entry.get("isMat") is True for _, entry in entries(continuity, "medications"))
    if has_mat and "prescriberAfter" not in continuity:
        findings.warn(
            (*path, "prescriberAfter"),
            "Nobody is named who prescribes the treatment medication from now on.",
            "prescriber-after",
        )
    effective, supply = document.get("effective"), continuity.get("supplyDays")
    if (
        effective
        and first_visit
        and supply is not None
        and (supply < days_between(effective, first_visit))
    ):
        findings.warn(
            (*path, "supplyDays"), "The supply ends before the next visit.", "supply-days"
        )


def _check_people(document: JsonObject, findings: Findings) -> None:
    for index, person in entries(document, "familyPlan"):
        if "consentRef" not in person:
            findings.warn(
                ("familyPlan", index, "consentRef"),
                "Nothing may be shared with this person without a consent.",
                "family-consent",
            )
    if "mentor" in member(document, "alumni") and not document.get("consents"):
        findings.warn(
            ("alumni", "mentor"),
            "Nothing may be shared with the mentor without a consent.",
            "mentor-consent",
        )
