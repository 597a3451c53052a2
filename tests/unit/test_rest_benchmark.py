"""What `python -m benchmarks --only rest` rests on: the floor, the requests, the goals."""

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from benchmarks import rest
from benchmarks.floor import Floor
from benchmarks.timing import Row
from fhirbridge.fhir.validation import check


@pytest.mark.parametrize("audit", [False, True], ids=["plain", "audited"])
def test_floor_stores_reads_and_finds(tmp_path: Path, audit: bool) -> None:
    client = Client(Floor(str(tmp_path / "floor.db"), audit=audit))

    def post(path: str, resource: dict[str, Any]) -> Any:
        answer = client.post(path, data=json.dumps(resource))
        assert answer.status_code in (200, 201)
        return answer.get_json(force=True)

    patient = post("/fhir/Patient", {"resourceType": "Patient"})
    plan = post("/fhir/CarePlan", rest.plan(f"Patient/{patient['id']}"))
    made = post("/fhir", rest.transaction())

    assert client.get(f"/fhir/CarePlan/{plan['id']}").get_json(force=True) == plan
    found = client.get(f"/fhir/CarePlan?subject=Patient/{patient['id']}").get_json(force=True)
    assert [entry["resource"] for entry in found["entry"]] == [plan]
    assert len(made["entry"]) == rest.IN_A_TRANSACTION


def test_plan_that_is_asked_for_is_valid_and_of_ordinary_size() -> None:
    plan = rest.plan("Patient/x")

    assert check(plan) == []
    assert 2000 < len(json.dumps(plan)) < 3000


def test_goal_is_the_least_where_more_is_better() -> None:
    assert Row("g", "rate", 10, "/s", 0.4, 0.5, at_least=True).missed
    assert not Row("g", "rate", 10, "/s", 0.6, 0.5, at_least=True).missed
    assert Row("g", "time", 10, "s", 0.6, 0.5).missed
