"""What a resource becomes when its item is missing from a newer version of the document.

It is not deleted: it goes to its withdrawn state, with a tag that says so, and travels on to every
partner that holds it. Source: design.md section 5
"""

from collections.abc import Mapping

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.jsontypes import Json, Resource

WITHDRAWN_TAG = {"system": f"{DEFAULT_BASE}/CodeSystem/document-state", "code": "withdrawn"}
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"

_STATES: Mapping[str, tuple[str, Json]] = {
    "Appointment": ("status", "cancelled"),
    "CarePlan": ("status", "revoked"),
    "CareTeam": ("status", "inactive"),
    "Communication": ("status", "entered-in-error"),
    "Condition": ("clinicalStatus", {"coding": [{"system": _CLINICAL, "code": "inactive"}]}),
    "Consent": ("status", "inactive"),
    "Coverage": ("status", "cancelled"),
    "CoverageEligibilityRequest": ("status", "cancelled"),
    "CoverageEligibilityResponse": ("status", "cancelled"),
    "DocumentReference": ("status", "superseded"),
    "Encounter": ("status", "cancelled"),
    "EpisodeOfCare": ("status", "cancelled"),
    "Goal": ("lifecycleStatus", "cancelled"),
    "HealthcareService": ("active", False),
    "MedicationRequest": ("status", "stopped"),
    "Observation": ("status", "cancelled"),
    "QuestionnaireResponse": ("status", "stopped"),
    "RelatedPerson": ("active", False),
    "ServiceRequest": ("status", "revoked"),
    "Task": ("status", "cancelled"),
}


def withdrawn_form(resource: Resource) -> Resource:
    """The resource in its withdrawn state; the argument is not changed."""
    changed = dict(resource)
    state = _STATES.get(str(resource.get("resourceType")))
    if state is not None:
        changed[state[0]] = state[1]
    meta = dict(resource.get("meta", {}))
    tags = [tag for tag in meta.get("tag", []) if tag != WITHDRAWN_TAG]
    changed["meta"] = {**meta, "tag": [*tags, WITHDRAWN_TAG]}
    return changed


def restored_form(resource: Resource) -> Resource:
    """The resource without the withdrawn tag, for an item that is there again."""
    meta = resource.get("meta", {})
    tags = meta.get("tag", [])
    if WITHDRAWN_TAG not in tags:
        return resource
    kept = [tag for tag in tags if tag != WITHDRAWN_TAG]
    rest = {name: value for name, value in meta.items() if name != "tag"}
    remaining = {**rest, "tag": kept} if kept else rest
    bare = {name: value for name, value in resource.items() if name != "meta"}
    return {**bare, "meta": remaining} if remaining else bare
