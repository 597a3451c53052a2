"""The operations. Source: R4 operations.html"""

from typing import Any

import pytest

from fhirbridge.fhir.validation import check
from tests.conformance.support import BASE, Api, assert_outcome, entry, goal, patient

GENDER = "http://hl7.org/fhir/ValueSet/administrative-gender"


def found(bundle: dict[str, Any]) -> set[str]:
    return {e["fullUrl"].removeprefix(f"{BASE}/") for e in bundle.get("entry", ())}


def parameters(**values: Any) -> dict[str, Any]:
    listed = []
    for name, value in values.items():
        if isinstance(value, dict) and "resourceType" in value:
            listed.append({"name": name, "resource": value})
        else:
            kind = {bool: "valueBoolean", dict: "valueCoding"}.get(type(value), "valueString")
            listed.append({"name": name, kind: value})
    return {"resourceType": "Parameters", "parameter": listed}


def values_of(answer: Any) -> dict[str, Any]:
    """Name -> the first value of each parameter."""
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert check(answer.json) == []
    return {
        each["name"]: next(v for k, v in each.items() if k[:5] == "value" or k == "part")
        for each in answer.json["parameter"]
    }


class TestAddresses:
    @pytest.mark.parametrize(
        "path", ["/Goal/$everything", "/Goal/g/$everything", "/Patient/$document", "/$validate"]
    )
    def test_operation_of_another_type_is_not_found(self, api: Api, path: str) -> None:
        assert_outcome(api.get(path), 404, "not-found")

    def test_capabilities_claim_them(self, api: Api) -> None:
        resources = api.get("/metadata").json["rest"][0]["resource"]
        claimed = {r["type"]: [o["name"] for o in r["operation"]] for r in resources}

        assert claimed["Patient"] == ["validate", "everything"]
        assert claimed["ValueSet"] == ["validate", "expand", "validate-code"]

    def test_unknown_parameter_is_refused(self, api: Api) -> None:
        assert api.get("/ValueSet/$expand?colour=1").status_code == 400
        assert api.post("/ValueSet/$expand", parameters(colour="1")).status_code == 400
        assert api.post("/ValueSet/$expand", patient()).status_code == 400

    def test_parameters_are_checked(self, api: Api) -> None:
        wrong = {"name": "codeableConcept", "valueCodeableConcept": {"coding": 3}}
        asked = {"resourceType": "Parameters", "parameter": [wrong]}

        answer = api.post("/ConceptMap/$translate", asked)

        assert_outcome(answer, 400, "structure")


class TestValidate:
    def test_valid_resource(self, api: Api) -> None:
        outcome = api.post("/Patient/$validate", patient()).json

        assert outcome["issue"][0]["severity"] == "information"
        assert api.total("/Patient") == 0

    def test_every_fault_is_listed_with_200(self, api: Api) -> None:
        answer = api.post("/Patient/$validate", patient(gender="x", active="y", colour=1))

        assert answer.status_code == 200
        assert len(answer.json["issue"]) == 3

    def test_resource_inside_of_parameters(self, api: Api) -> None:
        asked = parameters(resource=patient(gender="x"), mode="create")

        assert api.post("/Patient/$validate", asked).json["issue"][0]["code"] == "code-invalid"
        assert api.post("/Goal/$validate", asked).json["issue"][0]["code"] == "invalid"

    def test_profile(self, api: Api) -> None:
        url = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"

        outcome = api.post(f"/Patient/$validate?profile={url}", patient()).json
        unknown = api.post("/Patient/$validate?profile=urn:x", patient()).json
        base = "http://hl7.org/fhir/StructureDefinition/"

        assert {i["code"] for i in outcome["issue"]} == {"invariant"}
        assert [i["code"] for i in unknown["issue"]] == ["not-supported"]
        other = api.post(f"/Patient/$validate?profile={base}Goal", patient()).json
        assert [i["severity"] for i in other["issue"]] == ["error"]
        same = api.post(f"/Patient/$validate?profile={base}Patient", patient()).json
        assert [i["severity"] for i in same["issue"]] == ["information"]

    def test_stored_resource(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))

        assert api.get("/Patient/p/$validate").json["issue"][0]["severity"] == "information"
        assert_outcome(api.get("/Patient/q/$validate"), 404, "not-found")

    def test_update_wants_the_id(self, api: Api) -> None:
        answer = api.post("/Patient/p/$validate?mode=update", patient(id="q"))

        assert answer.json["issue"][0]["expression"] == ["Patient.id"]

    def test_delete(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))
        free = api.get("/Patient/p/$validate?mode=delete").json
        api.created(goal("Patient/p"))

        held = api.get("/Patient/p/$validate?mode=delete").json

        assert free["issue"][0]["severity"] == "information"
        assert held["issue"][0]["code"] == "conflict"

    @pytest.mark.parametrize("path", ["?mode=guess", "?mode=delete", ""])
    def test_what_cannot_be_asked(self, api: Api, path: str) -> None:
        assert api.get(f"/Patient/$validate{path}").status_code == 400

    def test_inside_a_batch(self, api: Api) -> None:
        answer = api.batch(entry("POST", "Patient/$validate", patient(gender="x")))

        assert "code-invalid" in str(answer.json["entry"][0])


@pytest.fixture
def ward(api: Api) -> Api:
    """Two patients with goals; p's organization is part of another one."""
    api.put("/Organization/top", {"resourceType": "Organization", "id": "top", "name": "T"})
    organization = {"resourceType": "Organization", "id": "o", "name": "O"}
    api.put("/Organization/o", {**organization, "partOf": {"reference": "Organization/top"}})
    api.put("/Patient/p", patient(id="p", managingOrganization={"reference": "Organization/o"}))
    api.put("/Patient/q", patient(id="q"))
    for name in ("p", "q"):
        for number in range(3):
            api.put(f"/Goal/{name}{number}", goal(f"Patient/{name}", id=f"{name}{number}"))
    return api


class TestEverything:
    def test_compartment_and_what_it_refers_to(self, ward: Api) -> None:
        bundle = ward.get("/Patient/p/$everything").json

        goals = {f"Goal/p{number}" for number in range(3)}
        assert found(bundle) == {"Patient/p", "Organization/o", "Organization/top", *goals}
        assert bundle["total"] == 4
        assert check(bundle) == []

    def test_pages(self, ward: Api) -> None:
        seen: list[str] = []
        following = "/Patient/p/$everything?_count=1"
        for _ in range(9):
            bundle = ward.get(following).json
            seen += [e["fullUrl"] for e in bundle["entry"] if e["search"]["mode"] == "match"]
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            if "next" not in links:
                break
            following = links["next"].removeprefix(BASE)

        assert len(seen) == len(set(seen)) == 4

    def test_types(self, ward: Api) -> None:
        ask = ward.get

        assert len(found(ask("/Patient/p/$everything?_type=Goal").json)) == 3
        assert found(ask("/Patient/p/$everything?_type=Patient,Organization").json) == {
            "Patient/p",
            "Organization/o",
            "Organization/top",
        }
        assert ask("/Patient/p/$everything?_type=Nothing").status_code == 400

    def test_since(self, ward: Api) -> None:
        path = "/Patient/p/$everything?_since="

        assert ward.get(f"{path}2999-01-01T00:00:00Z").json["total"] == 0
        assert ward.get(f"{path}2000-01-01T00:00:00+01:00").json["total"] == 4
        assert ward.get(f"{path}soon").status_code == 400

    def test_post_equals_get(self, ward: Api) -> None:
        posted = ward.post("/Patient/p/$everything", parameters(_type="Goal")).json

        assert posted == ward.get("/Patient/p/$everything?_type=Goal").json

    def test_tasks_for_the_patient(self, ward: Api) -> None:
        task = {"resourceType": "Task", "id": "t", "status": "requested", "intent": "order"}
        ward.put("/Task/t", task | {"for": {"reference": "Patient/p"}})

        assert "Task/t" in found(ward.get("/Patient/p/$everything").json)
        assert found(ward.get("/Patient/p/$everything?_type=Task").json) == {"Task/t"}
        assert ward.total("/Patient/p/Task") == 0  # R4 does not count it to the compartment

    def test_unknown_and_deleted_patient(self, ward: Api) -> None:
        ward.put("/Patient/d", patient(id="d"))
        ward.delete("/Patient/d")

        assert_outcome(ward.get("/Patient/none/$everything"), 404, "not-found")
        assert_outcome(ward.get("/Patient/d/$everything"), 410, "deleted")


class TestDocument:
    @pytest.fixture
    def plan(self, ward: Api) -> Api:
        ward.put(
            "/Composition/c",
            {
                "resourceType": "Composition",
                "id": "c",
                "status": "final",
                "type": {"text": "Plan"},
                "subject": {"reference": "Patient/p"},
                "date": "2026-01-01",
                "author": [{"reference": "Organization/o"}],
                "title": "Plan",
                "section": [{"entry": [{"reference": "Goal/p0"}, {"reference": "Goal/p0"}]}],
            },
        )
        return ward

    def test_composition_first_then_what_it_refers_to(self, plan: Api) -> None:
        bundle = plan.get("/Composition/c/$document").json

        assert bundle["type"] == "document"
        assert bundle["entry"][0]["fullUrl"] == f"{BASE}/Composition/c"
        assert found(bundle) == {"Composition/c", "Patient/p", "Organization/o", "Goal/p0"}
        assert check(bundle) == []
        assert plan.total("/Bundle") == 0

    def test_persist(self, plan: Api) -> None:
        stored = plan.post("/Composition/c/$document", parameters(persist=True)).json

        assert plan.get(f"/Bundle/{stored['id']}").json == stored
        assert plan.get("/Composition/c/$document?persist=true").status_code == 400

    def test_unknown(self, plan: Api) -> None:
        assert_outcome(plan.get("/Composition/none/$document"), 404, "not-found")


COLOURS = {
    "resourceType": "CodeSystem",
    "id": "colours",
    "url": "urn:colours",
    "status": "active",
    "content": "complete",
    "concept": [
        {"code": "warm", "display": "Warm", "concept": [{"code": "red", "display": "Red"}]},
        {"code": "cold", "display": "Cold", "concept": [{"code": "blue", "display": "Blue"}]},
    ],
}


def value_set(**include: Any) -> dict[str, Any]:
    return {
        "resourceType": "ValueSet",
        "url": "urn:set",
        "status": "active",
        "compose": {"include": [include]},
    }


@pytest.fixture
def terms(api: Api) -> Api:
    api.put("/CodeSystem/colours", COLOURS)
    api.put("/ValueSet/set", value_set(system="urn:colours") | {"id": "set"})
    group = {
        "source": "urn:colours",
        "target": "urn:farben",
        "element": [
            {"code": "red", "target": [{"code": "rot", "equivalence": "equivalent"}]},
            {"code": "blue", "target": [{"code": "kalt", "equivalence": "wider"}]},
            {"code": "warm", "target": [{"equivalence": "unmatched"}]},
        ],
    }
    concept_map = {"resourceType": "ConceptMap", "status": "active", "url": "urn:map"}
    api.put("/ConceptMap/m", {**concept_map, "id": "m", "group": [group]})
    return api


class TestExpand:
    def codes(self, answer: Any) -> list[str]:
        assert answer.status_code == 200, answer.get_data(as_text=True)
        assert check(answer.json) == []
        return [each["code"] for each in answer.json["expansion"].get("contains", [])]

    def test_stored_value_set(self, terms: Api) -> None:
        for path in ("/ValueSet/set/$expand", "/ValueSet/$expand?url=urn:set"):
            answer = terms.get(path)

            assert self.codes(answer) == ["warm", "red", "cold", "blue"]
            assert answer.json["expansion"]["contains"][1]["display"] == "Red"
            assert answer.json["expansion"]["total"] == 4

    def test_filter_and_pages(self, terms: Api) -> None:
        assert self.codes(terms.get("/ValueSet/set/$expand?filter=RE")) == ["red"]
        assert self.codes(terms.get("/ValueSet/set/$expand?offset=1&count=2")) == ["red", "cold"]

    @pytest.mark.parametrize(
        ("include", "expected"),
        [
            ({"filter": [{"property": "concept", "op": "is-a", "value": "warm"}]}, "warm red"),
            ({"filter": [{"property": "concept", "op": "descendent-of", "value": "cold"}]}, "blue"),
            ({"filter": [{"property": "concept", "op": "is-not-a", "value": "cold"}]}, "warm red"),
            ({"filter": [{"property": "concept", "op": "in", "value": "red,blue"}]}, "red blue"),
            ({"concept": [{"code": "blue"}, {"code": "red"}]}, "blue red"),
            ({"valueSet": ["urn:set"]}, "warm red cold blue"),
        ],
    )
    def test_compositions(self, terms: Api, include: Any, expected: str) -> None:
        asked = parameters(valueSet=value_set(system="urn:colours", **include))

        assert self.codes(terms.post("/ValueSet/$expand", asked)) == expected.split()

    def test_value_set_of_the_specification(self, api: Api) -> None:
        codes = self.codes(api.get(f"/ValueSet/$expand?url={GENDER}"))

        assert set(codes) == {"male", "female", "other", "unknown"}

    def test_what_cannot_be_listed(self, terms: Api) -> None:
        loinc = parameters(valueSet=value_set(system="http://loinc.org"))

        assert_outcome(terms.post("/ValueSet/$expand", loinc), 422, "business-rule")
        assert_outcome(terms.get("/ValueSet/$expand?url=urn:none"), 404, "not-found")
        assert_outcome(terms.get("/ValueSet/none/$expand"), 404, "not-found")
        assert_outcome(terms.get("/ValueSet/$expand"), 400, "required")

    def test_value_sets_that_include_each_other(self, api: Api) -> None:
        api.put("/ValueSet/a", value_set(valueSet=["urn:set"]) | {"id": "a"})

        assert_outcome(api.get("/ValueSet/a/$expand"), 422, "business-rule")


class TestValidateCode:
    @pytest.mark.parametrize(
        ("query", "result"),
        [
            ("url=urn:set&code=red&system=urn:colours", True),
            ("url=urn:set&code=red", True),
            ("url=urn:set&code=red&display=red", True),
            ("url=urn:set&code=red&display=Blue", False),
            ("url=urn:set&code=green&system=urn:colours", False),
            ("url=urn:set&code=red&system=urn:other", False),
            (f"url={GENDER}&code=male", True),
        ],
    )
    def test_codes(self, terms: Api, query: str, result: bool) -> None:
        assert values_of(terms.get(f"/ValueSet/$validate-code?{query}"))["result"] is result

    def test_coding(self, terms: Api) -> None:
        asked = parameters(coding={"system": "urn:colours", "code": "red"})

        answer = values_of(terms.post("/ValueSet/set/$validate-code", asked))

        assert answer == {"result": True, "display": "Red"}

    def test_without_a_code(self, terms: Api) -> None:
        assert_outcome(terms.get("/ValueSet/set/$validate-code"), 400, "required")


class TestTranslate:
    @pytest.mark.parametrize(
        ("path", "codes"),
        [
            ("/ConceptMap/$translate?code=red&system=urn:colours", {"rot": "equivalent"}),
            ("/ConceptMap/m/$translate?code=blue&system=urn:colours", {"kalt": "wider"}),
            ("/ConceptMap/$translate?url=urn:map&code=red", {"rot": "equivalent"}),
            ("/ConceptMap/m/$translate?code=kalt&reverse=true", {"blue": "narrower"}),
            ("/ConceptMap/m/$translate?code=red&targetsystem=urn:farben", {"rot": "equivalent"}),
            ("/ConceptMap/m/$translate?code=red&targetsystem=urn:none", {}),
            ("/ConceptMap/m/$translate?code=red&system=urn:none", {}),
            ("/ConceptMap/m/$translate?code=green&system=urn:colours", {}),
        ],
    )
    def test_matches(self, terms: Api, path: str, codes: dict[str, str]) -> None:
        answer = terms.get(path)

        assert values_of(answer)["result"] is bool(codes)
        matches = [each["part"] for each in answer.json["parameter"] if each["name"] == "match"]
        assert {m[1]["valueCoding"]["code"]: m[0]["valueCode"] for m in matches} == codes

    def test_unmatched_is_false(self, terms: Api) -> None:
        assert values_of(terms.get("/ConceptMap/m/$translate?code=warm"))["result"] is False

    def test_unknown_map(self, terms: Api) -> None:
        path = "/ConceptMap/$translate?url=urn:none&code=red"

        assert_outcome(terms.get(path), 404, "not-found")
