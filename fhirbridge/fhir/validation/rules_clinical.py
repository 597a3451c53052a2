"""Invariants of clinical, administrative and workflow resources.

Where the FHIRPath of R4 has a known slip, its words decide; each such rule says so.
Source: R4, the page of each resource
"""

from collections.abc import Callable, Mapping

from fhirbridge.fhir.validation.terms import (
    UCUM,
    at_most_one,
    count,
    exists,
    has,
    has_choice,
    has_coding,
    is_not_after,
    items,
    of_names,
    values,
)
from fhirbridge.jsontypes import Json, JsonObject

_TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
_ALLERGY_VERIFICATION = _TERMINOLOGY + "allergyintolerance-verification"
_CONDITION_VERIFICATION = _TERMINOLOGY + "condition-ver-status"
_CONDITION_CLINICAL = _TERMINOLOGY + "condition-clinical"
_CONSENT_SCOPE = _TERMINOLOGY + "consentscope"


def _appointment_has_its_times(appointment: JsonObject) -> bool:
    if has(appointment, "start") and has(appointment, "end"):
        return True
    return appointment.get("status") in ("proposed", "cancelled", "waitlist")


def _reason_only_if_cancelled(appointment: JsonObject) -> bool:
    # The FHIRPath of app-4 says `no-show`, but the code is `noshow`.
    return "cancelationReason" not in appointment or appointment.get("status") in (
        "noshow",
        "cancelled",
    )


def _is_allergy_error(allergy: JsonObject) -> bool:
    return has_coding(allergy.get("verificationStatus"), _ALLERGY_VERIFICATION, "entered-in-error")


def _is_condition_error(condition: JsonObject) -> bool:
    status = condition.get("verificationStatus")
    return has_coding(status, _CONDITION_VERIFICATION, "entered-in-error")


def _abated_is_not_active(condition: JsonObject) -> bool:
    return not has_choice(condition, "abatement") or has_coding(
        condition.get("clinicalStatus"), _CONDITION_CLINICAL, "resolved", "remission", "inactive"
    )


def _scope_needs_patient(code: str) -> Callable[[JsonObject], bool]:
    # The FHIRPath of ppc-2 to ppc-5 has the placeholder 'something' for the code system.
    return lambda consent: (
        "patient" in consent or not has_coding(consent.get("scope"), _CONSENT_SCOPE, code)
    )


def _component_does_not_repeat_code(observation: JsonObject) -> bool:
    if not has_choice(observation, "value"):
        return True
    codes = _codes(observation.get("code"))
    return not any(codes & _codes(part.get("code")) for part in items(observation, "component"))


def _codes(concept: Json) -> set[tuple[Json, Json]]:
    codings = items(concept, "coding") if isinstance(concept, dict) else []
    return {(coding.get("system"), coding.get("code")) for coding in codings if "code" in coding}


def _is_percentage(quantity: Json) -> bool:
    return not quantity or (quantity.get("code") == "%" and quantity.get("system") == UCUM)


def _probability_is_possible(prediction: JsonObject) -> bool:
    probability = prediction.get("probabilityDecimal", 0)
    return bool(probability <= 100)


def _probability_is_in_percent(prediction: JsonObject) -> bool:
    span = prediction.get("probabilityRange", {})
    return _is_percentage(span.get("low")) and _is_percentage(span.get("high"))


def _without_home(name: str) -> Callable[[JsonObject], bool]:
    return lambda organization: "home" not in values(organization, name, "use")


CLINICAL_RULES: Mapping[str, Mapping[str, Callable[[JsonObject], bool]]] = {
    "AllergyIntolerance": {
        "ait-1": lambda v: _is_allergy_error(v) or "clinicalStatus" in v,
        "ait-2": lambda v: not (_is_allergy_error(v) and "clinicalStatus" in v),
    },
    "Appointment": {
        "app-2": lambda v: has(v, "start") == has(v, "end"),
        "app-3": _appointment_has_its_times,
        "app-4": _reason_only_if_cancelled,
    },
    "Appointment.participant": {"app-1": exists("type", "actor")},
    "AppointmentResponse": {"apr-1": exists("participantType", "actor")},
    "AuditEvent.entity": {"sev-1": at_most_one("name", "query")},
    "CarePlan.activity": {"cpl-3": at_most_one("detail", "reference")},
    "Composition.section": {
        "cmp-1": exists("text", "entry", "section"),
        "cmp-2": at_most_one("emptyReason", "entry"),
    },
    "Condition": {
        "con-4": _abated_is_not_active,
        "con-5": lambda v: not (_is_condition_error(v) and "clinicalStatus" in v),
    },
    "Condition.stage": {"con-1": exists("summary", "assessment")},
    "Condition.evidence": {"con-2": exists("code", "detail")},
    "Consent": {
        "ppc-1": exists("policy", "policyRule"),
        "ppc-2": _scope_needs_patient("patient-privacy"),
        "ppc-3": _scope_needs_patient("research"),
        "ppc-4": _scope_needs_patient("adr"),
        "ppc-5": _scope_needs_patient("treatment"),
    },
    "CoverageEligibilityResponse.insurance.item": {
        "ces-1": lambda v: has(v, "category") != has(v, "productOrService"),
    },
    "FamilyMemberHistory": {
        "fhs-1": lambda v: not (has_choice(v, "age") and has_choice(v, "born")),
        "fhs-2": lambda v: has_choice(v, "age") or not has(v, "estimatedAge"),
    },
    "Goal.target": {
        "gol-1": lambda v: not has_choice(v, "detail") or "measure" in v,
    },
    "Group": {"grp-1": lambda v: "member" not in v or v.get("actual") is True},
    "Immunization.education": {"imm-1": exists("documentType", "reference")},
    "ImmunizationRecommendation.recommendation": {
        "imr-1": exists("vaccineCode", "targetDisease"),
    },
    "InsurancePlan": {"ipn-1": exists("identifier", "name")},
    "Linkage": {"lnk-1": lambda v: count(v, "item") > 1},
    "List": {
        "lst-1": at_most_one("emptyReason", "entry"),
        "lst-2": lambda v: v.get("mode") == "changes" or not values(v, "entry", "deleted"),
        "lst-3": lambda v: v.get("mode") == "working" or not values(v, "entry", "date"),
    },
    "MedicationAdministration.dosage": {
        "mad-1": lambda v: "dose" in v or has_choice(v, "rate"),
    },
    "MedicationDispense": {
        "mdd-1": lambda v: is_not_after(v.get("whenPrepared"), v.get("whenHandedOver")),
    },
    "MolecularSequence": {"msq-3": lambda v: v.get("coordinateSystem") in (0, 1)},
    "MolecularSequence.referenceSeq": {
        "msq-5": lambda v: ("chromosome" in v) == has(v, "genomeBuild"),
        "msq-6": lambda v: (
            count(v, "genomeBuild", "referenceSeqId", "referenceSeqPointer", "referenceSeqString")
            == 1
        ),
    },
    "Observation": {
        "obs-6": lambda v: "dataAbsentReason" not in v or not has_choice(v, "value"),
        "obs-7": _component_does_not_repeat_code,
    },
    "Observation.referenceRange": {"obs-3": exists("low", "high", "text")},
    "Organization": {
        "org-1": exists("identifier", "name"),
        "org-2": _without_home("address"),
        "org-3": _without_home("telecom"),
    },
    "Patient.contact": {"pat-1": exists("name", "telecom", "address", "organization")},
    "QuestionnaireResponse.item": {"qrs-1": at_most_one("answer", "item")},
    "RequestGroup.action": {"rqg-1": lambda v: ("resource" in v) != ("action" in v)},
    "RiskAssessment.prediction": {
        "ras-1": _probability_is_in_percent,
        "ras-2": _probability_is_possible,
    },
    "ServiceRequest": {"prr-1": of_names(lambda v: "orderDetail" not in v or "code" in v)},
    "Task": {"inv-1": lambda v: is_not_after(v.get("authoredOn"), v.get("lastModified"))},
}
