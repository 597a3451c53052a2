"""Rules of an enrollment: dates, level of care and hours, completeness.

Source: domain.md section 4.1; 42 CFR Part 2 rules are in `consents`.
"""

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.rules import hours, series
from fhirbridge.native.rules.clinical import check_diagnoses, check_goals, check_medications
from fhirbridge.native.rules.envelope import days_between
from fhirbridge.native.rules.findings import (
    Findings,
    entries,
    is_after,
    member,
    require_chronology,
    require_order,
)

STAY_DAYS = (42, 365)  # six weeks to one year
MAX_GAP_DAYS = 14
_EXPECTED = {
    "program": "the program",
    "levelOfCare": "the level of care",
    "weeklyHoursPlanned": "the planned hours per week",
    "schedule": "a schedule",
    "services": "a service",
    "diagnoses": "a diagnosis",
    "goals": "a goal",
}
# instrument -> highest score; the lowest is 0
_SCORES = {
    "AUDIT-C": 12,
    "AUDIT": 40,
    "PHQ-9": 27,
    "PHQ-2": 6,
    "GAD-7": 21,
    "DAST-10": 10,
    "C-SSRS": 6,
}


def check(document: JsonObject, findings: Findings) -> None:
    """Check an enrollment beyond its envelope."""
    for name, meaning in _EXPECTED.items():
        if name not in document:
            findings.warn((name,), f"The enrollment lacks {meaning}.", f"expected-{name}")
    _check_dates(document, findings)
    _check_status(document, findings)
    _check_transition(document, findings)
    expanded = series.expand(document, findings)
    series.check_overlap(expanded, findings)
    series.check_sessions(document, expanded, findings)
    hours.check(document, expanded, findings)
    check_diagnoses(document, findings)
    check_goals(document, findings)
    check_medications(document, (), findings)
    _check_assessments(document, findings)
    _check_team(document, findings)
    _check_coverage(document, findings)
    for index, person in entries(document, "familyInvolvement"):
        if "consentRef" not in person:
            findings.warn(
                ("familyInvolvement", index, "consentRef"),
                "Nothing may be shared with this person without a consent.",
                "family-consent",
            )


def _check_dates(document: JsonObject, findings: Findings) -> None:
    require_order(findings, document, (), first="admitDate", second="expectedEnd")
    require_order(findings, document, (), first="admitDate", second="dischargeDate")
    if "admitDate" in document and "expectedEnd" in document:
        days = days_between(document["admitDate"], document["expectedEnd"]) + 1
        if days > 0 and not STAY_DAYS[0] <= days <= STAY_DAYS[1]:
            findings.inform(
                ("expectedEnd",),
                f"The planned stay is not between {STAY_DAYS[0]} and {STAY_DAYS[1]} days.",
                "length-of-stay",
            )


def _check_status(document: JsonObject, findings: Findings) -> None:
    require_chronology(findings, document, (), name="statusHistory", refuse=True)
    history = [entry for _, entry in entries(document, "statusHistory")]
    status = document.get("status")
    if history and status and history[-1].get("status", status) != status:
        findings.warn(
            ("statusHistory",), "The last entry is not the present status.", "status-history"
        )
    discharge = member(document, "discharge")
    if "dischargeDate" in document and not discharge:
        findings.warn(
            ("discharge",), "There is a `dischargeDate` but no `discharge`.", "expected-discharge"
        )
    if discharge.get("type") == "completed" and "aftercarePlanId" not in discharge:
        findings.warn(
            ("discharge", "aftercarePlanId"),
            "A completed program should lead to an aftercare plan.",
            "expected-aftercare-plan",
        )


def _level_number(code: str | None) -> float | None:
    digits = (code or "").partition("-")[0]
    return float(digits) if digits.replace(".", "", 1).isdecimal() else None


def _check_transition(document: JsonObject, findings: Findings) -> None:
    transition = member(document, "transition")
    admitted, left = document.get("admitDate"), transition.get("priorDischargeDate")
    if admitted and left:
        path: Path = ("transition", "priorDischargeDate")
        if is_after(left, admitted):
            findings.warn(path, "The prior discharge lies after admission.", "transition-gap")
        elif days_between(left, admitted) > MAX_GAP_DAYS:
            findings.warn(
                path,
                f"More than {MAX_GAP_DAYS} days lie between discharge and admission.",
                "transition-gap",
            )
    before = _level_number(transition.get("fromLevel"))
    now = _level_number(member(document, "levelOfCare").get("code"))
    wrong = {"step-down": lambda a, b: a <= b, "step-up": lambda a, b: a >= b}.get(
        transition.get("direction", "")
    )
    if wrong is not None and before is not None and now is not None and wrong(before, now):
        findings.warn(
            ("transition", "fromLevel"),
            "The levels of care do not go in the stated direction.",
            "transition-level",
        )


def _check_assessments(document: JsonObject, findings: Findings) -> None:
    for index, assessment in entries(document, "assessments"):
        highest = _SCORES.get(assessment.get("instrument", ""))
        score = assessment.get("score")
        if highest is not None and score is not None and not 0 <= score <= highest:
            findings.warn(
                ("assessments", index, "score"),
                f"The score of this instrument lies between 0 and {highest}.",
                "score-range",
            )
    for index, dimension in entries(document, "asamDimensions"):
        for name, highest in (("dimension", 6), ("risk", 4)):
            if dimension.get(name, 0) > highest:
                findings.warn(
                    ("asamDimensions", index, name),
                    f"The number is above {highest}.",
                    f"asam-{name}",
                )


def _check_team(document: JsonObject, findings: Findings) -> None:
    primary = [entry for _, entry in entries(document, "careTeam") if entry.get("primary") is True]
    if not document.get("careTeam") and "careManager" not in document:
        findings.warn(("careTeam",), "Nobody is named as care team.", "expected-careTeam")
    elif document.get("careTeam") and len(primary) != 1:
        findings.warn(
            ("careTeam",), "The care team should have one primary counselor.", "primary-counselor"
        )


def _check_coverage(document: JsonObject, findings: Findings) -> None:
    for index, coverage in entries(document, "coverage"):
        path: Path = ("coverage", index)
        require_order(
            findings, member(coverage, "period"), (*path, "period"), first="start", second="end"
        )
        if "memberId" not in coverage:
            # us-core-15
            findings.warn((*path, "memberId"), "The member number is missing.", "member-id")
    end = document.get("expectedEnd")
    benefits = member(document, "benefitsVerification")
    last_days = _last_days(benefits, document.get("admitDate", ""))
    for index, auth in entries(benefits, "auths"):
        path = ("benefitsVerification", "auths", index)
        require_order(findings, auth, path, first="from", second="to")
        if end and last_days.get(auth.get("code", "")) == auth.get("to", "") < end:
            findings.warn(
                (*path, "to"),
                "The authorization ends before the planned stay.",
                "authorization-end",
            )
        if auth.get("unitsUsed", 0) > auth.get("unitsApproved", auth.get("unitsUsed", 0)):
            findings.warn(
                (*path, "unitsUsed"),
                "More units are used than approved.",
                "authorization-units",
            )


def _last_days(benefits: JsonObject, admitted: str) -> dict[str, str]:
    """Service code -> the day on which its last authorization ends.

    What ended before admission was for another stay.
    """
    days: dict[str, str] = {}
    for _, auth in entries(benefits, "auths"):
        last = auth.get("to", "")
        if last and admitted <= last:
            code = auth.get("code", "")
            days[code] = max(days.get(code, ""), last)
    return days
