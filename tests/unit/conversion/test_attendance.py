"""What of the sessions travels. Source: design.md section 10"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from fhirbridge.conversion.attendance import without_past
from fhirbridge.fhir import bundles
from fhirbridge.fhir.validation import check

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NAMESPACE = UUID("9f2a3c1e-0000-4000-8000-000000000000")


def session(number: int, day: str, status: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": f"s{number}",
        "status": status,
        "start": f"{day}T09:00:00Z",
        "end": f"{day}T12:00:00Z",
        "participant": [{"actor": {"reference": "urn:uuid:p"}, "status": "accepted"}],
    }


SESSIONS = [
    session(1, "2026-03-02", "fulfilled"),
    session(2, "2026-03-04", "noshow"),
    session(3, "2026-03-06", "fulfilled"),
    session(4, "2026-03-10", "booked"),
    session(5, "2026-03-12", "booked"),
]


def bundle() -> dict[str, Any]:
    patient = {"resourceType": "Patient", "id": "p"}
    plan = {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "active",
        "intent": "plan",
        "subject": {"reference": "urn:uuid:p"},
        "activity": [{"reference": {"reference": f"urn:uuid:s{n}"}} for n in (1, 5)],
    }
    return bundles.transaction(
        bundles.create_entry(one, full_url=f"urn:uuid:{one['id']}")
        for one in (patient, plan, *SESSIONS)
    )


def travels(**more: Any) -> dict[str, Any]:
    made = without_past(
        bundle(), now=NOW, handoff="h1", namespace=NAMESPACE, base="https://b.example", **more
    )
    assert not [issue for issue in check(made) if issue.is_error]
    return made


def appointments(made: dict[str, Any]) -> list[str]:
    return [one["id"] for one in bundles.resources_of(made, "Appointment")]


def test_sessions_travel_from_today_on_and_those_before_as_one_summary() -> None:
    made = travels()

    assert appointments(made) == ["s4", "s5"]
    [summary] = bundles.resources_of(made, "Observation")
    counts = {one["code"]["text"]: one["valueInteger"] for one in summary["component"]}
    assert counts == {"attended": 2, "missed": 1, "cancelled": 0}
    assert summary["effectivePeriod"] == {"start": "2026-03-02", "end": "2026-03-06"}
    [plan] = bundles.resources_of(made, "CarePlan")
    assert plan["activity"] == [{"reference": {"reference": "urn:uuid:s5"}}]


def test_the_whole_series_travels_when_it_is_asked_for() -> None:
    made = travels(with_past=True)

    assert appointments(made) == ["s1", "s2", "s3", "s4", "s5"]
    assert len(bundles.resources_of(made, "Observation")) == 1
    assert len(bundles.resources_of(made, "CarePlan")[0]["activity"]) == 2


def test_a_session_that_the_partner_holds_travels_on() -> None:
    assert appointments(travels(held={"urn:uuid:s2"})) == ["s2", "s4", "s5"]


@pytest.mark.parametrize("status", ["attended", "missed"])
def test_sessions_of_another_document_are_counted_once(status: str) -> None:
    elsewhere = {"s1": SESSIONS[0], "s9": session(9, "2026-02-27", "noshow")}

    [summary] = bundles.resources_of(travels(sessions=elsewhere), "Observation")

    counts = {one["code"]["text"]: one["valueInteger"] for one in summary["component"]}
    assert counts[status] == 2
