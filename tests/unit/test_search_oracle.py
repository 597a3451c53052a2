"""A short run of `python -m benchmarks.search_oracle`: extraction against fhirpathpy."""

import pytest

from benchmarks import search_oracle
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import search_parameters
from tests import official_examples

TYPES = (
    "Patient", "CarePlan", "Goal", "Condition", "Observation", "Task", "Appointment", "Encounter",
    "ServiceRequest", "MedicationRequest", "Consent", "Composition", "InsurancePlan", "Person",
)  # fmt: skip


@pytest.mark.parametrize("resource_type", TYPES)
def test_each_parameter_extracts_what_the_oracle_does(resource_type: str) -> None:
    examples = official_examples.sample().items()
    chosen = [(name, text) for name, text in examples if name.startswith(f"{resource_type}-")][:2]
    tally = search_oracle.Tally()

    search_oracle.compare(chosen, tally)

    assert tally.shown == {}
    assert tally.elements > 2


def test_a_difference_is_seen_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'{"resourceType":"Patient","id":"a","name":[{"family":"Zyzzyva"}]}'
    monkeypatch.setattr(search_oracle, "_ours", lambda *_: iter(()))
    tally = search_oracle.Tally()

    search_oracle.compare([("a.json", text)], tally)

    assert {"Patient.name", "Patient.family", "Resource._id"} <= tally.differences.keys()


def test_differences_that_are_meant_have_a_reason_and_exist() -> None:
    names = {
        parameter.name
        for resource_type in definitions().resource_types
        for parameter in search_parameters(resource_type).values()
    }

    for name, reason in search_oracle.known_differences().items():
        assert name in names
        assert reason.endswith(".")
