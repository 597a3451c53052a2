"""Content classes: what a resource, an element of it or a reference in it is about.

A class is what a consent speaks of ("my medications and appointments"). `a+b` needs a permit for
both. A resource has one class; some elements have another, and are taken out where only the rest
may be seen. The names are those of `class:` in mapping files.
Source: 42 CFR 2.13(a), 2.31(a)(3); mappings/README.md
"""

from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from types import MappingProxyType

from fhirbridge.content_classes import CLASSES as CLASSES
from fhirbridge.jsontypes import Json, JsonObject, Resource

# Leaves without a patient, and without a permit.
DIRECTORY = "directory"
# 42 CFR 2.11: only with a consent of their own.
COUNSELING_NOTES = "counseling-notes"
# What a consent may describe.
NAMED = frozenset({*CLASSES, COUNSELING_NOTES})
# Each Consent is seen by those whom it permits to see something.
CONSENT = "consent"
# What no consent names.
OTHER = "other"

# What consents and other systems call the same.
_SYNONYMS: Mapping[str, str] = {"progress-summary": "progress"}


def class_named(code: str) -> str:
    """The class that a code of an information scope means; the code itself if it is none."""
    return _SYNONYMS.get(code, code)


@lru_cache(maxsize=256)
def parts(content_class: str) -> tuple[str, ...]:
    """The classes that a class is made of: all of them must be permitted."""
    return tuple(content_class.split("+"))


def both(one: str, other: str) -> str:
    """The class of what is about both."""
    return "+".join(sorted({*parts(one), *parts(other)}))


_TYPES: Mapping[str, str] = {
    "identity": "Patient Person Provenance",
    "diagnosis": "AdverseEvent AllergyIntolerance ClinicalImpression Condition DetectedIssue"
    " FamilyMemberHistory RiskAssessment",
    "medications": "Immunization ImmunizationEvaluation ImmunizationRecommendation Medication"
    " MedicationAdministration MedicationDispense MedicationRequest MedicationStatement",
    "labs": "BodyStructure DiagnosticReport ImagingStudy Media MolecularSequence Specimen",
    "treatment-plan": "CarePlan CareTeam CommunicationRequest Composition DeviceRequest"
    " EpisodeOfCare Flag Goal NutritionOrder Procedure RequestGroup ServiceRequest Task"
    " VisionPrescription",
    "appointments": "Appointment AppointmentResponse Encounter",
    "progress": "Observation QuestionnaireResponse",
    "billing": "Account ChargeItem Claim ClaimResponse Contract Coverage"
    " CoverageEligibilityRequest CoverageEligibilityResponse EnrollmentRequest"
    " EnrollmentResponse ExplanationOfBenefit Invoice PaymentNotice PaymentReconciliation",
    "notes": "Binary Communication DocumentManifest DocumentReference",
    "identity+treatment-plan": "RelatedPerson",
    CONSENT: "Consent",
    DIRECTORY: "CapabilityStatement CodeSystem CompartmentDefinition ConceptMap Endpoint"
    " HealthcareService ImplementationGuide Location NamingSystem OperationDefinition"
    " Organization Practitioner PractitionerRole SearchParameter StructureDefinition"
    " StructureMap TerminologyCapabilities ValueSet",
}
TYPE_CLASSES: Mapping[str, str] = MappingProxyType(
    {name: content_class for content_class, names in _TYPES.items() for name in names.split()}
)
# What a reference to a type may be about, where that depends on the resource.
_VARIOUS: Mapping[str, str] = {
    "Communication": "notes+treatment-plan",
    "DocumentReference": "notes+progress+treatment-plan",
    "Encounter": "appointments+treatment-plan",
    "Observation": "labs+progress+treatment-plan",
    "QuestionnaireResponse": "progress+treatment-plan",
    "Task": "medications+treatment-plan",
}

# Elements of every type that has them, then those of one type.
_EVERYWHERE: Mapping[str, str] = {
    "addresses": "diagnosis",
    "diagnosis": "diagnosis",
    "indication": "diagnosis",
    "insurance": "billing",
    "reasonCode": "diagnosis",
    "reasonReference": "diagnosis",
}
_ELEMENTS: Mapping[str, Mapping[str, str]] = {
    "Appointment": {"comment": "notes", "extension:attendance": "progress"},
    "CarePlan": {"activity.progress": "progress", "activity.extension": "progress"},
    # whom to call is part of a plan, as the RelatedPersons are
    "Patient": {"contact": "treatment-plan"},
    "Task": {"output": "progress"},
}
# A visit says when it should be; when it was is how treatment goes.
_VISIT: Mapping[str, str] = dict.fromkeys(
    (
        *("classHistory", "length", "location.period", "participant.period", "period"),
        "statusHistory",
    ),
    "progress",
)
_VISIT_PARAMETERS = frozenset({"Encounter.date", "Encounter.length", "Encounter.location-period"})
# Their answers are the content of a plan.
_PLAN_FORMS = ("/Questionnaire/relapse-prevention-plan", "/Questionnaire/safety-plan")
# Search parameters of these elements.
_PARAMETERS: Mapping[str, str] = {
    "CarePlan.condition": "diagnosis",
    "DeviceRequest.insurance": "billing",
    "Encounter.diagnosis": "diagnosis",
    "Encounter.reason-code": "diagnosis",
    "Encounter.reason-reference": "diagnosis",
    "EpisodeOfCare.condition": "diagnosis",
    "Goal.addresses": "diagnosis",
    "ImagingStudy.reason": "diagnosis",
    "Immunization.reason-code": "diagnosis",
    "Immunization.reason-reference": "diagnosis",
    "MedicationAdministration.reason-given": "diagnosis",
    "Appointment.reason-code": "diagnosis",
    "Appointment.reason-reference": "diagnosis",
    "Procedure.reason-code": "diagnosis",
    "Procedure.reason-reference": "diagnosis",
}


def content_class(resource: Resource) -> str:
    """The class of a resource, from its type and content; `a+b` for a Bundle of both."""
    resource_type = str(resource.get("resourceType"))
    if resource_type == "Bundle":
        return _of_bundle(resource)
    if "PSYTHPN" in set(_security(resource)) or "HIPAAPsyNotes" in set(_security(resource)):
        return COUNSELING_NOTES
    refined = _REFINED.get(resource_type)
    return refined(resource) if refined else TYPE_CLASSES.get(resource_type, OTHER)


def stored_class(resource: Resource, mapped: str = "") -> str:
    """The class under which a resource is kept; `mapped` is what a mapping pack calls it.

    A pack may ask for more, never for less.
    """
    found = content_class(resource)
    if not mapped or mapped == found or found in (CONSENT, COUNSELING_NOTES, DIRECTORY):
        return found
    return both(found, mapped)


def everywhere(of_resource: str) -> Mapping[str, str]:
    """Names of elements that are of another class than their resource, at whatever depth."""
    return {name: each for name, each in _EVERYWHERE.items() if each not in parts(of_resource)}


def element_classes(resource_type: str, of_resource: str) -> Mapping[str, str]:
    """Elements of another class than their resource: `comment`, `activity.progress` -> class.

    `extension:attendance` is the extension whose URL ends so.
    """
    found = dict(_ELEMENTS.get(resource_type, {}))
    if resource_type == "Encounter" and of_resource == "appointments":
        found.update(_VISIT)
    return MappingProxyType(
        {name: each for name, each in found.items() if each not in parts(of_resource)}
    )


@lru_cache(maxsize=4096)
def index_class(of_resource: str, parameter: str, target_type: str = "") -> str:
    """The class of an index row, so that no search matches an element that is withheld.

    `parameter` is `Type.code`, maybe with a suffix after a colon; `target_type` that of a
    reference. A reference to the patient says no more than the resource itself; an identifier
    in one does.
    """
    name, _, suffix = parameter.partition(":")
    of_element = _PARAMETERS.get(name)
    if name in _VISIT_PARAMETERS and of_resource == "appointments":
        of_element = "progress"
    if of_element is None and target_type and target_type != "Patient":
        of_element = reference_class(target_type)
    if of_element is None and suffix == "identifier" and of_resource != DIRECTORY:
        of_element = "identity"
    return both(of_resource, of_element) if of_element else of_resource


def reference_class(target_type: str) -> str:
    """What a reference to this type may be about; "" for directories."""
    found = _VARIOUS.get(target_type) or TYPE_CLASSES.get(target_type, OTHER)
    return "" if found == DIRECTORY else found


@cache
def permitted_rows(permitted: frozenset[str]) -> tuple[str, ...]:
    """Every class that rows can have, as far as it is made of permitted ones."""
    singles = {*TYPE_CLASSES.values(), *_VARIOUS.values(), *CLASSES, COUNSELING_NOTES}
    elements = {*_VARIOUS.values(), *TYPE_CLASSES.values(), *_PARAMETERS.values(), "progress"}
    every = singles | {both(one, other) for one in singles for other in elements}
    return tuple(sorted(each for each in every if permitted.issuperset(parts(each))))


def _of_bundle(bundle: Resource) -> str:
    found: set[str] = set()
    for entry in bundle.get("entry", ()):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(resource, dict):
            found.update(parts(content_class(resource)))
    found.discard(DIRECTORY)
    return "+".join(sorted(found)) or OTHER


def _observation(resource: Resource) -> str:
    categories = set(_codes(resource.get("category")))
    if "laboratory" in categories:
        return "labs"
    # levels of care and the dimensions behind them are part of the plan
    if "social-history" in categories or _has_own(resource.get("code"), "assessment"):
        return "treatment-plan"
    return "progress"


def _encounter(resource: Resource) -> str:
    return "treatment-plan" if _has_own(resource.get("type"), "encounter-kind") else "appointments"


def _questionnaire_response(resource: Resource) -> str:
    questionnaire = str(resource.get("questionnaire", ""))
    is_plan = questionnaire.partition("|")[0].endswith(_PLAN_FORMS)
    return "treatment-plan" if is_plan else "progress"


def _document_reference(resource: Resource) -> str:
    if _has_own(resource.get("type"), "attachment"):
        return "treatment-plan"
    return "progress" if "11488-4" in set(_codes(resource.get("type"))) else "notes"


def _communication(resource: Resource) -> str:
    return "treatment-plan" if _has_own(resource.get("category"), "task-parameter") else "notes"


def _task(resource: Resource) -> str:
    # SNOMED CT 182836005: review of medication
    is_review = "182836005" in set(_codes(resource.get("code")))
    return "medications" if is_review else "treatment-plan"


_REFINED = {
    "Communication": _communication,
    "DocumentReference": _document_reference,
    "Encounter": _encounter,
    "Observation": _observation,
    "QuestionnaireResponse": _questionnaire_response,
    "Task": _task,
}


def _codings(value: Json) -> Iterator[JsonObject]:
    """The codings of a CodeableConcept or of a list of them."""
    for concept in value if isinstance(value, list) else [value]:
        codings = concept.get("coding") if isinstance(concept, dict) else None
        yield from (each for each in codings or () if isinstance(each, dict))


def _codes(value: Json) -> Iterator[str]:
    return (str(each.get("code")) for each in _codings(value))


def _has_own(value: Json, code_system: str) -> bool:
    """True with a code of one of our own systems, whatever the base."""
    end = f"/CodeSystem/{code_system}"
    return any(str(each.get("system", "")).endswith(end) for each in _codings(value))


def _security(resource: Resource) -> Iterator[str]:
    meta = resource.get("meta")
    given = meta.get("security") if isinstance(meta, dict) else None
    for coding in given if isinstance(given, list) else ():
        if isinstance(coding, dict):
            yield str(coding.get("code"))
    yield from _codes(resource.get("securityLabel"))
