"""Searching stored resources: matching by type of parameter, pages, totals, order."""

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.jsontypes import Resource
from fhirbridge.search import query
from fhirbridge.search.scope import Scope
from fhirbridge.storage import search
from fhirbridge.storage.keys import key_of
from tests.unit.storage.shelf import BASE, CONTEXT, Shelf

CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"


def plan(resource_id: str, patient: str = "p1", **more: object) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": resource_id,
        "status": "active",
        "intent": "plan",
        "subject": {"reference": f"Patient/{patient}"},
        **more,
    }


def patient(resource_id: str, **more: object) -> Resource:
    return {"resourceType": "Patient", "id": resource_id, **more}


class TestReference:
    @pytest.fixture(autouse=True)
    def plans(self, shelf: Shelf) -> None:
        shelf.put(patient("p1"), patient("p2"), plan("a"), plan("b", "p2"))
        outside = {"reference": "https://other.example/fhir/Patient/p1"}
        shelf.put(plan("c", subject=outside), plan("d", subject={"reference": "Group/p1"}))
        by_number = {"identifier": {"system": "urn:s", "value": "7"}}
        shelf.put(plan("e", subject=by_number))
        shelf.put(plan("f", subject={"reference": "Patient/p2/_history/1"}))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("patient=p1", "a"),
            ("subject=p1", "ad"),
            ("subject=Patient/p1", "a"),
            ("subject:Patient=p1", "a"),
            ("subject:Group=p1", "d"),
            ("patient=Group/p1", ""),
            (f"subject={BASE}/Patient/p1", "a"),
            ("subject=https://other.example/fhir/Patient/p1", "c"),
            ("subject=p1,p2", "abdf"),
            ("subject=Patient/p2/_history/1", "bf"),
            ("subject:identifier=urn:s|7", "e"),
            ("subject:identifier=7", "e"),
            ("patient:missing=true", "de"),
            ("subject:missing=true", ""),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("CarePlan", text) == set(expected)


class TestToken:
    @pytest.fixture(autouse=True)
    def plans(self, shelf: Shelf) -> None:
        coded = {"coding": [{"system": CATEGORY, "code": "assess-plan", "display": "Assessment"}]}
        shelf.put(plan("a", category=[coded]))
        shelf.put(plan("b", status="draft", category=[{"coding": [{"code": "assess-plan"}]}]))
        shelf.put(plan("c", status="revoked", category=[{"text": "Intensive  Outpatient"}]))
        number = {
            "type": {"coding": [{"system": "urn:types", "code": "MR"}]},
            "system": "urn:s",
            "value": "a|b,c",
        }
        shelf.put(plan("d", status="completed", identifier=[number]))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("status=active", "a"),
            ("status=active,draft", "ab"),
            ("status:not=active", "bcd"),
            ("status:not=active,draft", "cd"),
            ("status=http://hl7.org/fhir/request-status|draft", "b"),
            ("category=assess-plan", "ab"),
            (f"category={CATEGORY}|assess-plan", "a"),
            (f"category={CATEGORY}|", "a"),
            ("category=|assess-plan", "b"),
            ("category:not=assess-plan", "cd"),
            ("category:missing=true", "d"),
            ("category:missing=false", "abc"),
            ("category:text=assess", "a"),
            ("category:text=INTENSIVE out", "c"),
            ("identifier=urn:s|a\\|b\\,c", "d"),
            ("identifier=a\\|b\\,c", "d"),
            ("identifier:of-type=urn:types|MR|a\\|b\\,c", "d"),
            ("identifier:of-type=urn:types|XX|a\\|b\\,c", ""),
            ("status:in=http://hl7.org/fhir/ValueSet/request-status", "abcd"),
            ("status:not-in=http://hl7.org/fhir/ValueSet/request-status", ""),
            ("status=active&category=assess-plan", "a"),
            ("status=active&status=draft", ""),
            ("_id=a,c", "ac"),
            ("_id:not=a", "bcd"),
            ("status=ACTIVE", ""),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("CarePlan", text) == set(expected)


class TestString:
    @pytest.fixture(autouse=True)
    def people(self, shelf: Shelf) -> None:
        shelf.put(patient("a", name=[{"family": "Müller", "given": ["Éva", "Maria"]}]))
        shelf.put(patient("b", name=[{"family": "Mullerson", "given": ["Eva-Lynn"]}]))
        shelf.put(patient("c", name=[{"text": "Ann 100% O'Neil"}]))
        long = "x" * 70
        shelf.put(patient("d", name=[{"family": long + "end"}]))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("name=mul", "ab"),
            ("family=MÜLLER", "ab"),
            ("family:exact=Müller", "a"),
            ("family:exact=Muller", ""),
            ("name:contains=son", "b"),
            ("name:contains=0%", "c"),
            ("name:contains=_", ""),
            ("given=eva", "ab"),
            ("name=maria&name=eva", "a"),
            ("name=" + "x" * 70, "d"),
            ("name=" + "x" * 70 + "END", "d"),
            ("name=" + "x" * 71, ""),
            ("family:exact=" + "x" * 70 + "end", "d"),
            ("family:missing=true", "c"),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("Patient", text) == set(expected)


class TestDate:
    """Five plans: a day, a month, an open end, an open beginning, an instant."""

    @pytest.fixture(autouse=True)
    def plans(self, shelf: Shelf) -> None:
        shelf.put(plan("a", period={"start": "2026-05-10", "end": "2026-05-10"}))
        shelf.put(plan("b", period={"start": "2026-05", "end": "2026-05"}))
        shelf.put(plan("c", period={"start": "2026-05-10"}))
        shelf.put(plan("d", period={"end": "2026-05-09"}))
        moment = "2026-05-10T23:30:00-07:00"
        shelf.put(plan("e", period={"start": moment, "end": moment}))
        shelf.put(plan("f"))

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("date=2026-05-10", "a"),
            ("date=2026-05-11", "e"),
            ("date=2026-05", "abe"),
            ("date=2026", "abe"),
            ("date=ne2026-05", "cd"),
            ("date=gt2026-05-10", "bce"),
            ("date=ge2026-05-10", "abce"),
            ("date=lt2026-05-10", "bd"),
            ("date=le2026-05-10", "abcd"),
            ("date=sa2026-05-10", "e"),
            ("date=eb2026-05-10", "d"),
            ("date=ap2026-05-10", "abcde"),
            ("date=2026-05-11T02:30", "e"),
            ("date=2026-05-11T06:30:00Z", "e"),
            ("date=2026-05-11T06:30:00 00:00", "e"),
            ("date:missing=true", "f"),
            ("date=ge2026-05-10&date=lt2026-05-11", "abc"),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("CarePlan", text) == set(expected)

    def test_two_bounds_may_be_met_by_two_values(self, shelf: Shelf) -> None:
        days = ["2026-01-01", "2026-12-31"]
        shelf.put(
            {
                "resourceType": "CarePlan",
                "id": "t",
                "status": "active",
                "intent": "plan",
                "subject": {"reference": "Patient/p1"},
                "activity": [
                    {
                        "detail": {
                            "status": "scheduled",
                            "scheduledPeriod": {"start": day, "end": day},
                        }
                    }
                    for day in days
                ],
            }
        )

        assert shelf.ids("CarePlan", "activity-date=lt2026-03&activity-date=gt2026-06") == ["t"]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("birthdate=ge1980&birthdate=lt1981", "abc"),
            ("birthdate=gt1980-05-10", "acd"),
            ("birthdate=ge1980-05-10", "abcd"),
            ("birthdate=eb1980-05-11", "b"),
            ("birthdate=sa1980-05-10", "d"),
            ("birthdate=lt1980-05-10,gt1981", "acd"),
        ],
    )
    def test_points_have_their_precision(self, shelf: Shelf, text: str, expected: str) -> None:
        dates = {"a": "1980", "b": "1980-05-10", "c": "1980-05", "d": "1982-01-01"}
        shelf.put(*(patient(name, birthDate=date) for name, date in dates.items()))

        assert shelf.found("Patient", text) == set(expected)

    def test_last_updated_is_an_instant(self, shelf: Shelf) -> None:
        assert shelf.ids("CarePlan", "_lastUpdated=gt2026-03-02T12:00:04Z") == ["e", "f"]
        assert shelf.ids("CarePlan", "_lastUpdated=2026-03-02T12:00:04Z") == ["d"]
        assert shelf.ids("CarePlan", "_lastUpdated:missing=true") == []
        between = "_lastUpdated=ge2026-03-02T12:00:02Z&_lastUpdated=lt2026-03-02T12:00:04Z"
        assert shelf.ids("CarePlan", between) == ["b", "c"]


class TestNumberAndQuantity:
    @pytest.fixture(autouse=True)
    def observations(self, shelf: Shelf) -> None:
        ucum = {"system": "http://unitsofmeasure.org", "code": "mg", "unit": "milligram"}
        for name, value in {"a": 99.4, "b": 99.5, "c": 100, "d": 100.4, "e": 100.5}.items():
            shelf.put(
                {
                    "resourceType": "Observation",
                    "id": name,
                    "status": "final",
                    "code": {"coding": [{"code": name}]},
                    "valueQuantity": {"value": value, **ucum},
                }
            )
        open_ended = {"value": 200, "comparator": ">", "unit": "points"}
        shelf.put(
            {
                "resourceType": "Observation",
                "id": "f",
                "status": "final",
                "code": {"text": "score"},
                "valueQuantity": open_ended,
                "component": [
                    {
                        "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                        "valueQuantity": {"value": 120, **ucum},
                    },
                    {
                        "code": {"coding": [{"system": "http://loinc.org", "code": "8462-4"}]},
                        "valueQuantity": {"value": 80, **ucum},
                    },
                ],
            }
        )
        shelf.put(
            {
                "resourceType": "RiskAssessment",
                "id": "r",
                "status": "final",
                "subject": {"reference": "Patient/p"},
                "prediction": [{"probabilityDecimal": 0.25}],
            }
        )

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("value-quantity=100", "bcd"),
            ("value-quantity=100.0", "c"),
            ("value-quantity=ne100", "aef"),
            ("value-quantity=1e2", "abcde"),
            ("value-quantity=gt100", "def"),
            ("value-quantity=ge100", "cdef"),
            ("value-quantity=lt99.5", "a"),
            ("value-quantity=le99.5", "ab"),
            ("value-quantity=sa100.4", "ef"),
            ("value-quantity=eb99.5", "a"),
            ("value-quantity=ap92", "abcde"),
            ("value-quantity=100|http://unitsofmeasure.org|mg", "bcd"),
            ("value-quantity=100||mg", "bcd"),
            ("value-quantity=100||milligram", "bcd"),
            ("value-quantity=100||kg", ""),
            ("value-quantity=gt300||points", "f"),
            ("component-code-value-quantity=8480-6$120", "f"),
            ("component-code-value-quantity=8480-6$80", ""),
            ("component-code-value-quantity=http://loinc.org|8462-4$lt90", "f"),
            ("code-value-quantity=a$99.4", "a"),
            ("code-value-quantity=a$99.5,b$99.5", "b"),
            ("combo-code-value-quantity=c$100", "c"),
            ("combo-code-value-quantity=8462-4$80||mg", "f"),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("Observation", text) == set(expected)

    def test_numbers_have_implied_precision(self, shelf: Shelf) -> None:
        assert shelf.ids("RiskAssessment", "probability=0.3") == ["r"]
        assert shelf.ids("RiskAssessment", "probability=0.30") == []
        assert shelf.ids("RiskAssessment", "probability=gt0.2") == ["r"]


class TestUri:
    @pytest.fixture(autouse=True)
    def forms(self, shelf: Shelf) -> None:
        for name, url in {
            "a": "http://forms.example/fhir",
            "b": "http://forms.example/fhir/intake",
            "c": "http://forms.example/fhirsh",
        }.items():
            shelf.put({"resourceType": "Questionnaire", "id": name, "status": "active", "url": url})

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("url=http://forms.example/fhir", "a"),
            ("url=http://forms.example/fhir/", ""),
            ("url:below=http://forms.example/fhir", "ab"),
            ("url:below=http://forms.example/", "abc"),
            ("url:above=http://forms.example/fhir/intake/1", "ab"),
        ],
    )
    def test_finds(self, shelf: Shelf, text: str, expected: str) -> None:
        assert shelf.found("Questionnaire", text) == set(expected)


class TestPages:
    @pytest.fixture(autouse=True)
    def plans(self, shelf: Shelf) -> None:
        shelf.put(*(plan(f"c{n:02}", status="active" if n % 2 else "draft") for n in range(20)))

    def walk(self, shelf: Shelf, text: str) -> list[list[str]]:
        pages = []
        cursor = ""
        while True:
            page = shelf.page("CarePlan", f"{text}&_cursor={cursor}" if cursor else text)
            pages.append([version.resource_id for version in page.matches])
            cursor = page.next
            if not cursor:
                return pages

    @pytest.mark.parametrize(
        "text",
        [
            "_count=3",
            "subject=Patient/p1&_count=3",
            "_count=3&_sort=status",
            "_count=3&_sort=-status",
            "_count=3&_sort=-_lastUpdated",
            "_count=3&_sort=status,-_lastUpdated",
            "_count=3&_sort=-date",
            "patient=p1&_count=3&_sort=_id",
            "status=active,draft&_count=3",
            "_lastUpdated=gt2020&_count=3",
        ],
    )
    def test_show_each_match_once(self, shelf: Shelf, text: str) -> None:
        pages = self.walk(shelf, text)

        assert [len(page) for page in pages] == [3] * 6 + [2]
        assert sorted(name for page in pages for name in page) == [f"c{n:02}" for n in range(20)]

    def test_do_not_shift_when_matches_come_and_go(self, shelf: Shelf) -> None:
        first = shelf.page("CarePlan", "subject=Patient/p1&_count=5")
        shelf.delete("CarePlan", "c00")
        shelf.put(plan("c02", status="completed"), plan("new"))

        rest = shelf.ids("CarePlan", f"subject=Patient/p1&_count=50&_cursor={first.next}")

        assert [version.resource_id for version in first.matches] == [f"c{n:02}" for n in range(5)]
        assert rest == [*(f"c{n:02}" for n in range(5, 20)), "new"]

    def test_count_matches_of_all_pages(self, shelf: Shelf) -> None:
        assert shelf.page("CarePlan", "status=draft&_count=3").total == 10
        assert shelf.page("CarePlan", "status=draft&_count=3&_total=none").total is None
        assert shelf.page("CarePlan", "status=draft&_count=30&_total=none").total == 10

    @pytest.mark.parametrize("text", ["_count=0", "_summary=count"])
    def test_count_zero_gives_only_the_total(self, shelf: Shelf, text: str) -> None:
        page = shelf.page("CarePlan", "status=draft&" + text)

        assert (page.matches, page.total, page.next) == ((), 10, "")

    def test_total_is_left_out_above_the_limit(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "MAX_COUNTED", 5)

        assert shelf.page("CarePlan", "status=draft&_count=3").total is None
        assert shelf.page("CarePlan", "status=draft&_count=3&_total=accurate").total == 10

    @pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwxXQ", "a.b", "é"])
    def test_refuse_a_cursor_of_another_search(self, shelf: Shelf, cursor: str) -> None:
        with pytest.raises(InvalidContent, match="_cursor"):
            shelf.page("CarePlan", f"_count=3&_cursor={cursor}")


class TestSort:
    def test_resources_without_a_value_come_last(self, shelf: Shelf) -> None:
        shelf.put(plan("a"), plan("b", period={"start": "2026-01-02", "end": "2026-01-03"}))
        shelf.put(plan("c", period={"start": "2026-01-01", "end": "2026-01-09"}))

        assert shelf.ids("CarePlan", "_sort=date") == ["c", "b", "a"]
        assert shelf.ids("CarePlan", "_sort=-date") == ["c", "b", "a"]

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("name", "abc"),
            ("-name", "cba"),
            ("family,-birthdate", "bac"),
            ("birthdate", "abc"),
            ("_id", "abc"),
            ("-_lastUpdated", "cba"),
            ("gender", "bac"),
        ],
    )
    def test_follows_the_parameter(self, shelf: Shelf, sort: str, expected: str) -> None:
        shelf.put(patient("a", name=[{"family": "Ash"}], birthDate="1980-01-01", gender="male"))
        shelf.put(patient("b", name=[{"family": "Ash", "given": ["Bo"]}], birthDate="1990-01-01"))
        shelf.put(
            patient(
                "b",
                name=[{"family": "Ash", "given": ["Bo"]}],
                birthDate="1990-01-01",
                gender="female",
            )
        )
        shelf.put(patient("c", name=[{"family": "Cole"}], birthDate="2000-01-01"))

        assert "".join(shelf.ids("Patient", f"_sort={sort}")) == expected


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


class TestManyValues:
    @pytest.mark.parametrize(
        ("resource_type", "name", "value"),
        [
            ("CarePlan", "status", "active"),
            ("CarePlan", "category", "s|{}"),
            ("CarePlan", "date", "2026-01-01"),
            ("CarePlan", "patient", "p{}"),
            ("CarePlan", "_id", "x{}"),
            ("CarePlan", "_lastUpdated", "gt2020"),
            ("Patient", "name", "x{}"),
            ("Patient", "name:contains", "x{}"),
            ("Observation", "value-quantity", "{}"),
            (None, "_id", "x{}"),
        ],
    )
    def test_are_within_the_limits_of_the_database(
        self, shelf: Shelf, resource_type: str | None, name: str, value: str
    ) -> None:
        text = f"{name}=" + ",".join(value.format(number) for number in range(500))

        assert shelf.page(resource_type, text).total == 0

    def test_composites_take_fewer(self, shelf: Shelf) -> None:
        values = [f"a${number}" for number in range(51)]

        assert shelf.page("Observation", "code-value-quantity=" + ",".join(values[:50])).total == 0
        with pytest.raises(InvalidContent, match="up to 50"):
            shelf.page("Observation", "code-value-quantity=" + ",".join(values))


class TestWrites:
    def test_index_follows_update_and_delete(self, shelf: Shelf) -> None:
        shelf.put(plan("a"))
        shelf.put(plan("a", status="completed"))

        assert shelf.ids("CarePlan", "status=active") == []
        assert shelf.ids("CarePlan", "status=completed") == ["a"]
        shelf.delete("CarePlan", "a")
        assert shelf.ids("CarePlan", "status=completed") == []
        assert shelf.ids("CarePlan") == []
        assert shelf.ids("CarePlan", "_id=a") == []

    def test_another_custodian_sees_nothing(self, shelf: Shelf) -> None:
        shelf.put(plan("a"))

        for text in ("", "status=active", "_id=a", "patient=p1", "_lastUpdated=gt2020"):
            parsed = shelf.parse("CarePlan", text)
            with shelf.database.read() as session:
                page = search.run(session, parsed, custodian_id=shelf.custodian_id + 1)
            assert page.matches == ()

    def test_match_ids_stops_at_two(self, shelf: Shelf) -> None:
        shelf.put(plan("a"), plan("b"), plan("c", status="draft"))

        with shelf.database.read() as session:
            custodian_id = shelf.custodian_id
            parsed = shelf.parse("CarePlan", "status=active")
            assert search.match_ids(session, parsed, custodian_id=custodian_id) == ["a", "b"]
            parsed = shelf.parse("CarePlan", "status=draft")
            assert search.match_ids(session, parsed, custodian_id=custodian_id) == ["c"]


class TestScope:
    """A search on what may not be seen must not match, count, chain or include."""

    @pytest.fixture(autouse=True)
    def records(self, shelf: Shelf) -> None:
        shelf.put(
            patient("p1", name=[{"family": "Ash"}]), patient("p2"), plan("a"), plan("b", "p2")
        )

    @pytest.mark.parametrize(
        ("resource_type", "text", "expected"),
        [
            ("CarePlan", "", {"b"}),
            ("CarePlan", "status=active", {"b"}),
            ("CarePlan", "patient=p1", set()),
            ("CarePlan", "patient.name=ash", set()),
            ("Patient", "_has:CarePlan:patient:status=active", {"p2"}),
            ("Patient", "_id=p1", set()),
        ],
    )
    def test_is_part_of_the_search(
        self, shelf: Shelf, resource_type: str, text: str, expected: set[str]
    ) -> None:
        page = shelf.page(resource_type, text, Scope(patient_keys=(key_of("Patient/p2"),)))

        assert {version.resource_id for version in page.matches} == expected
        assert page.total == len(expected)

    def test_hides_classes_of_content(self, shelf: Shelf) -> None:
        assert shelf.page("CarePlan", "status=active", Scope(content_classes=("x",))).total == 0

    def test_hides_includes(self, shelf: Shelf) -> None:
        scope = Scope(patient_keys=(key_of("Patient/p2"),))

        page = shelf.page("CarePlan", "_include=CarePlan:subject", scope)

        assert [version.resource_id for version in page.included] == ["p2"]
