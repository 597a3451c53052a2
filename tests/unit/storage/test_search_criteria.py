"""Matching by type of parameter: references, tokens, strings, URIs."""

import pytest

from fhirbridge.errors import InvalidContent
from tests.unit.storage.shelf import BASE, Shelf, patient, plan

CATEGORY = "http://hl7.org/fhir/us/core/CodeSystem/careplan-category"


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
