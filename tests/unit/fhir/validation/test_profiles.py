"""US Core: what a profile asks beyond R4, in each version."""

import copy
from typing import Any

import pytest

from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.profiles import (
    US_CORE,
    check_profile,
    is_known,
    known_profiles,
    satisfied,
)
from fhirbridge.fhir.validation.rules_us_core import is_npi

NPI = "http://hl7.org/fhir/sid/us-npi"
SUBJECT = {"subject": {"reference": "Patient/p"}}


def concept(system: str, code: str) -> Any:
    return {"coding": [{"system": system, "code": code}]}


ASSESS = concept("http://hl7.org/fhir/us/core/CodeSystem/careplan-category", "assess-plan")
PROBLEM = concept("http://terminology.hl7.org/CodeSystem/condition-category", "problem-list-item")
SURVEY = concept("http://terminology.hl7.org/CodeSystem/observation-category", "survey")
MEMBER = concept("http://terminology.hl7.org/CodeSystem/v2-0203", "MB")
LOINC = concept("http://loinc.org", "18776-5")

# One resource for each profile, that holds all of it.
GOOD: dict[str, Any] = {
    "careplan": {
        "resourceType": "CarePlan",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
        "status": "active",
        "intent": "plan",
        "category": [ASSESS],
        **SUBJECT,
    },
    "careteam": {
        "resourceType": "CareTeam",
        "participant": [{"role": {"text": "x"}, "member": {"reference": "Practitioner/a"}}],
        **SUBJECT,
    },
    "condition-problems-health-concerns": {
        "resourceType": "Condition",
        "category": [PROBLEM],
        "code": {"text": "x"},
        **SUBJECT,
    },
    "coverage": {
        "resourceType": "Coverage",
        "status": "active",
        "identifier": [{"type": MEMBER, "value": "1"}],
        "beneficiary": {"reference": "Patient/p"},
        "relationship": {"text": "self"},
        "payor": [{"reference": "Organization/o"}],
    },
    "documentreference": {
        "resourceType": "DocumentReference",
        "status": "current",
        "type": LOINC,
        "category": [{"text": "x"}],
        "content": [{"attachment": {"url": "https://x.example/1"}}],
        **SUBJECT,
    },
    "encounter": {
        "resourceType": "Encounter",
        "identifier": [{"system": "https://x.example", "value": "1"}],
        "status": "finished",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        "type": [{"text": "x"}],
        **SUBJECT,
    },
    "goal": {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "x"},
        **SUBJECT,
    },
    "location": {
        "resourceType": "Location",
        "name": "x",
        "type": [concept("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "SURF")],
    },
    "medicationrequest": {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": "x"},
        "requester": {"reference": "Practitioner/a"},
        **SUBJECT,
    },
    "observation-screening-assessment": {
        "resourceType": "Observation",
        "status": "final",
        "category": [SURVEY],
        "code": {"text": "x"},
        "effectiveDateTime": "2026-02-12",
        "valueInteger": 3,
        **SUBJECT,
    },
    "organization": {
        "resourceType": "Organization",
        "identifier": [{"system": NPI, "value": "1234567893"}],
        "active": True,
        "name": "x",
    },
    "patient": {
        "resourceType": "Patient",
        "identifier": [{"system": "https://x.example", "value": "1"}],
        "name": [{"family": "x"}],
        "telecom": [{"system": "phone", "value": "1"}],
        "gender": "unknown",
    },
    "practitioner": {
        "resourceType": "Practitioner",
        "identifier": [{"system": NPI, "value": "1234567893"}],
        "name": [{"family": "x"}],
    },
    "practitionerrole": {
        "resourceType": "PractitionerRole",
        "practitioner": {"reference": "Practitioner/a"},
        "telecom": [{"system": "phone", "value": "1"}],
    },
    "procedure": {
        "resourceType": "Procedure",
        "status": "completed",
        "code": {"text": "x"},
        "performedDateTime": "2026-01-01",
        **SUBJECT,
    },
    "provenance": {
        "resourceType": "Provenance",
        "target": [{"reference": "CarePlan/c"}],
        "recorded": "2026-01-01T00:00:00Z",
        "agent": [
            {
                "who": {"reference": "Practitioner/a"},
                "onBehalfOf": {"reference": "Organization/o"},
            }
        ],
    },
    "questionnaireresponse": {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        **SUBJECT,
    },
    "relatedperson": {
        "resourceType": "RelatedPerson",
        "active": True,
        "patient": {"reference": "Patient/p"},
        "relationship": [{"text": "sister"}],
    },
    "servicerequest": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": {"text": "x"},
        **SUBJECT,
    },
}
ABSENT = "…"
# (profile, path, new value or ABSENT) -> the path that is reported.
BREAKS = [
    ("careplan", "text.status", "empty", "CarePlan.text.status"),
    ("careplan", "category", ABSENT, "CarePlan.category"),
    ("careplan", "category", [ASSESS, ASSESS], "CarePlan.category"),
    ("careplan", "category", [{"text": "x"}], "CarePlan.category"),
    ("careplan", "subject", {"reference": "Group/g"}, "CarePlan.subject"),
    ("careteam", "participant", ABSENT, "CareTeam.participant"),
    ("careteam", "participant.0.role", ABSENT, "CareTeam.participant[0].role"),
    (
        "careteam",
        "participant.0.role",
        [{"text": "a"}, {"text": "b"}],
        "CareTeam.participant[0].role",
    ),
    ("condition-problems-health-concerns", "category", [SURVEY], "Condition.category"),
    ("condition-problems-health-concerns", "code", ABSENT, "Condition.code"),
    ("coverage", "identifier", ABSENT, "Coverage"),
    ("coverage", "relationship", ABSENT, "Coverage.relationship"),
    ("coverage", "payor", [{"reference": "Organization/a"}] * 2, "Coverage.payor"),
    ("documentreference", "type", concept("https://x.example", "1"), "DocumentReference.type"),
    ("documentreference", "content.0.attachment", {}, "DocumentReference.content[0].attachment"),
    ("encounter", "identifier.0.system", ABSENT, "Encounter.identifier[0].system"),
    ("encounter", "type", ABSENT, "Encounter.type"),
    ("goal", "subject", {"reference": "Organization/o"}, "Goal.subject"),
    ("location", "name", ABSENT, "Location.name"),
    ("location", "type.0.coding", ABSENT, "Location.type[0].coding"),
    ("medicationrequest", "requester", ABSENT, "MedicationRequest"),
    ("observation-screening-assessment", "valueInteger", ABSENT, "Observation"),
    ("observation-screening-assessment", "effectiveDateTime", "2026-02", "Observation"),
    (
        "observation-screening-assessment",
        "valueQuantity",
        {"system": "https://x.example"},
        "Observation",
    ),
    ("organization", "active", ABSENT, "Organization.active"),
    ("organization", "identifier.0.value", "1234567890", "Organization.identifier[0]"),
    ("organization", "identifier.0.value", "123", "Organization.identifier[0]"),
    ("patient", "identifier", ABSENT, "Patient.identifier"),
    ("patient", "name.0", {"use": "usual"}, "Patient.name[0]"),
    ("patient", "telecom.0.value", ABSENT, "Patient.telecom[0].value"),
    ("patient", "gender", ABSENT, "Patient.gender"),
    ("practitioner", "name.0.family", ABSENT, "Practitioner.name[0].family"),
    ("practitionerrole", "practitioner", ABSENT, "PractitionerRole"),
    ("practitionerrole", "telecom", ABSENT, "PractitionerRole"),
    ("procedure", "performedDateTime", ABSENT, "Procedure"),
    ("provenance", "agent.0.onBehalfOf", ABSENT, "Provenance.agent[0]"),
    ("questionnaireresponse", "subject", ABSENT, "QuestionnaireResponse.subject"),
    ("relatedperson", "relationship", ABSENT, "RelatedPerson"),
    ("servicerequest", "code", ABSENT, "ServiceRequest.code"),
]


def url_of(name: str) -> str:
    return f"{US_CORE}us-core-{name}"


def changed(name: str, path: str, value: Any) -> Any:
    resource = copy.deepcopy(GOOD[name])
    holder = resource
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        holder = holder[step]
    if value == ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return resource


@pytest.mark.parametrize("name", GOOD)
def test_resource_that_holds_all_of_a_profile_satisfies_it(name: str) -> None:
    assert check_profile(GOOD[name], url_of(name)) == []
    assert url_of(name) in satisfied(GOOD[name])


@pytest.mark.parametrize(
    ("name", "path", "value", "place"),
    BREAKS,
    ids=[f"{name} {path} {str(value)[:20]}" for name, path, value, _ in BREAKS],
)
def test_broken_rule_is_told_with_its_place(name: str, path: str, value: Any, place: str) -> None:
    resource = changed(name, path, value)

    issues = check_profile(resource, url_of(name))

    assert {issue.expression for issue in issues} == {(place,)}
    assert {(issue.code, issue.severity) for issue in issues} == {("invariant", "error")}
    assert url_of(name) not in satisfied(resource)


def test_every_profile_but_two_has_a_case() -> None:
    covered = {url_of(name) for name in GOOD}

    assert set(known_profiles()) - covered == {
        url_of("condition-encounter-diagnosis"),
        url_of("adi-documentreference"),
    }


class TestVersions:
    def test_rule_of_one_version_holds_in_that_version_only(self) -> None:
        plan = changed("careplan", "category", [{"text": "x"}])

        broken = {
            version: bool(check_profile(plan, f"{url_of('careplan')}|{version}"))
            for version in ("6.1.0", "7.0.0", "8.0.1", "9.0.0")
        }

        assert broken == {"6.1.0": True, "7.0.0": True, "8.0.1": False, "9.0.0": False}

    def test_profile_or_version_that_we_do_not_know_is_said(self) -> None:
        assert not is_known(f"{url_of('careplan')}|3.1.1")
        assert not is_known("https://x.example/profile")
        assert [i.code for i in check_profile(GOOD["goal"], "https://x.example/profile")] == [
            "not-supported"
        ]

    def test_resource_of_another_type_does_not_satisfy(self) -> None:
        (issue,) = check_profile(GOOD["goal"], url_of("careplan"))

        assert issue.expression == ("resourceType",)


def test_absent_element_may_say_why_instead() -> None:
    why = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                "valueCode": "unknown",
            }
        ]
    }
    patient = changed("patient", "name.0", why)
    patient["_gender"] = {**why}
    del patient["gender"]

    assert check_profile(patient, url_of("patient")) == []


def test_type_behind_a_urn_is_taken_from_the_bundle() -> None:
    goal = changed("goal", "subject", {"reference": "urn:uuid:1"})

    assert check_profile(goal, url_of("goal")) == []
    assert check_profile(goal, url_of("goal"), types={"urn:uuid:1": "Organization"}) != []


@pytest.mark.parametrize(
    ("value", "valid"),
    [("1234567893", True), ("1245319599", True), ("1234567894", False), ("0000000000", False)],
)
def test_check_digit_of_npi(value: str, valid: bool) -> None:
    assert is_npi(value) is valid


class TestClaims:
    CLAIM = {"meta": {"profile": [url_of("careplan")]}}  # noqa: RUF012

    def test_claim_of_others_that_does_not_hold_is_a_warning(self) -> None:
        plan = {**changed("careplan", "category", ABSENT), **self.CLAIM}

        assert {(i.severity, i.code) for i in check(plan)} == {("warning", "invariant")}

    def test_claim_of_ours_that_does_not_hold_is_an_error(self) -> None:
        plan = {**changed("careplan", "category", ABSENT), **self.CLAIM}

        assert {(i.severity, i.code) for i in check(plan, ours=True)} == {("error", "invariant")}

    def test_claims_in_a_bundle_and_in_contained_are_placed(self) -> None:
        plan = {**changed("careplan", "category", ABSENT), **self.CLAIM}
        holder = {
            "resourceType": "Basic",
            "code": {"text": "x"},
            "contained": [{**plan, "id": "c"}],
        }
        bundle = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": GOOD["goal"]}, {"resource": plan}, {"resource": holder}],
        }

        places = {
            p
            for i in check(bundle, ours=True)
            if i.rule == "us-core-careplan"
            for p in i.expression
        }

        assert places == {
            "Bundle.entry[1].resource.category",
            "Bundle.entry[2].resource.contained[0].category",
        }

    def test_unknown_profiles_are_left_alone(self) -> None:
        goal = {
            **GOOD["goal"],
            "meta": {"profile": ["https://x.example/p", f"{url_of('goal')}|1.0.0"]},
        }

        assert check(goal, ours=True) == []

    def test_broken_resource_does_not_stop_the_check(self) -> None:
        plan = {**GOOD["careplan"], "category": "x", "text": 1, "subject": [], **self.CLAIM}

        assert any(issue.is_error for issue in check(plan))
