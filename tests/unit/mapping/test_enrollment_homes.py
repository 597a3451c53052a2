"""Where the parts of an enrollment stand that have no resource of the same name."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mapping
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.conversion.to_native import to_native
from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.native import documents

FIXTURES = Path(__file__).parents[3] / "fixtures" / "enrollment"
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@cache
def mapping() -> Mapping:
    return load_mapping("enrollment", base=DEFAULT_BASE)


def bundle_of(case: str, **changes: Json) -> Resource:
    """A fixture with some fields changed, as FHIR; it comes back as it was loaded."""
    native = {**wire.parse((FIXTURES / case / "native.json").read_bytes()), **changes}
    document = documents.load("enrollment", native)
    bundle = to_fhir(document, mapping(), Identity()).bundle
    assert [issue for issue in check(bundle) if issue.is_error] == []
    back = to_native(bundle, mapping()).document
    assert all(back.get(name) == document.data[name] for name in changes if name in document.data)
    return bundle


def of_type(bundle: Resource, name: str) -> list[Resource]:
    return list(bundles.resources_of(bundle, name))


def has_code(concept: Any, code: str) -> bool:
    return any(coding.get("code") == code for coding in concept.get("coding", ()))


class TestVisits:
    def test_only_sessions_that_took_place_are_encounters(self) -> None:
        bundle = bundle_of("maximal")

        visits = [one for one in of_type(bundle, "Encounter") if "appointment" in one]

        assert sorted(one["period"]["start"][:10] for one in visits) == [
            "2026-02-16",
            "2026-02-18",
            "2026-03-09",
        ]

    def test_visit_names_its_own_appointment_and_the_stay(self) -> None:
        bundle = bundle_of("maximal")
        by_url = {entry["fullUrl"]: entry["resource"] for entry in bundle["entry"]}

        for visit in of_type(bundle, "Encounter"):
            if "appointment" in visit:
                appointment = by_url[visit["appointment"][0]["reference"]]
                assert appointment["start"][:10] == visit["period"]["start"][:10]
                assert has_code(by_url[visit["partOf"]["reference"]]["type"][0], "program-stay")
                (place,) = visit["location"]
                assert place["location"]["display"] == "Group room 2"
                assert by_url[place["location"]["reference"]]["resourceType"] == "Location"

    def test_session_by_video_is_a_virtual_visit(self) -> None:
        online = {"scheduleId": "individual", "occurrenceDate": "2026-03-10", "status": "attended"}

        bundle = bundle_of("maximal", sessions=[online])

        (visit,) = (one for one in of_type(bundle, "Encounter") if "appointment" in one)
        assert visit["class"]["code"] == "VR"
        assert "location" not in visit

    def test_no_show_has_no_encounter_unless_times_were_written(self) -> None:
        missed = {"scheduleId": "group", "occurrenceDate": "2026-02-16", "status": "absent-excused"}
        came_late = {**missed, "actualStart": "2026-02-16T11:55:00-06:00"}

        without = of_type(bundle_of("maximal", sessions=[missed]), "Encounter")
        with_time = of_type(bundle_of("maximal", sessions=[came_late]), "Encounter")

        assert len(without) == 1
        assert [one["status"] for one in with_time if "appointment" in one] == ["cancelled"]


class TestEpisode:
    def test_each_state_ends_when_the_next_begins(self) -> None:
        (episode,) = (
            one for one in of_type(bundle_of("maximal"), "EpisodeOfCare") if "statusHistory" in one
        )

        periods = [entry["period"] for entry in episode["statusHistory"]]

        assert [one.get("end") for one in periods] == [one["start"] for one in periods[1:]] + [None]

    def test_stay_before_is_an_episode_of_its_own(self) -> None:
        episodes = of_type(bundle_of("maximal"), "EpisodeOfCare")

        (prior,) = (one for one in episodes if "statusHistory" not in one)
        assert prior["period"] == {"end": "2026-02-10"}
        assert has_code(prior["type"][0], "2.5")

    def test_arrival_from_nowhere_has_no_stay_before(self) -> None:
        bundle = bundle_of("maximal", transition={"direction": "direct"})

        assert len(of_type(bundle, "EpisodeOfCare")) == 1


class TestWhatIsNotSaid:
    """US Core and R4 ask for elements that a document may lack; they say so."""

    def test_care_team_without_members_has_the_patient(self) -> None:
        (team,) = of_type(bundle_of("minimal"), "CareTeam")

        (patient,) = (one for one in team["participant"] if has_code(one["role"][0], "116154003"))
        assert patient["member"]["reference"]

    def test_coverage_without_number_and_relationship(self) -> None:
        bundle = bundle_of("minimal", coverage=[{"id": "c", "payer": "Example Health Plan"}])

        (coverage,) = of_type(bundle, "Coverage")
        unknown = [{"url": ABSENT, "valueCode": "unknown"}]
        assert coverage["_subscriberId"]["extension"] == unknown
        assert coverage["relationship"]["extension"] == unknown
        assert coverage["payor"][0]["display"] == "Example Health Plan"
        assert coverage["payor"][0]["reference"]

    def test_benefits_without_time_or_coverage(self) -> None:
        bundle = bundle_of("minimal", benefitsVerification={"status": "expired", "copay": 5})

        (found,) = of_type(bundle, "CoverageEligibilityResponse")
        assert found["_created"]["extension"] == [{"url": ABSENT, "valueCode": "unknown"}]
        assert found["outcome"] == "complete"

    def test_benefits_are_those_of_the_coverage(self) -> None:
        (found,) = (
            one
            for one in of_type(bundle_of("maximal"), "CoverageEligibilityResponse")
            if "preAuthRef" not in one
        )

        (insurance,) = found["insurance"]
        assert insurance["coverage"]["reference"]
        assert len(insurance["item"][0]["benefit"]) == 2

    def test_authorization_without_a_service_has_a_category(self) -> None:
        auths = [{"number": "A 1/7", "unitsApproved": 3}, {"number": "A2", "code": "H0015"}]
        benefits: JsonObject = {"status": "verified", "auths": auths}

        found = of_type(
            bundle_of("minimal", benefitsVerification=benefits), "CoverageEligibilityResponse"
        )

        items = {
            one["preAuthRef"]: one["insurance"][0]["item"][0]
            for one in found
            if "preAuthRef" in one
        }
        assert has_code(items["A 1/7"]["category"], "30")
        assert "category" not in items["A2"]

    def test_assessment_without_score_says_so(self) -> None:
        bundle = bundle_of("minimal", assessments=[{"id": "a", "instrument": "PHQ-9"}])

        (found,) = (
            one for one in of_type(bundle, "Observation") if has_code(one["code"], "44261-6")
        )
        assert has_code(found["dataAbsentReason"], "unknown")
        assert "derivedFrom" not in found


@pytest.mark.parametrize(("field", "value"), [("daysPerWeek", 0), ("hoursPerDay", -0.5)])
def test_hours_that_a_timing_cannot_hold_are_refused(field: str, value: Json) -> None:
    with pytest.raises(InvalidContent) as caught:
        bundle_of("minimal", **{field: value})

    errors = [issue for issue in caught.value.issues if issue.is_error]
    assert [issue.expression for issue in errors] == [(f"$.{field}",)]


@pytest.mark.parametrize(
    ("part", "expected"),
    [("morning", {"when": ["MORN"]}), ("weekend", {"dayOfWeek": ["sat", "sun"]})],
)
def test_day_part_stands_in_the_timing_of_the_program(part: str, expected: JsonObject) -> None:
    orders = of_type(bundle_of("minimal", dayPart=part), "ServiceRequest")

    (program,) = (one for one in orders if has_code(one["code"], "program"))
    repeat = program["occurrenceTiming"]["repeat"]
    assert {name: repeat[name] for name in ("when", "dayOfWeek") if name in repeat} == expected
