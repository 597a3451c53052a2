import copy
from typing import Any

import pytest

from fhirbridge.fhir.definitions import constraints
from fhirbridge.fhir.validation import check
from fhirbridge.fhir.validation.invariants import RULES
from tests.unit.fhir.validation.bases import ABSENT, BASES

TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
UCUM = "http://unitsofmeasure.org"


def concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": TERMINOLOGY + system, "code": code}]}


ENTERED_IN_ERROR = concept("condition-ver-status", "entered-in-error")
RESOLVED = concept("condition-clinical", "resolved")
PATIENT = {"resourceType": "Patient"}

# base, changes to it, keys of the rules that are then broken
CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("appointment", {"end": ABSENT}, {"app-2", "app-3"}),
    ("appointment", {"start": ABSENT, "end": ABSENT}, {"app-3"}),
    ("appointment", {"start": ABSENT, "end": ABSENT, "status": "proposed"}, set()),
    ("appointment", {"cancelationReason": {"text": "ill"}}, {"app-4"}),
    ("appointment", {"cancelationReason": {"text": "ill"}, "status": "noshow"}, set()),
    ("appointment", {"cancelationReason": {"text": "ill"}, "status": "cancelled"}, set()),
    ("appointment", {"participant": [{"status": "accepted"}]}, {"app-1"}),
    ("appointment", {"participant": [{"status": "accepted", "type": [{"text": "a"}]}]}, set()),
    ("care_plan", {"period": {"start": "2024-05-02", "end": "2024-05-01"}}, {"per-1"}),
    ("care_plan", {"period": {"start": "2024-05", "end": "2024"}}, set()),
    ("care_plan", {"period": {"start": "2025", "end": "2024-12"}}, {"per-1"}),
    (
        "care_plan",
        {"period": {"start": "2024-05-01T10:00:00Z", "end": "2024-05-01T10:00:00+01:00"}},
        {"per-1"},
    ),
    (
        "care_plan",
        {"period": {"start": "2024-05-01T10:00:00+01:00", "end": "2024-05-01T10:00:00Z"}},
        set(),
    ),
    ("care_plan", {"period": {"start": "2024-05-02", "end": "2024-05-01T20:00:00-05:00"}}, set()),
    ("care_plan", {"period": {"start": "2024-05-03", "end": "2024-05-01T20:00:00Z"}}, {"per-1"}),
    ("care_plan", {"period": {"start": "0001", "end": "9999-12-31"}}, set()),
    (
        "care_plan",
        {"activity": [{"reference": {"reference": "Task/1"}, "detail": {"status": "scheduled"}}]},
        {"cpl-3"},
    ),
    ("care_plan", {"extension": [{"url": "http://x.example/e"}]}, {"ext-1"}),
    (
        "care_plan",
        {
            "extension": [
                {
                    "url": "http://x.example/e",
                    "valueCode": "a",
                    "extension": [{"url": "b", "valueCode": "c"}],
                }
            ]
        },
        {"ext-1"},
    ),
    ("care_plan", {"goal": [{"reference": "Goal/1"}]}, {"dom-3"}),
    ("consent", {"policyRule": ABSENT}, {"ppc-1"}),
    ("consent", {"patient": ABSENT}, {"ppc-2"}),
    ("consent", {"patient": ABSENT, "scope": concept("consentscope", "research")}, {"ppc-3"}),
    ("consent", {"patient": ABSENT, "scope": concept("consentscope", "adr")}, {"ppc-4"}),
    ("consent", {"patient": ABSENT, "scope": concept("consentscope", "treatment")}, {"ppc-5"}),
    ("task", {"lastModified": "2024-04-30T10:00:00Z"}, {"inv-1"}),
    ("task", {"lastModified": "2024-05-01"}, set()),
    ("task", {"authoredOn": ABSENT}, set()),
    ("patient", {"contact": [{"gender": "male"}]}, {"pat-1"}),
    ("patient", {"telecom": [{"value": "555 0100"}]}, {"cpt-2"}),
    ("patient", {"photo": [{"data": "aGVsbG8="}]}, {"att-1"}),
    ("observation", {"dataAbsentReason": {"text": "a"}}, {"obs-6"}),
    (
        "observation",
        {
            "component": [
                {
                    "code": {"coding": [{"system": "http://loinc.org", "code": "1"}]},
                    "valueString": "a",
                }
            ]
        },
        {"obs-7"},
    ),
    ("observation", {"referenceRange": [{"type": {"text": "a"}}]}, {"obs-3"}),
    ("observation", {"referenceRange": [{"low": {"value": 1, "comparator": "<"}}]}, {"sqty-1"}),
    ("observation", {"valueQuantity": {"value": 1, "code": "mg"}}, {"qty-3"}),
    (
        "observation",
        {"valueQuantity": ABSENT, "valueRange": {"low": {"value": 2}, "high": {"value": 1}}},
        {"rng-2"},
    ),
    (
        "observation",
        {
            "valueQuantity": ABSENT,
            "valueRange": {"low": {"value": 2, "unit": "mg"}, "high": {"value": 1, "unit": "g"}},
        },
        set(),
    ),
    (
        "observation",
        {"valueQuantity": ABSENT, "valueRatio": {"numerator": {"value": 1}}},
        {"rat-1"},
    ),
    ("condition", {"abatementDateTime": "2024"}, {"con-4"}),
    ("condition", {"abatementDateTime": "2024", "clinicalStatus": RESOLVED}, set()),
    ("condition", {"verificationStatus": ENTERED_IN_ERROR}, {"con-5"}),
    ("condition", {"stage": [{"type": {"text": "a"}}]}, {"con-1"}),
    ("condition", {"evidence": [{"extension": [{"url": "a", "valueCode": "b"}]}]}, {"con-2"}),
    ("condition", {"onsetAge": {"value": 30}}, {"age-1"}),
    ("condition", {"onsetAge": {"value": -1, "system": UCUM, "code": "a"}}, {"age-1"}),
    ("condition", {"onsetAge": {"value": 30, "system": UCUM, "code": "a"}}, set()),
    ("composition", {"section": [{"title": "a"}]}, {"cmp-1"}),
    (
        "composition",
        {"section": [{"entry": [{"reference": "Goal/1"}], "emptyReason": {"text": "a"}}]},
        {"cmp-2"},
    ),
    ("composition", {"section": [{"section": [{"title": "a"}]}]}, {"cmp-1"}),
    (
        "questionnaire_response",
        {"item": [{"linkId": "1", "answer": [{"valueString": "a"}], "item": [{"linkId": "2"}]}]},
        {"qrs-1"},
    ),
    ("parameters", {"parameter": [{"name": "a"}]}, {"inv-1"}),
    (
        "parameters",
        {"parameter": [{"name": "a", "valueCode": "b", "resource": PATIENT}]},
        {"inv-1"},
    ),
    ("bundle", {"total": 1}, {"bdl-1"}),
    ("bundle", {"type": "collection"}, {"bdl-3"}),
    ("bundle", {"entry": [{"resource": PATIENT}]}, {"bdl-3"}),
    (
        "bundle",
        {"type": "searchset", "entry": [{"search": {"mode": "match"}}]},
        {"bdl-5"},
    ),
    (
        "bundle",
        {"type": "collection", "entry": [{"resource": PATIENT, "search": {"mode": "match"}}]},
        {"bdl-2"},
    ),
    ("bundle", {"type": "batch-response", "entry": [{"resource": PATIENT}]}, {"bdl-4"}),
    (
        "bundle",
        {
            "type": "collection",
            "entry": [{"fullUrl": "http://a.example/1", "resource": PATIENT}] * 2,
        },
        {"bdl-7"},
    ),
    (
        "bundle",
        {
            "type": "collection",
            "entry": [{"fullUrl": "http://a.example/Patient/1/_history/2", "resource": PATIENT}],
        },
        {"bdl-8"},
    ),
    ("bundle", {"type": "document", "entry": ABSENT}, {"bdl-9", "bdl-10", "bdl-11"}),
    ("bundle", {"type": "message", "entry": [{"resource": PATIENT}]}, {"bdl-12"}),
]


def make(base: str, changes: dict[str, Any]) -> dict[str, Any]:
    resource = copy.deepcopy(BASES[base])
    for name, value in changes.items():
        if value is ABSENT:
            del resource[name]
        else:
            resource[name] = value
    return resource


def rule_keys(resource: dict[str, Any]) -> set[str]:
    issues = check(resource)
    assert {issue.code for issue in issues} <= {"invariant"}
    return {issue.rule for issue in issues}


@pytest.mark.parametrize(
    ("base", "changes", "keys"),
    CASES,
    ids=[
        f"{i}-{base}-{'-'.join(sorted(keys)) or 'fine'}" for i, (base, _, keys) in enumerate(CASES)
    ],
)
def test_rules_are_enforced(base: str, changes: dict[str, Any], keys: set[str]) -> None:
    assert rule_keys(make(base, changes)) == keys


REPEAT_CASES = [
    ({"duration": 1}, {"tim-1"}),
    ({"period": 1}, {"tim-2"}),
    ({"duration": -1, "durationUnit": "h"}, {"tim-4"}),
    ({"period": -1, "periodUnit": "d"}, {"tim-5"}),
    ({"periodMax": 1, "frequency": 1}, {"tim-6"}),
    ({"durationMax": 1}, {"tim-7"}),
    ({"countMax": 1}, {"tim-8"}),
    ({"offset": 10}, {"tim-9"}),
    ({"offset": 10, "when": ["C"]}, {"tim-9"}),
    ({"offset": 10, "when": ["AC"]}, set()),
    ({"timeOfDay": ["10:00:00"], "when": ["MORN"]}, {"tim-10"}),
    ({"boundsDuration": {"value": 6, "system": UCUM, "code": "wk"}, "frequency": 1}, set()),
    ({"boundsDuration": {"value": 6, "code": "wk", "system": "http://x.example"}}, {"drt-1"}),
    ({"boundsPeriod": {"start": "2024-05-02", "end": "2024-05-01"}}, {"per-1"}),
]


@pytest.mark.parametrize(("repeat", "keys"), REPEAT_CASES, ids=lambda v: str(v)[:40])
def test_timing_rules_are_enforced(repeat: dict[str, Any], keys: set[str]) -> None:
    care_plan = copy.deepcopy(BASES["care_plan"])
    care_plan["activity"][1]["detail"]["scheduledTiming"] = {"repeat": repeat}

    assert rule_keys(care_plan) == keys


def test_every_rule_belongs_to_an_invariant_of_r4() -> None:
    for place, rules in RULES.items():
        known = {
            key
            for where, listed in constraints().items()
            if where == place or where.startswith(place + ".")
            for key, constraint in listed.items()
            if constraint.severity == "error"
        }
        assert set(rules) <= known, place


def test_which_rules_are_not_enforced_is_known() -> None:
    enforced = {key for rules in RULES.values() for key in rules}
    elsewhere = {"ele-1", "ref-1", "txt-1", "txt-2"}
    left_out = {
        key
        for listed in constraints().values()
        for key, constraint in listed.items()
        if constraint.severity == "error" and key not in enforced | elsewhere
    }

    # Conformance resources that the product stores but does not write, and one rule (ctm-1) that
    # would have to follow a reference.
    assert {key.partition("-")[0] for key in left_out} == {
        "ctm",
        "eld",
        "ig",
        "inv",
        "sdf",
        "smp",
        "tst",
    }


def test_the_message_is_in_the_words_of_the_specification() -> None:
    resource = make("task", {"lastModified": "2024-04-30T10:00:00Z"})

    assert [issue.diagnostics for issue in check(resource)] == [
        "Last modified date must be greater than or equal to authored-on date (inv-1)."
    ]
