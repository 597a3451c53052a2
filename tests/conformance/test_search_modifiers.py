"""Modifiers and result parameters that need more than the index of one element.

Source: R4 search.html#modifiers, search.html#contained, search.html#quantity; US Core
"""

import pytest

from fhirbridge.fhir.search_parameters import combinations, search_parameters
from fhirbridge.jsontypes import Resource
from tests.conformance.support import BASE, Api, assert_outcome, goal, patient

SYSTEM = "urn:levels"
CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
RACES = "urn:oid:2.16.840.1.113883.6.238"
UCUM = "http://unitsofmeasure.org"
LEVELS: Resource = {
    "resourceType": "CodeSystem",
    "url": SYSTEM,
    "status": "active",
    "content": "complete",
    "concept": [
        {"code": "outpatient", "concept": [{"code": "iop"}, {"code": "php"}]},
        {"code": "inpatient"},
    ],
}


def value_set(name: str, **compose: object) -> Resource:
    included = {"include": [{"system": SYSTEM, "concept": [{"code": "iop"}]}]}
    return {
        "resourceType": "ValueSet",
        "id": name,
        "url": f"urn:{name}",
        "status": "active",
        "compose": {**included, **compose},
    }


def found(api: Api, path: str) -> list[str]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [entry["fullUrl"].removeprefix(f"{BASE}/") for entry in answer.json.get("entry", [])]


class TestTerminology:
    @pytest.fixture
    def coded(self, api: Api) -> Api:
        """Goals named after the code of their category."""
        api.put("/Patient/p", patient(id="p"))
        api.created(LEVELS)
        api.put("/ValueSet/chosen", value_set("chosen"))
        api.put("/ValueSet/none", value_set("none", exclude=[{"system": SYSTEM}]))
        for code in ("outpatient", "iop", "php", "inpatient"):
            coding = {"coding": [{"system": SYSTEM, "code": code}]}
            api.put(f"/Goal/{code}", goal("Patient/p", id=code, category=[coding]))
        api.put("/Goal/plain", goal("Patient/p", id="plain"))
        return api

    CODES = (
        (":in=urn:chosen", "iop"),
        (":in=ValueSet/chosen", "iop"),
        (":in=urn:none", ""),
        (":not-in=urn:chosen", "inpatient outpatient php plain"),
        (":not-in=urn:none", "inpatient iop outpatient php plain"),
        (":below=urn:levels|outpatient", "iop outpatient php"),
        (":below=urn:levels|iop", "iop"),
        (":above=urn:levels|iop", "iop outpatient"),
        (":below=urn:levels|inpatient,urn:levels|php", "inpatient php"),
    )

    def test_codes(self, coded: Api) -> None:
        for query, expected in self.CODES:
            names = [each.partition("/")[2] for each in found(coded, f"/Goal?category{query}")]

            assert sorted(names) == expected.split(), query

    def test_what_is_not_known_here_is_said(self, api: Api) -> None:
        for query in (
            ":in=urn:other",
            ":in=ValueSet/x",
            ":below=urn:other|a",
            ":above=urn:other|a",
        ):
            assert_outcome(api.get(f"/Goal?category{query}"), 400, "not-supported")

    def test_conditions_of_a_write_may_use_them(self, coded: Api) -> None:
        answer = coded.post("/Goal", goal("Patient/p"), if_none_exist="category:in=urn:chosen")

        assert answer.status_code == 200
        assert answer.headers["Location"].startswith(f"{BASE}/Goal/iop/")


class TestUnits:
    def test_quantities_are_compared_across_units(self, api: Api) -> None:
        for name, value, code in (("a", 1500, "mg"), ("b", 1.5, "g"), ("c", 1.5, "mg")):
            api.put(
                f"/Observation/{name}",
                {
                    "resourceType": "Observation",
                    "id": name,
                    "status": "final",
                    "code": {"text": "dose"},
                    "valueQuantity": {"value": value, "system": UCUM, "code": code, "unit": code},
                },
            )

        same = found(api, f"/Observation?value-quantity=1.5|{UCUM}|g")
        assert sorted(same) == ["Observation/a", "Observation/b"]
        assert found(api, f"/Observation?value-quantity=lt1|{UCUM}|g") == ["Observation/c"]
        assert found(api, "/Observation?value-quantity=1.5||mg") == ["Observation/c"]


class TestContained:
    @pytest.fixture
    def holders(self, api: Api) -> Api:
        for name, families in (("a", ("Ash", "Birch")), ("b", ("Birch",)), ("c", ())):
            contained = [
                {
                    "resourceType": "Practitioner",
                    "id": family.lower(),
                    "name": [{"family": family}],
                    "active": family == "Ash",
                }
                for family in families
            ]
            named = [{"reference": f"#{each['id']}"} for each in contained]
            more = {"contained": contained, "generalPractitioner": named} if contained else {}
            assert api.put(f"/Patient/{name}", patient(id=name, **more)).status_code == 201
        api.put(
            "/Practitioner/free",
            {
                "resourceType": "Practitioner",
                "id": "free",
                "active": True,
                "name": [{"family": "Oak"}],
            },
        )
        return api

    FOUND = (
        ("_contained=true", "Patient/a Patient/b"),
        ("_contained=true&family=birch", "Patient/a Patient/b"),
        ("_contained=true&family=ash&active=true", "Patient/a"),
        ("_contained=true&family=birch&active=true", ""),
        ("_contained=true&_id=ash", "Patient/a"),
        (
            "_contained=true&_containedType=contained",
            "Patient/a#ash Patient/a#birch Patient/b#birch",
        ),
        ("_contained=true&_containedType=contained&family=ash", "Patient/a#ash"),
        ("_contained=false", "Practitioner/free"),
        ("_contained=both", "Patient/a Patient/b Practitioner/free"),
        ("_contained=both&_id=ash,free", "Patient/a Practitioner/free"),
        ("_contained=both&family=birch&active=true", ""),
        ("_contained=both&family=oak&active=true", "Practitioner/free"),
        (
            "_contained=both&_containedType=contained",
            "Patient/a#ash Patient/a#birch Patient/b#birch Practitioner/free",
        ),
        ("family=ash", ""),
    )

    def test_finds(self, holders: Api) -> None:
        for query, expected in self.FOUND:
            assert found(holders, f"/Practitioner?{query}") == expected.split(), query

    def test_contained_resource_is_shown_alone(self, holders: Api) -> None:
        asked = "/Practitioner?_contained=true&_containedType=contained&family=ash"

        (entry,) = holders.get(asked).json["entry"]

        assert entry["resource"]["name"] == [{"family": "Ash"}]
        assert entry["search"] == {"mode": "match"}

    def test_pages(self, holders: Api) -> None:
        first = holders.get("/Practitioner?_contained=true&family=birch&_count=1").json
        links = {link["relation"]: link["url"] for link in first["link"]}

        assert first["total"] == 2
        assert found(holders, links["next"].removeprefix(BASE)) == ["Patient/b"]

    def test_it_is_no_condition_of_a_write(self, holders: Api) -> None:
        asked = "_contained=true&family=ash"

        assert_outcome(holders.delete(f"/Practitioner?{asked}"), 400, "invalid")


class TestUsCore:
    COUNTS = (
        ("race=2106-3", 1),
        (f"race={RACES}|2106-3", 1),
        ("race=2028-9", 0),
        ("ethnicity=2186-5", 1),
        ("gender-identity=male", 1),
    )

    def test_extensions_of_a_patient(self, api: Api) -> None:
        def coded(name: str, code: str) -> Resource:
            coding = {"url": "ombCategory", "valueCoding": {"system": RACES, "code": code}}
            text = {"url": "text", "valueString": "as told"}
            return {"url": CORE + name, "extension": [coding, text]}

        identity = {
            "url": CORE + "us-core-genderIdentity",
            "valueCodeableConcept": {"coding": [{"code": "male"}]},
        }
        extensions = [coded("us-core-race", "2106-3"), coded("us-core-ethnicity", "2186-5")]
        api.created(patient(extension=[*extensions, identity]))

        for query, count in self.COUNTS:
            assert api.total(f"/Patient?{query}") == count, query

    def test_every_combination_is_claimed_and_answered(self, api: Api) -> None:
        values = {"date": "2024", "token": "a", "reference": "p", "string": "a", "uri": "urn:a"}
        for resource in api.get("/metadata").json["rest"][0]["resource"]:
            claimed = [
                tuple(part["valueString"] for part in each["extension"])
                for each in resource.get("extension", [])
            ]
            assert claimed == list(combinations(resource["type"]))
            for codes in claimed:
                known = search_parameters(resource["type"])
                query = "&".join(f"{code}={values[known[code].type]}" for code in codes)

                assert api.total(f"/{resource['type']}?{query}") == 0
