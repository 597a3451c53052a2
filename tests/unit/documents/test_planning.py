"""A skeleton aftercare plan from each enrollment of the fixtures."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from fhirbridge.cli.plan import command
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.documents.planning import Skeleton, skeleton
from fhirbridge.errors import InvalidContent
from fhirbridge.fhir.validation import check
from fhirbridge.native.documents import load
from tests.unit.documents.desk import FIXTURES, document, mappings

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
CASES = sorted(path.parent.name for path in (FIXTURES / "enrollment").glob("*/native.json"))


def drafted(enrollment: dict[str, Any], **options: Any) -> Skeleton:
    return skeleton(load("enrollment", enrollment), now=NOW, **options)


@pytest.mark.parametrize("case", CASES)
def test_skeleton_loads_with_warnings_only_and_converts(case: str) -> None:
    made = drafted(document("enrollment", case))

    loaded = load("aftercare-plan", made.plan)
    assert loaded.data == made.plan
    assert [issue for issue in made.missing if issue.is_error] == []
    bundle = to_fhir(loaded, mappings()["aftercare-plan"], Identity()).bundle
    assert [issue for issue in check(bundle) if issue.is_error] == []


def test_what_continues_is_carried_as_it_is() -> None:
    enrollment = load("enrollment", document("enrollment")).data

    plan = drafted(document("enrollment")).plan

    for name in ("patient", "facility", "authors", "staff", "lifeSkills", "enrollmentId"):
        assert plan[name] == enrollment[name]
    assert plan["goals"] == enrollment["goals"]
    assert plan["medicationContinuity"]["medications"] == enrollment["medications"]
    assert plan["effective"] == enrollment["expectedEnd"]
    assert (plan["status"], plan["version"]) == ("drafting", 1)


def test_what_is_closed_is_left_behind() -> None:
    enrollment = document("enrollment")
    goals = [{**enrollment["goals"][0], "status": "achieved"}, enrollment["goals"][1]]
    medications = [{**enrollment["medications"][0], "status": "stopped"}]

    plan = drafted({**enrollment, "goals": goals, "medications": medications}).plan

    assert [goal["id"] for goal in plan["goals"]] == [goals[1]["id"]]
    assert "medicationContinuity" not in plan


def test_services_become_items_to_arrange() -> None:
    plan = drafted(document("enrollment")).plan

    items = {(item["kind"], item.get("modality"), item["status"]) for item in plan["items"]}
    assert ("outpatient-therapy", "individual-therapy", "to-arrange") in items
    assert ("sponsor", None, "active") in items
    assert ("support-group", None, "active") in items
    assert plan["stepUpCriteria"][0]["targetLevel"] == "2.1"
    assert {one["instrument"] for one in plan["monitoring"]} == {"AUDIT-C", "PHQ-9"}


def test_what_only_people_know_is_listed() -> None:
    missing = drafted(document("enrollment")).missing

    paths = {path for issue in missing for path in issue.expression}
    assert {
        "$.livingSituation",
        "$.relapsePreventionPlan",
        "$.followUpAppointments",
        "$.safetyPlan",
        "$.items[0].provider",
        "$.stepUpCriteria[0].condition",
    } <= paths


@pytest.mark.parametrize(
    ("discharge", "options", "expected"),
    [
        ({}, {}, "ENR-2026-0417-aftercare"),
        ({"discharge": {"type": "completed", "aftercarePlanId": "ACP-9"}}, {}, "ACP-9"),
        ({}, {"plan_id": "MINE"}, "MINE"),
    ],
    ids=["made from the enrollment", "named at discharge", "given"],
)
def test_id_of_the_plan(discharge: dict[str, Any], options: dict[str, Any], expected: str) -> None:
    plan = drafted({**document("enrollment"), **discharge}, **options).plan

    assert plan["recordId"] == plan["planId"] == expected


def test_day_is_the_one_at_the_facility() -> None:
    plan = drafted(document("enrollment")).plan

    assert plan["planningStartedAt"] == "2026-03-01"
    assert plan["updatedAt"] == "2026-03-01T21:00:00-06:00"


def test_bad_id_is_refused() -> None:
    with pytest.raises(InvalidContent):
        drafted(document("enrollment"), plan_id="x" * 65)


def test_command_writes_the_plan_and_says_what_is_missing(tmp_path: Path) -> None:
    file = tmp_path / "enrollment.json"
    file.write_text(json.dumps(document("enrollment")))

    result = CliRunner().invoke(command, ["new", "--from", str(file)], standalone_mode=False)

    assert result.return_value == 0
    assert json.loads(result.stdout)["schema"] == "fhirbridge.aftercare-plan/1.0"
    assert "$.livingSituation: The plan lacks the living situation." in result.stderr
