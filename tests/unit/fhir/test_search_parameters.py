"""Search parameter definitions by resource type."""

import pytest

from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import search_parameters
from fhirbridge.storage.keys import key_of


def test_common_parameters_have_one_name_for_all_types() -> None:
    names = {search_parameters(each)["_tag"].name for each in ("Patient", "CarePlan", "Resource")}

    assert names == {"Resource._tag"}


@pytest.mark.parametrize(
    ("resource_type", "code", "targets"),
    [
        ("CarePlan", "patient", ("Patient",)),
        ("CarePlan", "subject", ("Group", "Patient")),
        ("AllergyIntolerance", "patient", ("Patient",)),
        ("Appointment", "practitioner", ("Practitioner",)),
        ("Task", "focus", ()),
        ("Patient", "gender", ()),
    ],
)
def test_targets_are_those_that_the_element_allows(
    resource_type: str, code: str, targets: tuple[str, ...]
) -> None:
    assert search_parameters(resource_type)[code].targets == targets


def test_what_this_server_cannot_search_is_not_there() -> None:
    for code in ("_text", "_content", "_filter", "_query", "near"):
        assert code not in search_parameters("Location")


def test_composites_know_their_components() -> None:
    parameter = search_parameters("Observation")["component-code-value-quantity"]

    assert [each.parameter.type for each in parameter.components] == ["token", "quantity"]


def test_names_have_keys_of_their_own() -> None:
    names = {
        parameter.name
        for resource_type in definitions().resource_types
        for parameter in search_parameters(resource_type).values()
    }

    assert len({key_of(name) for name in names}) == len(names) > 1500
