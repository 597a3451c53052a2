import subprocess
import sys

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.fhir.models import model_of, second_opinion

PATIENT = {"resourceType": "Patient", "id": "1", "birthDate": "1990-02-03"}


def test_a_resource_that_the_library_reads_has_no_issues() -> None:
    assert second_opinion(PATIENT) == []
    assert model_of(PATIENT).model_dump()["id"] == "1"


def test_objections_are_warnings_without_values() -> None:
    issues = second_opinion({**PATIENT, "birthDate": "secret", "nonsense": "078-05-1120"})

    assert {issue.severity for issue in issues} == {"warning"}
    assert {issue.expression for issue in issues} == {("Patient.birthDate",), ("Patient.nonsense",)}
    assert "secret" not in str(issues)
    assert "078" not in str(issues)


@pytest.mark.parametrize(
    "resource",
    [{"resourceType": "MedicinalProduct"}, {"resourceType": "../x"}, {"resourceType": 5}, {}],
    ids=["not in R4B", "no type", "no string", "missing"],
)
def test_a_type_without_model_is_said(resource: dict[str, object]) -> None:
    assert [issue.severity for issue in second_opinion(resource)] == ["information"]
    with pytest.raises(InvalidContent):
        model_of(resource)


def test_importing_the_door_does_not_import_the_library() -> None:
    code = (
        "import sys, fhirbridge.fhir.models;"
        "print([m for m in sys.modules if m.startswith(('fhir.', 'pydantic'))])"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"
