"""The text that we write into a resource."""

import copy
from typing import Any

import pytest

from fhirbridge.fhir import wire
from fhirbridge.fhir.narrative import is_generated, narrate
from fhirbridge.fhir.validation import check
from tests import official_examples

PLAN = {
    "resourceType": "CarePlan",
    "id": "plan",
    "identifier": [{"system": "https://ids.example", "value": "machine-readable"}],
    "status": "active",
    "intent": "plan",
    "category": [
        {
            "coding": [
                {
                    "system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
                    "code": "assess-plan",
                }
            ]
        },
        {"coding": [{"system": "http://snomed.info/sct", "code": "734163000"}]},
    ],
    "subject": {"reference": "Patient/p"},
    "period": {"start": "2026-03-30"},
    "author": {"reference": "Practitioner/a"},
    "goal": [{"reference": "Goal/g"}],
    "activity": [
        {"reference": {"reference": "Appointment/withheld"}},
        {
            "detail": {
                "kind": "ServiceRequest",
                "code": {"coding": [{"system": "https://x.example", "code": "support-group"}]},
                "status": "in-progress",
                "scheduledTiming": {
                    "repeat": {
                        "frequency": 1,
                        "period": 1,
                        "periodUnit": "wk",
                        "dayOfWeek": ["tue"],
                        "timeOfDay": ["18:30:00"],
                    }
                },
            }
        },
    ],
}
OTHERS = {
    "Goal/g": {"resourceType": "Goal", "description": {"text": "I stay sober."}},
    "Practitioner/a": {
        "resourceType": "Practitioner",
        "name": [{"family": "Okafor", "given": ["Ngozi"], "prefix": ["Ms."]}],
    },
}


def told(resource: Any, others: Any = {}) -> str:  # noqa: B006
    return str(narrate(resource, others)["div"])


def test_care_plan_tells_status_period_goals_activities_and_contacts_in_this_order() -> None:
    text = told(PLAN, OTHERS)

    wanted = [
        "<b>Care plan</b>",
        "<li><b>Status</b>: active</li>",
        "<li><b>Period</b>: from March 30, 2026</li>",
        "<li><b>Goals</b>: I stay sober.</li>",
        "<li>support group; status: in progress; scheduled: Tuesdays at 6:30 PM</li>",
        "<li><b>Author</b>: Ms. Ngozi Okafor</li>",
    ]
    places = [text.find(part) for part in wanted]
    assert -1 not in places
    assert places == sorted(places)


def test_nothing_of_resources_that_may_not_be_told_gets_in() -> None:
    text = told(PLAN)

    assert "I stay sober" not in text
    assert "Okafor" not in text
    assert "Subject" not in text


def test_linked_activities_that_are_not_told_are_counted() -> None:
    assert "<li>1 more in linked records</li>" in told(PLAN)


def test_machine_codes_and_identifiers_are_left_out() -> None:
    text = told(PLAN, OTHERS)

    assert "734163000" not in text
    assert "machine-readable" not in text
    assert "https://" not in text.replace("http://www.w3.org/1999/xhtml", "")


@pytest.mark.parametrize(
    ("concept", "text"),
    [
        ({"text": "Naltrexone", "coding": [{"code": "1", "display": "other"}]}, "Naltrexone"),
        ({"coding": [{"code": "a-word"}, {"code": "1", "display": "Shown"}]}, "Shown"),
        ({"coding": [{"code": "7654"}, {"code": "physical-activity"}]}, "physical activity"),
        ({"coding": [{"code": "F10.20"}]}, "F10.20"),
    ],
    ids=["text first", "then a display", "then a word", "at last any code"],
)
def test_code_is_shown_only_where_no_words_are(concept: Any, text: str) -> None:
    condition = {"resourceType": "Condition", "code": concept}

    assert f"<li><b>Code</b>: {text}</li>" in told(condition)


def test_values_are_escaped_and_safe() -> None:
    goal = {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "<script>alert('x')</script> & more\nnext line\x02"},
        "subject": {"reference": "Patient/p"},
    }

    text = told(goal)

    assert "&lt;script&gt;alert('x')&lt;/script&gt; &amp; more<br/>next line\ufffd" in text
    assert [i for i in check({**goal, "description": {"text": "x"}, "text": narrate(goal)})] == []


def test_same_resource_gives_the_same_text_whatever_the_order_of_its_elements() -> None:
    reordered = dict(reversed(copy.deepcopy(PLAN).items()))

    assert narrate(PLAN, OTHERS) == narrate(reordered, OTHERS)
    assert narrate({**PLAN, "text": narrate(PLAN)}) == narrate(PLAN)


def test_resources_that_name_each_other_end() -> None:
    role = {"resourceType": "PractitionerRole", "practitioner": {"reference": "PractitionerRole/1"}}

    text = told(
        {"resourceType": "Task", "owner": {"reference": "PractitionerRole/1"}},
        {"PractitionerRole/1": role},
    )

    assert text.endswith("<p><b>Task</b></p></div>")


def test_modifier_extension_is_told_and_changes_the_status() -> None:
    url = "https://elsewhere.example/not-really"
    goal = {"resourceType": "Goal", "modifierExtension": [{"url": url, "valueBoolean": True}]}

    text = narrate(goal)

    assert text["status"] == "extensions"
    assert "Not really: yes" in text["div"]


@pytest.mark.parametrize(
    ("text", "generated"),
    [
        ({"status": "generated", "div": "<div/>"}, True),
        ({"status": "additional", "div": "<div/>"}, False),
        ({"status": "generated", "div": "<div/>", "extension": []}, False),
        ("generated", False),
    ],
)
def test_generated_narrative_is_known_by_its_status(text: Any, generated: bool) -> None:
    assert is_generated(text) is generated


def test_questionnaire_response_reads_as_questions_and_answers() -> None:
    response = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "item": [
            {"linkId": "readiness", "text": "Ready?", "answer": [{"valueBoolean": True}]},
            {
                "linkId": "plan.triggers",
                "item": [
                    {"linkId": "plan.triggers.id", "answer": [{"valueString": "tr-1"}]},
                    {"linkId": "plan.triggers.level", "answer": [{"valueString": "high"}]},
                ],
            },
        ],
    }

    text = told(response)

    assert "<li>Ready?: yes</li>" in text
    assert "<li>Plan triggers: Level: high</li>" in text
    assert "tr-1" not in text


def test_every_official_example_gets_a_text_that_the_gate_takes() -> None:
    refused = {}
    for name, content in official_examples.sample().items():
        resource = wire.parse(content)
        if "text" in resource:
            resource["text"] = narrate(resource)
            found = [path for issue in check(resource) for path in issue.expression]
            if any(".text" in path for path in found):
                refused[name] = found

    assert refused == {}
