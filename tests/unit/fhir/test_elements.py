"""The FHIRPath subset of search expressions: choice types, conditions, static types."""

import pytest

from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.elements import compile_expression
from fhirbridge.fhir.expressions import UnknownExpression
from fhirbridge.fhir.reference_targets import reference_type
from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.jsontypes import Json, Resource

OBSERVATION: Resource = {
    "resourceType": "Observation",
    "contained": [{"resourceType": "Device", "id": "d"}],
    "valueQuantity": {"value": 1},
    "performer": [
        {"reference": "Practitioner/1"},
        {"reference": "https://other.example/r4/Patient/2/_history/3"},
        {"reference": "#d"},
        {"type": "Organization", "identifier": {"value": "7"}},
    ],
    "extension": [
        {"url": "http://a.example", "valueString": "x"},
        {"url": "http://b.example", "valueCode": "y"},
    ],
    "component": [{"valueString": "one"}, {"valueQuantity": {"value": 2}}],
}


def values(expression: str, resource: Resource) -> list[Json]:
    branches = compile_expression(expression, resource["resourceType"])
    return [value for branch in branches for value in branch.evaluate(resource, resource)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Observation.value", [{"value": 1}]),
        ("(Observation.value as Quantity)", [{"value": 1}]),
        ("Observation.value.as(Quantity).value", [1]),
        ("Observation.value.ofType(string)", []),
        ("Observation.component.value", [{"value": 2}, "one"]),
        ("Observation.component.value.as(string)", ["one"]),
        ("Observation.component[1].value", [{"value": 2}]),
        ("Observation.extension('http://a.example')", ["x"]),
        ("Observation.performer.where(resolve() is Practitioner).reference", ["Practitioner/1"]),
        ("Observation.performer.where(resolve() is Device).reference", ["#d"]),
        ("Observation.performer.where(type = 'Organization').identifier.value", ["7"]),
        ("Observation.component.value.as(string) | Patient.name", ["one"]),
        ("Observation.component.where(value.exists()).value.as(string)", ["one"]),
        ("Observation.where(hasExtension('http://b.example')).value", [{"value": 1}]),
        ("Observation.value.exists() and Observation.status != 'final'", [False]),
        ("Patient.name", []),
    ],
)
def test_finds(expression: str, expected: list[Json]) -> None:
    found = values(expression, OBSERVATION)

    assert sorted(map(str, found)) == sorted(map(str, expected))


def test_first_null_of_a_primitive_list_is_left_out() -> None:
    patient = {
        "resourceType": "Patient",
        "name": [{"given": [None, "Ann"], "_given": [{"extension": []}, None]}],
    }

    assert values("Patient.name.given", patient) == ["Ann"]


def test_branches_carry_static_types_and_implied_systems() -> None:
    scheduled = compile_expression("CarePlan.activity.detail.scheduled", "CarePlan")
    (status,) = compile_expression("CarePlan.status", "CarePlan")
    (subject,) = compile_expression(
        "AllergyIntolerance.patient | CarePlan.subject.where(resolve() is Patient)", "CarePlan"
    )

    assert [branch.type for branch in scheduled] == ["Timing", "Period", "string"]
    assert not any(branch.is_single for branch in scheduled)
    assert (status.system, status.is_single) == ("http://hl7.org/fhir/request-status", True)
    assert (subject.targets, subject.first) == (("Patient",), "subject")


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ({"reference": "Patient/1"}, "Patient"),
        ({"reference": "https://a.example/fhir/Group/x/_history/2"}, "Group"),
        ({"reference": "#d"}, "Device"),
        ({"reference": "#unknown"}, ""),
        ({"reference": "urn:uuid:1", "type": "Patient"}, "Patient"),
        ({"identifier": {}}, ""),
        ("Library/1", "Library"),
        (None, ""),
    ],
)
def test_type_of_a_reference(reference: Json, expected: str) -> None:
    assert reference_type(reference, OBSERVATION) == expected


@pytest.mark.parametrize("expression", ["Patient.name.tail()", "Patient.name ~ 'x'", "Patient.("])
def test_more_fhirpath_is_refused(expression: str) -> None:
    with pytest.raises(UnknownExpression):
        compile_expression(expression, "Patient")


def test_every_official_expression_reads_some_element() -> None:
    empty = [
        parameter.name
        for resource_type in sorted(definitions().resource_types)
        for parameter in search_parameters(resource_type).values()
        if not compile_expression(parameter.expression, resource_type)
    ]

    assert empty == []
