"""Small valid resources that the tables of tests change in one place each."""

import copy
from collections.abc import Sequence
from typing import Any

from fhirbridge.fhir.validation import check

ABSENT = object()

BASES: dict[str, dict[str, Any]] = {
    "care_plan": {
        "resourceType": "CarePlan",
        "id": "plan-1",
        "contained": [
            {
                "resourceType": "Goal",
                "id": "g",
                "lifecycleStatus": "active",
                "description": {"text": "Stay sober"},
                "subject": {"reference": "Patient/1"},
            }
        ],
        "extension": [{"url": "http://x.example/e", "valueString": "a"}],
        "status": "active",
        "intent": "plan",
        "category": [{"coding": [{"system": "http://x.example/c", "code": "assess-plan"}]}],
        "subject": {"reference": "Patient/1"},
        "period": {"start": "2024-05-01", "end": "2024-06-12"},
        "created": "2024-05-01",
        "goal": [{"reference": "#g"}],
        "activity": [
            {"reference": {"reference": "Task/1"}},
            {
                "detail": {
                    "status": "scheduled",
                    "scheduledTiming": {
                        "repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}
                    },
                }
            },
        ],
    },
    "patient": {
        "resourceType": "Patient",
        "active": True,
        "identifier": [{"system": "http://x.example/mrn", "value": "1"}],
        "name": [{"family": "Example", "given": ["Ann", "B."]}],
        "telecom": [{"system": "phone", "value": "555 0100", "rank": 1}],
        "gender": "female",
        "birthDate": "1990-02-28",
        "_birthDate": {"extension": [{"url": "http://x.example/t", "valueTime": "10:00:00"}]},
        "multipleBirthInteger": 2,
        "photo": [{"contentType": "image/png", "data": "aGVsbG8="}],
        "contact": [{"name": {"text": "Somebody"}}],
    },
    "appointment": {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2024-05-06T18:00:00-04:00",
        "end": "2024-05-06T21:00:00-04:00",
        "minutesDuration": 180,
        "participant": [{"actor": {"reference": "Patient/1"}, "status": "accepted"}],
    },
    "observation": {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
        "valueQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "mg"},
        "referenceRange": [{"low": {"value": 1}}],
    },
    "bundle": {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:0a0b0c0d-0000-4000-8000-000000000001",
                "resource": {"resourceType": "Patient", "gender": "female"},
                "request": {"method": "POST", "url": "Patient"},
            }
        ],
    },
    "consent": {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                }
            ]
        },
        "category": [{"text": "42 CFR Part 2"}],
        "patient": {"reference": "Patient/1"},
        "policyRule": {"text": "42 CFR Part 2"},
    },
    "task": {
        "resourceType": "Task",
        "status": "requested",
        "intent": "order",
        "authoredOn": "2024-05-01T10:00:00Z",
        "lastModified": "2024-05-01T10:00:00Z",
    },
    "condition": {
        "resourceType": "Condition",
        "clinicalStatus": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/condition-clinical",
                    "code": "active",
                }
            ]
        },
        "subject": {"reference": "Patient/1"},
    },
    "composition": {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "Plan"},
        "date": "2024-05-01",
        "author": [{"reference": "Practitioner/1"}],
        "title": "Plan",
        "section": [{"title": "Goals", "entry": [{"reference": "Goal/1"}]}],
    },
    "questionnaire_response": {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "item": [{"linkId": "1", "answer": [{"valueString": "yes"}]}],
    },
    "parameters": {
        "resourceType": "Parameters",
        "parameter": [{"name": "a", "valueString": "b"}],
    },
}


def changed(base: str, path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """A copy of a base with one place set, added to, or removed (ABSENT)."""
    resource = copy.deepcopy(BASES[base])
    place: Any = resource
    for step in path[:-1]:
        place = place[step]
    last = path[-1]
    if value is ABSENT:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return resource


def verdict(resource: dict[str, Any]) -> set[tuple[str, str]]:
    """Code and place of everything that is found, joined: `("required", "CarePlan.status")`."""
    return {(issue.code, issue.expression[0]) for issue in check(resource)}
