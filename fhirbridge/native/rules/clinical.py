"""Rules of what enrollments and aftercare plans share: diagnoses, goals, medications.

Source: domain.md sections 4.1 and 4.2.
"""

import re

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.rules.findings import Findings, entries, member

_SUBSTANCE_USE = re.compile(r"F1[0-9]")
_MENTAL = re.compile(r"F[2-9][0-9]")
# DSM-5 also knows "in a controlled environment" and "on maintenance therapy" without remission
_REMISSION = ("early", "sustained", "partial", "full")
_IN_REMISSION = re.compile(r"F1[0-9]\.[129]1")


def check_diagnoses(document: JsonObject, findings: Findings) -> None:
    """Doubt diagnoses that do not fit a substance use program, its track, or each other."""
    codes = [entry.get("code", "") for _, entry in entries(document, "diagnoses")]
    if codes and not any(_SUBSTANCE_USE.match(code) for code in codes):
        findings.warn(
            ("diagnoses",), "None is a substance use disorder (F10 to F19).", "diagnosis-sud"
        )
    for index, diagnosis in entries(document, "diagnoses"):
        in_remission = bool(_IN_REMISSION.match(diagnosis.get("code", "")))
        if in_remission != (diagnosis.get("remission") in _REMISSION) and "code" in diagnosis:
            findings.inform(
                ("diagnoses", index, "remission"),
                "The code and `remission` do not say the same about remission.",
                "diagnosis-remission",
            )
    track = member(document, "program").get("track")
    for index, diagnosis in entries(document, "coOccurring"):
        if _MENTAL.match(diagnosis.get("code", "")) and track not in ("co-occurring", None):
            findings.inform(
                ("coOccurring", index, "code"),
                "A mental disorder beside substance use; the track is not `co-occurring`.",
                "track-co-occurring",
            )


def check_goals(document: JsonObject, findings: Findings) -> None:
    """Refuse a due date before the start; doubt what goal and milestones say about success."""
    for index, goal in entries(document, "goals"):
        path: Path = ("goals", index)
        started, due = goal.get("startedAt"), member(goal, "target").get("due")
        if started and due and due < started:
            findings.error((*path, "target", "due"), "`due` lies before `startedAt`.", "date-order")
        if goal.get("status") == "achieved" and goal.get("achievement", "achieved") not in (
            "achieved",
            "sustaining",
        ):
            findings.warn(
                (*path, "achievement"), "The goal's status says achieved.", "goal-achievement"
            )


def check_medications(parent: JsonObject, path: Path, findings: Findings) -> None:
    """Doubt an active medication without a dose, and a treatment medication without its kind."""
    for index, medication in entries(parent, "medications"):
        place: Path = (*path, "medications", index)
        if medication.get("status") == "active" and "dose" not in medication:
            findings.warn((*place, "dose"), "An active medication has no dose.", "dose")
        if medication.get("isMat") is True and "kind" not in medication:
            findings.warn(
                (*place, "kind"), "Medication for addiction treatment has no kind.", "mat-kind"
            )
