import copy
from typing import Any

import fhirkit
import pytest

from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.findings import MAX_ISSUES
from tests.unit.fhir.validation.bases import ABSENT, BASES, changed, verdict

EXTENSION = {"url": "http://x.example/e", "valueCode": "a"}

# base, place, new value, expected faults
FAULTS: list[tuple[str, tuple[str | int, ...], Any, set[tuple[str, str]]]] = [
    # unknown and missing elements
    ("care_plan", ("nonsense",), 1, {("structure", "CarePlan.nonsense")}),
    ("care_plan", ("Status",), "active", {("structure", "CarePlan.Status")}),
    ("care_plan", ("statusReason",), {"text": "a"}, {("structure", "CarePlan.statusReason")}),
    ("care_plan", ("078-05-1120",), 1, {("structure", "CarePlan")}),
    ("care_plan", ("_subject",), {"extension": [EXTENSION]}, {("structure", "CarePlan._subject")}),
    ("care_plan", ("resourceType",), ABSENT, {("structure", "Resource")}),
    ("care_plan", ("resourceType",), "Nonsense", {("structure", "Resource")}),
    ("care_plan", ("resourceType",), "DomainResource", {("structure", "Resource")}),
    ("care_plan", ("resourceType",), ["CarePlan"], {("structure", "Resource")}),
    ("care_plan", ("status",), ABSENT, {("required", "CarePlan.status")}),
    ("care_plan", ("subject",), ABSENT, {("required", "CarePlan.subject")}),
    (
        "care_plan",
        ("activity", 1, "detail", "status"),
        ABSENT,
        {("required", "CarePlan.activity[1].detail.status")},
    ),
    (
        "care_plan",
        ("activity", 1, "detail", "scheduledTiming", "repeat", "x"),
        1,
        {("structure", "CarePlan.activity[1].detail.scheduled.ofType(Timing).repeat.x")},
    ),
    ("appointment", ("participant",), ABSENT, {("required", "Appointment.participant")}),
    ("care_plan", ("extension", 0, "url"), ABSENT, {("required", "CarePlan.extension[0].url")}),
    # wrong JSON types
    ("care_plan", ("subject",), "Patient/1", {("structure", "CarePlan.subject")}),
    ("care_plan", ("subject",), [{"reference": "Patient/1"}], {("structure", "CarePlan.subject")}),
    ("care_plan", ("category",), {"text": "a"}, {("structure", "CarePlan.category")}),
    ("care_plan", ("category", 0), "a", {("structure", "CarePlan.category[0]")}),
    ("care_plan", ("status",), ["active"], {("structure", "CarePlan.status")}),
    ("care_plan", ("status",), {"value": "active"}, {("structure", "CarePlan.status")}),
    (
        "care_plan",
        ("contained", 0),
        "g",
        {("structure", "CarePlan.contained[0]"), ("invariant", "CarePlan.goal[0].reference")},
    ),
    ("care_plan", ("contained", 0, "resourceType"), 5, {("structure", "CarePlan.contained[0]")}),
    ("patient", ("active",), "true", {("value", "Patient.active")}),
    ("patient", ("active",), 1, {("value", "Patient.active")}),
    ("patient", ("birthDate",), 1990, {("value", "Patient.birthDate")}),
    ("patient", ("name", 0, "given"), "Ann", {("structure", "Patient.name[0].given")}),
    ("patient", ("name", 0, "family"), ["E"], {("structure", "Patient.name[0].family")}),
    (
        "patient",
        ("multipleBirthInteger",),
        "2",
        {("value", "Patient.multipleBirth.ofType(integer)")},
    ),
    (
        "patient",
        ("multipleBirthInteger",),
        True,
        {("value", "Patient.multipleBirth.ofType(integer)")},
    ),
    (
        "observation",
        ("valueQuantity", "value"),
        "1",
        {("value", "Observation.value.ofType(Quantity).value")},
    ),
    (
        "observation",
        ("valueQuantity", "value"),
        True,
        {("value", "Observation.value.ofType(Quantity).value")},
    ),
    # null and empty
    ("care_plan", ("title",), None, {("structure", "CarePlan.title")}),
    ("care_plan", ("period",), None, {("structure", "CarePlan.period")}),
    ("care_plan", ("category",), None, {("structure", "CarePlan.category")}),
    ("care_plan", ("category",), [], {("structure", "CarePlan.category")}),
    ("care_plan", ("category",), [None], {("structure", "CarePlan.category[0]")}),
    ("care_plan", ("period",), {}, {("structure", "CarePlan.period")}),
    ("care_plan", ("period",), {"id": "a"}, {("structure", "CarePlan.period")}),
    ("care_plan", ("category", 0), {}, {("structure", "CarePlan.category[0]")}),
    ("care_plan", ("title",), "", {("value", "CarePlan.title")}),
    ("patient", ("name", 0, "given"), [], {("structure", "Patient.name[0].given")}),
    ("patient", ("name", 0, "given"), ["A", None], {("structure", "Patient.name[0].given[1]")}),
    ("patient", ("name", 0, "given"), ["A", ""], {("value", "Patient.name[0].given[1]")}),
    # primitive companions
    ("patient", ("_birthDate",), {}, {("structure", "Patient.birthDate")}),
    ("patient", ("_birthDate",), None, {("structure", "Patient.birthDate")}),
    ("patient", ("_birthDate",), [], {("structure", "Patient.birthDate")}),
    ("patient", ("_birthDate", "value"), "x", {("structure", "Patient.birthDate.value")}),
    (
        "patient",
        ("_birthDate", "extension", 0, "valueTime"),
        "25:00:00",
        {("value", "Patient.birthDate.extension[0].value.ofType(time)")},
    ),
    (
        "patient",
        ("name", 0, "_given"),
        [{"extension": [EXTENSION]}],
        {("structure", "Patient.name[0].given")},
    ),
    ("patient", ("name", 0, "_given"), [None, None], {("structure", "Patient.name[0].given")}),
    ("patient", ("name", 0, "_given"), {"id": "a"}, {("structure", "Patient.name[0].given")}),
    ("patient", ("name", 0, "_given"), [None, {}], {("structure", "Patient.name[0].given[1]")}),
    # choices
    (
        "patient",
        ("multipleBirthBoolean",),
        True,
        {("structure", "Patient.multipleBirth")},
    ),
    (
        "patient",
        ("_multipleBirthBoolean",),
        {"extension": [EXTENSION]},
        {("structure", "Patient.multipleBirth")},
    ),
    ("patient", ("multipleBirthString",), "2", {("structure", "Patient.multipleBirthString")}),
    ("patient", ("multipleBirth",), 2, {("structure", "Patient.multipleBirth")}),
    (
        "care_plan",
        ("extension", 0, "valueCode"),
        "a",
        {("structure", "CarePlan.extension[0].value")},
    ),
    # primitive values
    ("care_plan", ("id",), "a b", {("value", "CarePlan.id")}),
    ("care_plan", ("id",), "x" * 65, {("value", "CarePlan.id")}),
    ("care_plan", ("id",), "ä", {("value", "CarePlan.id")}),
    ("care_plan", ("id",), "a\n", {("value", "CarePlan.id")}),
    ("care_plan", ("period", "start"), "1970-02-30", {("value", "CarePlan.period.start")}),
    ("care_plan", ("period", "start"), "2024-05-01T10:00", {("value", "CarePlan.period.start")}),
    ("care_plan", ("created",), "yesterday", {("value", "CarePlan.created")}),
    ("patient", ("birthDate",), "1990-02-29", {("value", "Patient.birthDate")}),
    ("patient", ("birthDate",), "1990-02-28T10:00:00Z", {("value", "Patient.birthDate")}),
    ("appointment", ("start",), "2024-05-06T18:00:00", {("value", "Appointment.start")}),
    ("appointment", ("start",), "2024-05-06", {("value", "Appointment.start")}),
    ("appointment", ("minutesDuration",), 0, {("value", "Appointment.minutesDuration")}),
    ("appointment", ("minutesDuration",), 2**31, {("value", "Appointment.minutesDuration")}),
    ("appointment", ("priority",), -1, {("value", "Appointment.priority")}),
    ("appointment", ("description",), "a\x07", {("value", "Appointment.description")}),
    ("appointment", ("description",), "a" * 1048577, {("value", "Appointment.description")}),
    ("patient", ("photo", 0, "data"), "not base64!", {("value", "Patient.photo[0].data")}),
    ("patient", ("identifier", 0, "system"), "a b", {("value", "Patient.identifier[0].system")}),
    ("patient", ("language",), " en", {("value", "Patient.language")}),
    ("patient", ("meta",), {"lastUpdated": "2024"}, {("value", "Patient.meta.lastUpdated")}),
    # required bindings
    ("care_plan", ("status",), "bogus", {("code-invalid", "CarePlan.status")}),
    ("care_plan", ("status",), "Active", {("code-invalid", "CarePlan.status")}),
    ("care_plan", ("intent",), "directive", {("code-invalid", "CarePlan.intent")}),
    (
        "care_plan",
        ("activity", 1, "detail", "kind"),
        "Patient",
        {("code-invalid", "CarePlan.activity[1].detail.kind")},
    ),
    ("patient", ("gender",), "woman", {("code-invalid", "Patient.gender")}),
    ("patient", ("gender",), 5, {("value", "Patient.gender")}),
    (
        "patient",
        ("telecom", 0, "system"),
        "telephone",
        {("code-invalid", "Patient.telecom[0].system")},
    ),
    (
        "patient",
        ("photo", 0, "contentType"),
        "png",
        {("code-invalid", "Patient.photo[0].contentType")},
    ),
    (
        "condition",
        ("clinicalStatus", "coding", 0, "code"),
        "bogus",
        {("code-invalid", "Condition.clinicalStatus")},
    ),
    (
        "condition",
        ("clinicalStatus",),
        {"text": "active"},
        {("code-invalid", "Condition.clinicalStatus")},
    ),
    # references
    (
        "care_plan",
        ("subject", "reference"),
        "Practitioner/1",
        {("invariant", "CarePlan.subject")},
    ),
    (
        "care_plan",
        ("subject", "reference"),
        "Practitioner?identifier=a",
        {("invariant", "CarePlan.subject")},
    ),
    ("care_plan", ("subject",), {"type": "Device"}, {("invariant", "CarePlan.subject")}),
    ("care_plan", ("subject", "reference"), "#g", {("invariant", "CarePlan.subject")}),
    ("care_plan", ("subject", "reference"), "#", {("invariant", "CarePlan.subject")}),
    (
        "care_plan",
        ("subject", "reference"),
        "#none",
        {("invariant", "CarePlan.subject.reference")},
    ),
    # resources inside
    (
        "care_plan",
        ("contained", 0, "nonsense"),
        1,
        {("structure", "CarePlan.contained[0].nonsense")},
    ),
    (
        "care_plan",
        ("contained", 0, "subject", "reference"),
        "Device/1",
        {("invariant", "CarePlan.contained[0].subject")},
    ),
    (
        "care_plan",
        ("contained", 0, "contained"),
        [
            {
                "resourceType": "Basic",
                "id": "b",
                "code": {"text": "a"},
                "subject": {"reference": "#"},
            }
        ],
        {("invariant", "CarePlan")},
    ),
    (
        "care_plan",
        ("contained", 0, "id"),
        "other",
        {("invariant", "CarePlan"), ("invariant", "CarePlan.goal[0].reference")},
    ),
    ("care_plan", ("contained", 0, "meta"), {"versionId": "1"}, {("invariant", "CarePlan")}),
    (
        "care_plan",
        ("contained", 0, "meta"),
        {"security": [{"code": "R"}]},
        {("invariant", "CarePlan")},
    ),
    (
        "bundle",
        ("entry", 0, "resource", "gender"),
        "f",
        {("code-invalid", "Bundle.entry[0].resource.gender")},
    ),
    (
        "bundle",
        ("entry", 0, "resource"),
        {"gender": "female"},
        {("structure", "Bundle.entry[0].resource")},
    ),
    (
        "bundle",
        ("entry", 0, "resource", "managingOrganization"),
        {"reference": "#o"},
        {("invariant", "Bundle.entry[0].resource.managingOrganization.reference")},
    ),
    (
        "bundle",
        ("entry", 0, "resource", "id"),
        None,
        {("structure", "Bundle.entry[0].resource.id")},
    ),
]

LEGAL: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("care_plan", ("title",), " with spaces\nand lines "),
    ("care_plan", ("subject", "reference"), "urn:uuid:0a0b0c0d-0000-4000-8000-000000000001"),
    ("care_plan", ("subject", "reference"), "https://x.example/fhir/Patient/1"),
    ("care_plan", ("subject", "reference"), "Group/1/_history/2"),
    ("care_plan", ("subject", "reference"), "Patient?identifier=http://x.example/mrn|1"),
    ("care_plan", ("subject",), {"display": "somebody"}),
    ("care_plan", ("subject",), {"identifier": {"value": "1"}, "type": "Patient"}),
    ("care_plan", ("period", "start"), "2024"),
    ("care_plan", ("period", "start"), "2024-02-29T23:59:60.123456789+14:00"),
    ("care_plan", ("supportingInfo",), [{"reference": "Binary/1"}]),
    ("care_plan", ("modifierExtension",), [EXTENSION]),
    ("care_plan", ("_status",), {"extension": [EXTENSION]}),
    (
        "care_plan",
        ("text",),
        {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'},
    ),
    ("patient", ("birthDate",), ABSENT),
    ("patient", ("birthDate",), "2000-02-29"),
    ("patient", ("name", 0, "_given"), [None, {"extension": [EXTENSION]}]),
    ("patient", ("name", 0), {"given": ["A", None], "_given": [None, {"extension": [EXTENSION]}]}),
    ("patient", ("name", 0), {"_given": [{"extension": [EXTENSION]}]}),
    ("patient", ("active",), False),
    ("patient", ("multipleBirthInteger",), -1),
    ("patient", ("photo", 0, "data"), "aGVs\nbG8="),
    ("patient", ("photo", 0, "contentType"), "text/plain; charset=utf-8"),
    ("patient", ("meta",), {"versionId": "1", "profile": ["http://x.example/p|1.0"]}),
    ("observation", ("valueQuantity", "value"), 0),
    ("observation", ("valueQuantity",), {"extension": [EXTENSION]}),
    ("parameters", ("parameter", 0), {"name": "r", "resource": BASES["patient"]}),
    ("bundle", ("entry",), ABSENT),
]


@pytest.mark.parametrize("name", BASES)
def test_the_bases_are_valid(name: str) -> None:
    assert check(BASES[name]) == []


@pytest.mark.parametrize(
    ("base", "path", "value", "expected"),
    FAULTS,
    ids=[f"{i}-{base}-{'.'.join(map(str, path))}" for i, (base, path, _, _) in enumerate(FAULTS)],
)
def test_one_fault_is_found_at_its_place(
    base: str, path: tuple[str | int, ...], value: Any, expected: set[tuple[str, str]]
) -> None:
    assert verdict(changed(base, path, value)) == expected


@pytest.mark.parametrize(
    ("base", "path", "value"),
    LEGAL,
    ids=[f"{i}-{base}-{'.'.join(map(str, path))}" for i, (base, path, _) in enumerate(LEGAL)],
)
def test_what_r4_allows_is_accepted(base: str, path: tuple[str | int, ...], value: Any) -> None:
    assert verdict(changed(base, path, value)) == set()


def test_a_missing_primitive_with_an_extension_is_present() -> None:
    care_plan = changed("care_plan", ("status",), ABSENT)
    care_plan["_status"] = {"extension": [EXTENSION]}

    assert check(care_plan) == []


def test_a_reference_to_an_entry_of_the_bundle_must_be_of_a_target_type() -> None:
    url = BASES["bundle"]["entry"][0]["fullUrl"]
    bundle = changed("bundle", ("entry", 1), copy.deepcopy(BASES["bundle"]["entry"][0]))
    bundle["entry"][1]["fullUrl"] = "urn:uuid:0a0b0c0d-0000-4000-8000-000000000002"
    bundle["entry"][1]["resource"]["generalPractitioner"] = [{"reference": url}]
    bundle["entry"][1]["resource"]["link"] = [{"other": {"reference": url}, "type": "seealso"}]

    assert verdict(bundle) == {
        ("invariant", "Bundle.entry[1].resource.generalPractitioner[0]"),
    }


def test_all_faults_come_at_once() -> None:
    care_plan = changed("care_plan", ("status",), "bogus")
    care_plan["nonsense"] = 1
    del care_plan["intent"]
    care_plan["period"] = {"start": "2024-05-02", "end": "2024-05-01"}
    care_plan["activity"][0]["detail"] = {"status": "bogus"}

    assert verdict(care_plan) == {
        ("code-invalid", "CarePlan.status"),
        ("structure", "CarePlan.nonsense"),
        ("required", "CarePlan.intent"),
        ("invariant", "CarePlan.period"),
        ("code-invalid", "CarePlan.activity[0].detail.status"),
        ("invariant", "CarePlan.activity[0]"),
    }


def test_rules_are_checked_beside_broken_structure() -> None:
    appointment = changed("appointment", ("end",), ABSENT)
    appointment["start"] = 5
    appointment["status"] = "bogus"

    assert ("invariant", "Appointment") in verdict(appointment)


@pytest.mark.parametrize("value", [None, [], "x", 5, True, {"a": {"b": [None]}}, [[1]]], ids=repr)
def test_no_element_of_any_type_makes_the_check_fail(value: Any) -> None:
    for name, base in BASES.items():
        for element in base:
            check(changed(name, (element,), value))


def test_messages_hold_no_values() -> None:
    patient = changed("patient", ("birthDate",), "078-05-1120")
    patient["gender"] = "Jane Roe"
    patient["name"] = [{"family": 5, "Jane Roe": 1}]
    patient["text"] = {"status": "generated", "div": "<Jane>Roe"}

    issues = check(patient)

    assert len(issues) >= 4
    for secret in ("078", "Jane", "Roe"):
        assert secret not in str(issues)


def test_messages_say_what_was_expected() -> None:
    issues = check(changed("care_plan", ("intent",), "directive"))

    assert [issue.diagnostics for issue in issues] == [
        "intent must be one of option, order, plan, proposal."
    ]


def test_a_body_full_of_faults_gets_a_short_list() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"nonsense": 1} for _ in range(100_000)],
    }

    issues = check(bundle)

    assert len(issues) == MAX_ISSUES + 1
    assert issues[-1].severity == "warning"


@pytest.mark.parametrize("row", range(len(LEGAL)))
def test_fhirkit_accepts_what_r4_allows(row: int) -> None:
    theirs = [
        issue for issue in fhirkit.validate(changed(*LEGAL[row])) if issue.severity == "error"
    ]

    assert theirs == []
