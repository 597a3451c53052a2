"""Rules across fields: each finding appears where it should, and nowhere else."""

# ruff: noqa: E501 - a table row is a line

import copy
from typing import Any

import pytest

from fhirbridge.native import documents
from fhirbridge.native.forms import has_npi_check_digit
from fhirbridge.native.rules import referral as referral_rules
from fhirbridge.workflow.words import REFERRAL
from tests.unit.native.test_documents import FIXTURES, findings, read

MOTHER = {
    kind: read(FIXTURES / kind / "mother-of-two") for kind in ("enrollment", "aftercare-plan")
}
MOTHER["referral"] = read(FIXTURES / "referral" / "scheduled")


def put(data: Any, path: str, value: Any) -> None:
    *steps, last = path.split(".")
    for step in steps:
        data = data[int(step)] if step.isdecimal() else data.setdefault(step, {})
    if value is None:
        del data[int(last) if last.isdecimal() else last]
    else:
        data[int(last) if last.isdecimal() else last] = value


def changed(kind: documents.Kind, changes: dict[str, Any]) -> dict[tuple[str, str], str]:
    """The findings that the changes to a sound document bring."""
    data = copy.deepcopy(MOTHER[kind])
    before = findings(kind, data)
    for path, value in changes.items():
        put(data, path, value)
    return {key: severity for key, severity in findings(kind, data).items() if key not in before}


MINOR = {"patient.birthDate": "2010-01-01"}
ONE_SESSION = {"scheduleId": "group", "occurrenceDate": "2026-02-16"}


@pytest.mark.parametrize(
    ("changes", "path", "rule", "severity"),
    [
        ({"patient.birthDate": "2020-01-01"}, "patient.birthDate", "age", "warning"),
        ({"facility.npi": "1234567894"}, "facility.npi", "npi", "error"),
        ({"patient.address.state": "Illinois"}, "patient.address.state", "usps-state", "warning"),
        ({"patient.address.postalCode": "6270"}, "patient.address.postalCode", "postal-code", "warning"),
        ({"patient.email": "none"}, "patient.email", "email-form", "warning"),
        ({"patient.language": "english (US)"}, "patient.language", "language-form", "warning"),
        ({"staff": None, "authors": None, "careManager": None, "careTeam": None}, "authors", "expected-authors", "error"),
        ({"facility.accreditations": [{"body": "carf", "validTo": "2025-01-01"}]}, "facility.accreditations[0].validTo", "accreditation", "warning"),
        ({"consents.0.signer": None}, "consents[0].signer", "consent-signer", "warning"),
        ({"consents.1.expiresEvent": None}, "consents[1].expires", "consent-expires", "warning"),
        ({"consents.0.statements.lossOfProtection": False}, "consents[0].statements.lossOfProtection", "consent-lossOfProtection", "warning"),
        ({"consents.0.revokedAt": "2026-03-01T00:00:00Z"}, "consents[0].status", "consent-revoked", "warning"),
        ({"consents.0.expires": "2026-03-01"}, "consents[0].expires", "consent-expired", "warning"),
        ({"consents.0.purpose": ["HLEGAL", "TREAT"]}, "consents[0].purpose", "consent-combined", "warning"),
        ({"consents.0.signedAt": "2027-01-01T00:00:00Z", "consents.0.expires": "2026-12-31"}, "consents[0].expires", "date-order", "error"),
        ({"sudCounselingNotesRef": "vault:1"}, "sudCounselingNotesRef", "consent-counseling-notes", "information"),
        ({"weeklyHoursPlanned": 8}, "weeklyHoursPlanned", "weekly-hours-low", "warning"),
        ({"weeklyHoursPlanned": 20}, "weeklyHoursPlanned", "weekly-hours-border", "information"),
        ({"weeklyHoursPlanned": 20.5}, "weeklyHoursPlanned", "weekly-hours-high", "warning"),
        ({"weeklyHoursPlanned": 12}, "weeklyHoursPlanned", "weekly-hours-schedule", "warning"),
        ({**MINOR, "weeklyHoursPlanned": 5.9}, "weeklyHoursPlanned", "weekly-hours-low", "warning"),
        ({"daysPerWeek": 7}, "daysPerWeek", "usual-daysPerWeek", "information"),
        ({"schedule.0.endLocal": "11:30"}, "benefitsVerification.auths[0].code", "h0015", "warning"),
        ({"benefitsVerification.auths.0.to": "2026-03-01"}, "benefitsVerification.auths[0].to", "authorization-end", "warning"),
        ({"benefitsVerification.auths.0.unitsUsed": 30}, "benefitsVerification.auths[0].unitsUsed", "authorization-units", "warning"),
        ({"coverage.0.memberId": None}, "coverage[0].memberId", "member-id", "warning"),
        ({"expectedEnd": "2027-06-01"}, "expectedEnd", "length-of-stay", "information"),
        ({"status": "completed"}, "statusHistory", "status-history", "warning"),
        ({"dischargeDate": "2026-03-27"}, "discharge", "expected-discharge", "warning"),
        ({"discharge": {"type": "completed"}}, "discharge.aftercarePlanId", "expected-aftercare-plan", "warning"),
        ({"transition": {"direction": "step-down", "fromLevel": "1"}}, "transition.fromLevel", "transition-level", "warning"),
        ({"transition": {"direction": "step-up", "fromLevel": "3.5"}}, "transition.fromLevel", "transition-level", "warning"),
        ({"transition": {"direction": "direct", "priorDischargeDate": "2026-02-01"}}, "transition.priorDischargeDate", "transition-gap", "warning"),
        ({"assessments.0.score": 13}, "assessments[0].score", "score-range", "warning"),
        ({"asamDimensions.0.risk": 5}, "asamDimensions[0].risk", "asam-risk", "warning"),
        ({"careTeam.0.primary": None}, "careTeam", "primary-counselor", "warning"),
        ({"diagnoses.0.code": "F33.1"}, "diagnoses", "diagnosis-sud", "warning"),
        ({"diagnoses.0.code": "F10.21"}, "diagnoses[0].remission", "diagnosis-remission", "information"),
        ({"diagnoses.0.code": "1020"}, "diagnoses[0].code", "icd10cm-form", "warning"),
        ({"goals.0.target": {"due": "2026-01-01"}}, "goals[0].target.due", "date-order", "error"),
        ({"goals.0.status": "achieved", "goals.0.achievement": "worsening"}, "goals[0].achievement", "goal-achievement", "warning"),
        ({"medications.0.dose": None}, "medications[0].dose", "dose", "warning"),
        ({"medications.0.kind": None}, "medications[0].kind", "mat-kind", "warning"),
        ({"medications.0.rxnorm": "naltrexone"}, "medications[0].rxnorm", "rxnorm-form", "warning"),
        ({"familyInvolvement.0.consentRef": None}, "familyInvolvement[0].consentRef", "family-consent", "warning"),
        ({"program.track": "evening"}, "program.track", "unknown-code", "warning"),
        ({"schedule.1.startLocal": "11:30", "schedule.1.endLocal": "12:30", "schedule.1.rrule": "FREQ=WEEKLY;BYDAY=MO"}, "schedule[1]", "session-overlap", "warning"),
        ({"schedule.0.telehealth": {"phone": "988"}}, "schedule[0].telehealth", "session-place", "warning"),
        ({"schedule.0.rrule": "FREQ=DAILY", "schedule.0.startLocal": "02:30", "schedule.0.count": 30, "sessions": None}, "schedule[0].startLocal", "clock-change", "warning"),
        ({"sessions": [{**ONE_SESSION, "status": "attended", "actualStart": "2026-02-16T15:16:00Z"}]}, "sessions[0].actualStart", "late", "information"),
        ({"sessions": [{**ONE_SESSION, "occurrenceDate": day, "status": "absent-unexcused"} for day in ("2026-02-16", "2026-02-18")]}, "sessions", "engagement", "information"),
        ({"services": None}, "services", "expected-services", "warning"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_enrollment_rule(changes: Any, path: str, rule: str, severity: str) -> None:
    assert changed("enrollment", changes).get((f"$.{path}", rule)) == severity


@pytest.mark.parametrize(
    ("changes", "path", "rule", "severity"),
    [
        ({"planningStartedAt": "2026-03-20"}, "planningStartedAt", "planning-late", "information"),
        ({"finalizedAt": None}, "finalizedAt", "expected-finalizedAt", "warning"),
        ({"finalizedAt": "2026-02-01"}, "finalizedAt", "date-order", "error"),
        ({"livingSituation": {"type": "sober-living"}}, "livingSituation.contact", "sober-living", "warning"),
        ({"items.3.status": "referred", "items.3.contact": None, "items.3.referralId": None}, "items[3].contact", "item-contact", "warning"),
        ({"followUpAppointments": None}, "followUpAppointments", "expected-follow-up", "warning"),
        ({"effective": "2026-03-20"}, "followUpAppointments", "first-visit", "information"),
        ({"effective": "2026-03-05"}, "followUpAppointments", "first-visit", "warning"),
        ({"followUpAppointments.1.address": {"city": "Peoria"}}, "followUpAppointments[1].telehealth", "appointment-place", "warning"),
        ({"followUpAppointments.0.startLocal": None}, "followUpAppointments[0].startLocal", "appointment-start", "error"),
        ({"medicationContinuity.prescriberAfter": None}, "medicationContinuity.prescriberAfter", "prescriber-after", "warning"),
        ({"medicationContinuity.supplyDays": 1}, "medicationContinuity.supplyDays", "supply-days", "warning"),
        ({"safetyPlan": {"indicated": False, "reason": "self-harm"}}, "safetyPlan.indicated", "safety-plan-indicated", "warning"),
        ({"safetyPlan": {"indicated": True}}, "safetyPlan.meansSafety", "safety-plan-step", "warning"),
        ({"safetyPlan": {"indicated": True, "crisisLines": ["911"]}}, "safetyPlan.crisisLines", "safety-plan-988", "warning"),
        ({"safetyPlan": {"indicated": False, "reviewedAt": "2026-03-02", "nextReview": "2026-03-01"}}, "safetyPlan.nextReview", "date-order", "error"),
        ({"relapsePreventionPlan.copingStrategies": None}, "relapsePreventionPlan.triggers[0]", "trigger-strategy", "warning"),
        ({"relapsePreventionPlan.triggers": None, "relapsePreventionPlan.copingStrategies": None}, "relapsePreventionPlan.triggers", "expected-triggers", "warning"),
        ({"relapsePreventionPlan.contacts": None, "relapsePreventionPlan.emergencyContacts": None}, "relapsePreventionPlan.contacts", "contact-phone", "warning"),
        ({"patientAgreement.copyGiven": False}, "patientAgreement.copyGiven", "copy-given", "warning"),
        ({"familyPlan.0.consentRef": None}, "familyPlan[0].consentRef", "family-consent", "warning"),
        ({"consents": None, "familyPlan": None, "alumni": {"mentor": "Ruth"}}, "alumni.mentor", "mentor-consent", "warning"),
        ({"adjustments": [{"at": "2026-04-02T00:00:00Z", "change": "b"}, {"at": "2026-04-01T00:00:00Z", "change": "a"}]}, "adjustments[1].at", "date-order", "warning"),
        ({"goals": None}, "goals", "expected-goals", "warning"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_aftercare_plan_rule(changes: Any, path: str, rule: str, severity: str) -> None:
    assert changed("aftercare-plan", changes).get((f"$.{path}", rule)) == severity


@pytest.mark.parametrize(
    ("changes", "path", "rule", "severity"),
    [
        ({"consentRef": None}, "consentRef", "expected-consentRef", "warning"),
        ({"appointment": None}, "appointment", "expected-appointment", "warning"),
        ({"status": "completed"}, "outcome", "expected-outcome", "warning"),
        ({"status": "cancelled"}, "cancellation", "expected-cancellation", "warning"),
        ({"responses.1.action": "completed"}, "responses[1].action", "transition", "warning"),
        ({"responses.2.at": "2026-03-01T00:00:00Z"}, "responses[2].at", "date-order", "warning"),
        ({"recipient.noFhir": True}, "recipient.noFhir", "recipient-fhir", "warning"),
        ({"appointment.duration": None}, "appointment.duration", "appointment-duration", "error"),
        ({"appointment.startLocal": "0001-01-01T00:00", "appointment.tz": "Asia/Tokyo"}, "appointment.startLocal", "instant", "error"),
        ({"reason.diagnoses": ["F10"]}, "", "", None),
        ({"appointment.startLocal": None, "appointment.status": "planned"}, "", "", None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_referral_rule(changes: Any, path: str, rule: str, severity: str | None) -> None:
    found = changed("referral", changes)

    assert found.get((f"$.{path}", rule)) == severity
    assert found or severity is None


def test_synthetic_mother_of_two_has_no_warnings() -> None:
    for kind, data in MOTHER.items():
        found = findings(kind, data)  # type: ignore[arg-type]
        assert [key for key, severity in found.items() if severity != "information"] == []


def test_transitions_are_those_of_the_workflow_table() -> None:
    assert {
        state.value: tuple(following.value for following in row.next_states)
        for state, row in REFERRAL.items()
    } == referral_rules.REFERRAL_NEXT


@pytest.mark.parametrize(
    ("npi", "holds"),
    [("1234567893", True), ("1234567890", False), ("123456789", False), ("12345678९3", False)],
)
def test_npi_check_digit(npi: str, holds: bool) -> None:
    assert has_npi_check_digit(npi) is holds


def test_document_with_more_sessions_than_a_bundle_can_hold_is_refused() -> None:
    template = {**MOTHER["enrollment"]["schedule"][0], "rrule": "FREQ=DAILY", "count": 360}
    schedule = [{**template, "id": f"s{index}"} for index in range(14)]

    found = changed("enrollment", {"schedule": schedule, "sessions": None})

    assert found[("$.schedule", "session-count")] == "error"


def test_only_the_last_authorization_of_a_service_can_end_too_early() -> None:
    auths = [
        {"number": "day-hospital", "code": "H0035", "to": "2026-02-10"},
        {"number": "first", "code": "H0015", "to": "2026-03-01"},
        {"number": "second", "code": "H0015", "to": "2026-03-31"},
        {"number": "third", "code": "H0004", "to": "2026-03-20"},
    ]

    found = changed("enrollment", {"benefitsVerification.auths": auths})

    early = [path for path, rule in found if rule == "authorization-end"]
    assert early == ["$.benefitsVerification.auths[3].to"]


def test_unreadable_value_is_not_called_missing_as_well() -> None:
    found = changed("enrollment", {"consents.1.signedAt": "16 February 2026"})

    assert found == {("$.consents[1].signedAt", "form"): "error"}
