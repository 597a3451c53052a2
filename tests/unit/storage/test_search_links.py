"""Searches across references: chains, `_has`, includes, compartments, all types."""

import pytest

from fhirbridge.search import query
from fhirbridge.storage import search
from tests.unit.storage.shelf import CONTEXT, Shelf, patient, plan


class TestChains:
    @pytest.fixture(autouse=True)
    def records(self, shelf: Shelf) -> None:
        practice = {"resourceType": "Organization", "id": "o1", "name": "Harbor"}
        doctor = {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Ray"}]}
        team = {
            "resourceType": "CareTeam",
            "id": "t1",
            "participant": [{"member": {"reference": "Practitioner/d1"}}],
        }
        shelf.put(practice, doctor, team)
        shelf.put(
            patient(
                "p1",
                name=[{"family": "Ash"}],
                managingOrganization={"reference": "Organization/o1"},
            ),
            patient("p2", name=[{"family": "Birch"}]),
            plan("a", "p1", careTeam=[{"reference": "CareTeam/t1"}]),
            plan("b", "p2"),
        )

    @pytest.mark.parametrize(
        ("resource_type", "text", "expected"),
        [
            ("CarePlan", "patient.name=ash", {"a"}),
            ("CarePlan", "subject:Patient.family=birch", {"b"}),
            ("CarePlan", "patient.organization.name=harbor", {"a"}),
            ("CarePlan", "patient.organization.name=other", set()),
            ("CarePlan", "care-team.participant:Practitioner.family=ray", {"a"}),
            ("CarePlan", "patient._id=p2", {"b"}),
            ("CarePlan", "patient.name:missing=false", {"a", "b"}),
            ("CarePlan", "patient.gender:not=male", {"a", "b"}),
            ("Patient", "_has:CarePlan:patient:status=active", {"p1", "p2"}),
            ("Patient", "_has:CarePlan:patient:care-team.participant=Practitioner/d1", {"p1"}),
            ("Organization", "_has:Patient:organization:_has:CarePlan:patient:_id=a", {"o1"}),
            ("Patient", "_has:CarePlan:patient:_id=zzz", set()),
            ("Patient", "organization=o1&_has:CarePlan:subject:status=active", {"p1"}),
        ],
    )
    def test_find(self, shelf: Shelf, resource_type: str, text: str, expected: set[str]) -> None:
        assert shelf.found(resource_type, text) == expected


class TestIncludes:
    @pytest.fixture(autouse=True)
    def records(self, shelf: Shelf) -> None:
        shelf.put(
            {
                "resourceType": "Organization",
                "id": "o1",
                "name": "Harbor",
                "partOf": {"reference": "Organization/o2"},
            },
            {"resourceType": "Organization", "id": "o2", "name": "Coast"},
            patient("p1", managingOrganization={"reference": "Organization/o1"}),
            plan("a", "p1"),
            plan("b", "p1"),
            {"resourceType": "Provenance", "id": "v", "target": [{"reference": "CarePlan/a"}]},
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("_include=CarePlan:subject", ["p1"]),
            ("_include=CarePlan:subject:Group", []),
            ("_include=CarePlan:subject:Patient", ["p1"]),
            ("_include=CarePlan:*", ["p1"]),
            ("_include=*", ["p1"]),
            ("_include=CarePlan:subject&_include=Patient:organization", ["p1"]),
            ("_include=CarePlan:subject&_include:iterate=Patient:organization", ["o1", "p1"]),
            (
                "_include=CarePlan:subject&_include:iterate=Patient:organization"
                "&_include:iterate=Organization:partof",
                ["o1", "o2", "p1"],
            ),
            ("_revinclude=Provenance:target", ["v"]),
        ],
    )
    def test_belong_to_the_page_and_not_to_the_total(
        self, shelf: Shelf, text: str, expected: list[str]
    ) -> None:
        page = shelf.page("CarePlan", "patient=p1&" + text)

        assert [version.resource_id for version in page.matches] == ["a", "b"]
        assert sorted(version.resource_id for version in page.included) == expected
        assert page.total == 2

    def test_do_not_repeat_matches(self, shelf: Shelf) -> None:
        page = shelf.page(None, "_type=CarePlan,Patient&_include=CarePlan:subject")

        assert [version.resource_id for version in page.matches] == ["p1", "a", "b"]
        assert page.included == ()


class TestCompartmentsAndSystem:
    @pytest.fixture(autouse=True)
    def records(self, shelf: Shelf) -> None:
        shelf.put(patient("p1"), patient("p2"), plan("a"), plan("b", "p2"))
        shelf.put(
            {
                "resourceType": "Observation",
                "id": "o",
                "status": "final",
                "code": {"text": "x"},
                "performer": [{"reference": "Patient/p1"}],
                "meta": {"tag": [{"system": "urn:t", "code": "demo"}]},
            }
        )

    @pytest.mark.parametrize(
        ("resource_type", "text", "expected"),
        [
            ("CarePlan", "", {"a"}),
            ("CarePlan", "status=draft", set()),
            ("Observation", "", {"o"}),
            ("Organization", "", set()),
            (None, "", {"p1", "a", "o"}),
            (None, "_type=Observation", {"o"}),
        ],
    )
    def test_compartment_has_its_members(
        self, shelf: Shelf, resource_type: str | None, text: str, expected: set[str]
    ) -> None:
        pairs = [tuple(part.split("=", 1)) for part in text.split("&") if part]
        parsed = query.parse(
            resource_type,
            pairs,  # type: ignore[arg-type]
            context=CONTEXT,
            compartment=query.Compartment("Patient", "p1"),
        )
        with shelf.database.read() as session:
            page = search.run(session, parsed, custodian_id=shelf.custodian_id)

        assert {version.resource_id for version in page.matches} == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("_tag=urn:t|demo", {"o"}),
            ("_type=CarePlan", {"a", "b"}),
            ("_type=CarePlan,Observation&status=active,final", {"a", "b", "o"}),
            ("_id=a", {"a"}),
            ("_id=a&_id=b", set()),
            ("", {"p1", "p2", "a", "b", "o"}),
            ("_type=Patient&_tag=demo", set()),
        ],
    )
    def test_system_search(self, shelf: Shelf, text: str, expected: set[str]) -> None:
        assert shelf.found(None, text) == expected
