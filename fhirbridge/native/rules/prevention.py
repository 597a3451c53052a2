"""Rules of the safety plan and the relapse prevention plan: what a complete one holds.

Source: domain.md section 4.2; the six steps of the Stanley-Brown safety plan.
"""

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.rules.findings import Findings, entries, member, require_order, texts

CRISIS_LINE = "988"
# the field of each step, in the order of the plan
STEPS = {
    "warningSigns": "warning signs",
    "internalCoping": "coping alone",
    "distractionPeople": "people and places that distract",
    "helpers": "people who help",
    "professionals": "professionals and agencies",
    "meansSafety": "safety from means",
}


def check_safety_plan(document: JsonObject, findings: Findings) -> None:
    """Name each step that an indicated safety plan lacks."""
    plan = member(document, "safetyPlan")
    path: Path = ("safetyPlan",)
    require_order(findings, plan, path, first="reviewedAt", second="nextReview")
    if plan.get("indicated") is False and "reason" in plan:
        findings.warn(
            (*path, "indicated"),
            "There is a reason for a safety plan, but it is not indicated.",
            "safety-plan-indicated",
        )
    if plan.get("indicated") is not True:
        return
    for name, meaning in STEPS.items():
        if name not in plan:
            findings.warn(
                (*path, name), f"The safety plan lacks a step: {meaning}.", "safety-plan-step"
            )
    if not any(CRISIS_LINE in line for line in texts(plan, "crisisLines")):
        findings.warn(
            (*path, "crisisLines"),
            f"The safety plan does not name {CRISIS_LINE}.",
            "safety-plan-988",
        )


def check_relapse_prevention(document: JsonObject, findings: Findings) -> None:
    """Doubt a trigger without a strategy, and a plan without a number to call."""
    if "relapsePreventionPlan" not in document:
        return
    plan = member(document, "relapsePreventionPlan")
    path: Path = ("relapsePreventionPlan",)
    answered = {
        trigger
        for _, strategy in entries(plan, "copingStrategies")
        for trigger in texts(strategy, "forTriggers")
    }
    for index, trigger in entries(plan, "triggers"):
        if trigger.get("id") not in answered:
            findings.warn(
                (*path, "triggers", index),
                "No coping strategy names this trigger.",
                "trigger-strategy",
            )
    if "triggers" not in plan:
        findings.warn((*path, "triggers"), "The plan names no trigger.", "expected-triggers")
    people = [entry for _, entry in entries(plan, "contacts")]
    people += [entry for _, entry in entries(plan, "emergencyContacts")]
    if not any("phone" in person for person in people):
        findings.warn(
            (*path, "contacts"), "The plan has no contact with a phone number.", "contact-phone"
        )
