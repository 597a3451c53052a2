"""Whose record a resource belongs to."""

import pytest

from fhirbridge.fhir.compartments import compartment_parameters, patients_of
from fhirbridge.jsontypes import Resource

P1 = {"reference": "Patient/p1"}
P2 = {"reference": "Patient/p2/_history/4"}


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ({"resourceType": "Patient", "id": "p1"}, {"Patient/p1"}),
        ({"resourceType": "CarePlan", "subject": P1}, {"Patient/p1"}),
        ({"resourceType": "CarePlan", "subject": P2}, {"Patient/p2"}),
        ({"resourceType": "CarePlan", "subject": {"reference": "Group/p1"}}, set()),
        ({"resourceType": "CarePlan", "subject": {"display": "Patient/p1"}}, set()),
        ({"resourceType": "Task", "for": P1, "focus": {"reference": "Group/1"}}, {"Patient/p1"}),
        ({"resourceType": "Task", "focus": P2}, {"Patient/p2"}),
        (
            {"resourceType": "Appointment", "participant": [{"actor": P1}, {"actor": P2}]},
            {"Patient/p1", "Patient/p2"},
        ),
        (
            {
                "resourceType": "CarePlan",
                "subject": {"reference": "https://ehr.example/r4/Patient/9"},
            },
            {"https://ehr.example/r4/Patient/9"},
        ),
        (
            {
                "resourceType": "Bundle",
                "entry": [
                    {"resource": {"resourceType": "Patient", "id": "p1"}},
                    {"resource": {"resourceType": "Goal", "subject": P2}},
                    {"fullUrl": "urn:uuid:1"},
                ],
            },
            {"Patient/p1", "Patient/p2"},
        ),
        (
            {
                "resourceType": "Composition",
                "contained": [
                    {"resourceType": "Patient", "id": "c"},
                    {"resourceType": "Observation", "id": "o", "subject": P1},
                ],
            },
            {"Patient/p1"},
        ),
        ({"resourceType": "Binary", "securityContext": P1}, {"Patient/p1"}),
        ({"resourceType": "Organization", "id": "o"}, set()),
        (
            {"resourceType": "Patient", "id": "p1", "link": [{"other": P2}]},
            {"Patient/p1", "Patient/p2"},
        ),
    ],
)
def test_patients_of(resource: Resource, expected: set[str]) -> None:
    assert patients_of(resource) == expected


def test_an_absolute_reference_below_our_base_is_local() -> None:
    subject = {"reference": "https://bridge.example/fhir/Patient/p1"}
    goal = {"resourceType": "Goal", "subject": subject}

    assert patients_of(goal, bases=("https://bridge.example/fhir",)) == {"Patient/p1"}


def test_compartment_parameters() -> None:
    assert compartment_parameters("Patient")["CarePlan"] == ("patient", "performer")
    assert compartment_parameters("Nonsense") == {}
