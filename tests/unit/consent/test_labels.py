"""Labels and content classes, from what a resource says."""

from pathlib import Path

import pytest

from fhirbridge.consent.classes import (
    CLASSES,
    content_class,
    element_classes,
    everywhere,
    index_class,
    parts,
    permitted_rows,
)
from fhirbridge.consent.labels import ACT_CODE, CONFIDENTIALITY, ICD10CM, labels_of, merged
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import compiled
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native import documents
from tests.unit.consent.support import BASE

FIXTURES = Path(__file__).parents[3] / "fixtures"


def condition(code: str, **more: object) -> JsonObject:
    return {
        "resourceType": "Condition",
        "code": {"coding": [{"system": ICD10CM, "code": code}]},
        **more,
    }


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("F10.20", {"SUD", "ETH", "ETHUD"}),
        ("F11.21", {"SUD", "ETH", "OPIOIDUD"}),
        ("F14.20", {"SUD", "ETH"}),
        ("F33.1", {"PSY", "MH"}),
        ("R45.851", {"PSY", "MH"}),
        ("B20", {"HIV"}),
        ("T74.21XA", {"SDV"}),
        ("I10", set()),
    ],
)
def test_diagnoses_have_sensitivities(code: str, expected: set[str]) -> None:
    labels = labels_of(condition(code), is_part2=False)

    assert labels.codes == expected
    assert labels.level == ("R" if expected else "N")


def test_all_records_of_a_part2_program_are_restricted() -> None:
    labels = labels_of({"resourceType": "Appointment"}, is_part2=True)

    assert (labels.level, labels.codes) == ("R", {"SUD", "42CFRPart2"})


def test_a_directory_has_no_labels_of_its_own() -> None:
    organization = {"resourceType": "Organization", "name": "Example"}

    assert merged(organization, labels_of(organization, is_part2=True)) is organization


def test_what_a_sender_labelled_is_never_weakened() -> None:
    theirs = {"system": "http://example.org/labels", "code": "X", "display": "Ours"}
    level = {"system": CONFIDENTIALITY, "code": "V", "display": "very restricted"}
    resource = condition("F10.20", meta={"security": [theirs, level], "source": "s"})

    labels = labels_of(resource, is_part2=True)
    after = merged(resource, labels, more=("PERSISTLABEL",))["meta"]

    assert labels.level == "V"
    assert after["source"] == "s"
    assert after["security"][:2] == [theirs, level]
    assert {"system": ACT_CODE, "code": "PERSISTLABEL"} in after["security"]


def test_a_lower_level_of_the_sender_gives_way() -> None:
    resource = condition("F10.20", meta={"security": [{"system": CONFIDENTIALITY, "code": "N"}]})

    security = merged(resource, labels_of(resource, is_part2=True))["meta"]["security"]

    assert [each["code"] for each in security if each["system"] == CONFIDENTIALITY] == ["R"]


@pytest.mark.parametrize("label", ["PSYTHPN", "HIPAAPsyNotes"], ids=["R4", "newer terminology"])
def test_counseling_notes_are_a_class_of_their_own(label: str) -> None:
    note = {
        "resourceType": "DocumentReference",
        "securityLabel": [{"coding": [{"system": ACT_CODE, "code": label}]}],
    }

    assert content_class(note) == "counseling-notes"
    assert labels_of(note, is_part2=True).level == "V"


@pytest.mark.parametrize(
    "case",
    sorted(
        f"{kind}/{case}"
        for kind, case in [
            ("enrollment", "maximal"),
            ("enrollment", "co-occurring-medication"),
            ("aftercare-plan", "maximal"),
            ("referral", "maximal"),
            ("referral", "declined"),
        ]
    ),
)
def test_classes_are_those_of_the_mappings(case: str) -> None:
    """What the mapping packs call an element is what the gate takes it for."""
    data = wire.parse((FIXTURES / case / "native.json").read_bytes())
    document = documents.load(documents.kind_of(data), data)
    mapping = compiled(BASE, None)[document.kind]
    made = to_fhir(document, mapping, Identity())
    found = {}
    for entry in made.bundle["entry"]:
        resource = entry["resource"]
        name = made.entries[f"{resource['resourceType']}/{resource['id']}"]
        found[name] = (content_class(resource), mapping.compiled[name].entry.content_class)

    # Directories leave without a patient; people of a patient's life need both.
    different = {
        name: pair
        for name, pair in found.items()
        if pair[0] != pair[1] and pair[0] not in ("directory", "consent", "identity+treatment-plan")
    }
    assert not different


def test_elements_of_another_class_are_known() -> None:
    assert everywhere("treatment-plan")["addresses"] == "diagnosis"
    assert "reasonCode" not in everywhere("diagnosis")
    assert element_classes("CarePlan", "treatment-plan")["activity.progress"] == "progress"
    assert element_classes("Encounter", "appointments")["period"] == "progress"
    assert "period" not in element_classes("Encounter", "treatment-plan")


def test_index_rows_of_withheld_elements_are_of_both_classes() -> None:
    both = index_class("treatment-plan", "CarePlan.condition", "Condition")

    assert both == "diagnosis+treatment-plan"
    assert index_class("treatment-plan", "CarePlan.subject", "Patient") == "treatment-plan"
    assert index_class("treatment-plan", "CarePlan.status") == "treatment-plan"
    assert index_class("appointments", "Encounter.date") == "appointments+progress"


def test_rows_are_permitted_only_with_all_their_classes() -> None:
    rows = permitted_rows(frozenset({"treatment-plan", "identity"}))

    assert "identity+treatment-plan" in rows
    assert "diagnosis+treatment-plan" not in rows
    assert all(set(parts(row)) <= {"treatment-plan", "identity"} for row in rows)
    assert set(CLASSES) <= set(permitted_rows(frozenset(CLASSES)))
