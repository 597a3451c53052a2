"""patch with JSON Patch and FHIRPath Patch. Source: R4 http.html#patch, fhirpatch.html"""

import base64
import json
from typing import Any

import pytest

from tests.conformance.support import Api, assert_outcome, entry, goal, identified, patient

JSON_PATCH = "application/json-patch+json"
ACTIVATE = [{"op": "add", "path": "/active", "value": True}]


def json_patch(api: Api, path: str, operations: Any, **headers: str) -> Any:
    return api("PATCH", path, operations, content_type=JSON_PATCH, **headers)


def operation(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    """One operation of a FHIRPath Patch; `value` is a whole part."""
    listed = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    for name, value in parts.items():
        if name == "value":
            listed.append({"name": "value", **value})
        elif isinstance(value, int):
            listed.append({"name": name, "valueInteger": value})
        else:
            listed.append({"name": name, "valueString": value})
    return {"name": "operation", "part": listed}


def parameters(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": list(operations)}


def binary(operations: Any) -> dict[str, Any]:
    data = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"resourceType": "Binary", "contentType": JSON_PATCH, "data": data}


@pytest.fixture
def stored(api: Api) -> Api:
    api.put("/Patient/p", identified("1", id="p", name=[{"given": ["A", "B"]}]))
    return api


class TestJsonPatch:
    def test_changes_and_makes_a_version(self, stored: Api) -> None:
        answer = json_patch(stored, "/Patient/p", ACTIVATE)

        assert answer.status_code == 200
        assert answer.headers["ETag"] == 'W/"2"'
        assert answer.json["active"] is True
        history = stored.get("/Patient/p/_history").json["entry"][0]
        assert history["request"]["method"] == "PATCH"

    def test_failing_test_changes_nothing(self, stored: Api) -> None:
        failing = [*ACTIVATE, {"op": "test", "path": "/id", "value": "q"}]

        assert_outcome(json_patch(stored, "/Patient/p", failing), 422, "conflict")
        assert stored.get("/Patient/p").headers["ETag"] == 'W/"1"'

    @pytest.mark.parametrize("path", ["/id", "/resourceType"])
    def test_identity_cannot_be_changed(self, stored: Api, path: str) -> None:
        change = [{"op": "replace", "path": path, "value": "Goal"}]

        assert_outcome(json_patch(stored, "/Patient/p", change), 422, "business-rule")

    def test_digits_of_what_is_not_touched_are_kept(self, api: Api) -> None:
        text = (
            '{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},'
            '"valueQuantity":{"value":70.10}}'
        )
        api.put("/Observation/o", text)

        change = [{"op": "replace", "path": "/status", "value": "amended"}]
        answer = json_patch(api, "/Observation/o", change)

        assert b'"value":70.10' in answer.data
        assert b"amended" in answer.data

    def test_result_is_checked_like_an_update(self, stored: Api) -> None:
        bad = [{"op": "add", "path": "/gender", "value": "Zyzzyva"}]

        answer = json_patch(stored, "/Patient/p", bad)

        assert_outcome(answer, 400, "code-invalid", expression="Patient.gender")
        assert "Zyzzyva" not in answer.get_data(as_text=True)

    def test_patch_without_effect_makes_no_version(self, stored: Api) -> None:
        answer = json_patch(stored, "/Patient/p", [])

        assert answer.headers["ETag"] == 'W/"1"'

    @pytest.mark.parametrize("body", ["{}", "[", '[{"op":"add"}]', '[{"op":"test","op":"add"}]'])
    def test_what_is_no_patch_is_400(self, stored: Api, body: str) -> None:
        assert json_patch(stored, "/Patient/p", body).status_code == 400

    def test_other_content_type_is_415(self, stored: Api) -> None:
        answer = stored("PATCH", "/Patient/p", "[]", content_type="application/xml-patch+xml")

        assert_outcome(answer, 415, "not-supported")
        assert stored("PUT", "/Patient/p", "[]", content_type=JSON_PATCH).status_code == 415

    def test_if_match(self, stored: Api) -> None:
        refused = json_patch(stored, "/Patient/p", ACTIVATE, if_match='W/"7"')

        assert_outcome(refused, 412, "conflict")
        assert json_patch(stored, "/Patient/p", ACTIVATE, if_match='W/"1"').status_code == 200

    def test_what_is_not_there(self, stored: Api) -> None:
        stored.put("/Patient/d", patient(id="d"))
        stored.delete("/Patient/d")

        assert json_patch(stored, "/Patient/none", ACTIVATE).status_code == 404
        assert json_patch(stored, "/Patient/d", ACTIVATE).status_code == 410

    def test_references_are_checked(self, stored: Api) -> None:
        change = [{"op": "add", "path": "/managingOrganization", "value": {}}]
        change[0]["value"] = {"reference": "Organization/none"}

        assert_outcome(json_patch(stored, "/Patient/p", change), 422, "not-found")

    def test_prefer_minimal(self, stored: Api) -> None:
        answer = json_patch(stored, "/Patient/p", ACTIVATE, prefer="return=minimal")

        assert answer.data == b""


class TestConditional:
    def test_one_match(self, stored: Api) -> None:
        answer = json_patch(stored, "/Patient?identifier=urn:mrn|1", ACTIVATE)

        assert answer.json["id"] == "p"
        assert answer.json["active"] is True

    def test_no_match_is_404(self, stored: Api) -> None:
        answer = json_patch(stored, "/Patient?identifier=urn:mrn|2", ACTIVATE)

        assert_outcome(answer, 404, "not-found")

    def test_several_matches_are_412(self, stored: Api) -> None:
        stored.created(identified("1"))

        answer = json_patch(stored, "/Patient?identifier=urn:mrn|1", ACTIVATE)

        assert_outcome(answer, 412, "multiple-matches")

    def test_without_criteria_is_400(self, stored: Api) -> None:
        assert json_patch(stored, "/Patient", ACTIVATE).status_code == 400


class TestFhirPathPatch:
    @pytest.mark.parametrize(
        ("change", "element", "expected"),
        [
            (operation("add", "Patient", name="active", value={"valueBoolean": True}), "active", 1),
            (
                operation("add", "Patient", name="deceased", value={"valueDate": "2020"}),
                "deceasedDateTime",
                None,
            ),
            (
                operation("add", "Patient", name="deceased", value={"valueDateTime": "2020"}),
                "deceasedDateTime",
                "2020",
            ),
            (
                operation("add", "Patient.name[0]", name="given", value={"valueString": "C"}),
                "name",
                [{"given": ["A", "B", "C"]}],
            ),
            (
                operation("insert", "Patient.name.given", index=1, value={"valueString": "C"}),
                "name",
                [{"given": ["A", "C", "B"]}],
            ),
            (
                operation("delete", "Patient.name.given.where($this = 'A')"),
                "name",
                None,
            ),
            (operation("delete", "Patient.name.given[0]"), "name", [{"given": ["B"]}]),
            (operation("delete", "name.given.last()"), "name", [{"given": ["A"]}]),
            (operation("delete", "Patient.identifier.where(system = 'urn:mrn')"), "identifier", ""),
            (operation("delete", "Patient.birthDate"), "birthDate", ""),
            (
                operation("replace", "Patient.name.given.first()", value={"valueString": "Z"}),
                "name",
                [{"given": ["Z", "B"]}],
            ),
            (
                operation("move", "Patient.name.given", source=0, destination=1),
                "name",
                [{"given": ["B", "A"]}],
            ),
            (
                operation(
                    "add",
                    "Patient",
                    name="contact",
                    value={
                        "part": [
                            {"name": "name", "valueHumanName": {"text": "X"}},
                            {
                                "name": "telecom",
                                "valueContactPoint": {"system": "sms", "value": "1"},
                            },
                            {
                                "name": "telecom",
                                "valueContactPoint": {"system": "sms", "value": "2"},
                            },
                        ]
                    },
                ),
                "contact",
                [{"name": {"text": "X"}, "telecom": [{"system": "sms", "value": v} for v in "12"]}],
            ),
            (operation("add", "Patient.id", name="x", value={"valueString": "1"}), "id", None),
            (operation("replace", "Patient.gender", value={"valueCode": "male"}), "gender", None),
            (operation("insert", "Patient.name", index=9, value={"valueString": "a"}), "x", None),
            (operation("delete", "Patient.name.given"), "name", None),
            (operation("delete", "Patient"), "id", None),
            (operation("replace", "Patient.nothing", value={"valueCode": "male"}), "id", None),
            (operation("add", "Patient", name="name", value={"valueString": "a"}), "name", None),
            (operation("shout", "Patient.name"), "name", None),
        ],
    )
    def test_operations(self, stored: Api, change: Any, element: str, expected: Any) -> None:
        answer = stored("PATCH", "/Patient/p", parameters(change))

        if expected is None:  # it is refused, and nothing has happened
            assert answer.status_code in (400, 422), answer.json
            assert stored.get("/Patient/p").headers["ETag"] == 'W/"1"'
        else:
            assert answer.status_code == 200, answer.json
            assert answer.json.get(element, "") == expected

    def test_choice_is_replaced_by_another_type(self, api: Api) -> None:
        observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
        reference = api.created({**observation, "valueString": "much"})
        change = operation("replace", "Observation.value", value={"valueInteger": 3})

        changed = api("PATCH", f"/{reference}", parameters(change)).json

        assert changed["valueInteger"] == 3
        assert "valueString" not in changed

    def test_extension_of_a_primitive(self, stored: Api) -> None:
        extension = {"valueExtension": {"url": "urn:x", "valueString": "y"}}
        steps = [
            operation("add", "Patient", name="birthDate", value={"valueDate": "2000-01-01"}),
        ]
        change = operation("add", "Patient.birthDate", name="extension", value=extension)

        answer = stored("PATCH", "/Patient/p", parameters(*steps, change))

        # Parameters have no valueExtension in R4.
        assert answer.status_code == 400
        parts = {"part": [{"name": "url", "valueUri": "urn:x"}, {"name": "value"}]}
        parts["part"][1]["valueString"] = "y"
        change = operation("add", "Patient.birthDate", name="extension", value=parts)
        answer = stored("PATCH", "/Patient/p", parameters(*steps, change))
        assert answer.json["_birthDate"] == {"extension": [{"url": "urn:x", "valueString": "y"}]}

    def test_all_operations_or_none(self, stored: Api) -> None:
        good = operation("add", "Patient", name="active", value={"valueBoolean": True})
        bad = operation("add", "Patient.link", name="type", value={"valueCode": "seealso"})

        answer = stored("PATCH", "/Patient/p", parameters(good, bad))

        assert_outcome(answer, 422, "conflict", expression="Parameters.parameter[1]")
        assert "active" not in stored.get("/Patient/p").json


class TestInBundles:
    @pytest.fixture(params=["binary", "parameters"])
    def change(self, request: pytest.FixtureRequest) -> dict[str, Any]:
        if request.param == "binary":
            return binary(ACTIVATE)
        return parameters(operation("add", "Patient", name="active", value={"valueBoolean": True}))

    def test_batch(self, stored: Api, change: dict[str, Any]) -> None:
        answer = stored.batch(
            entry("PATCH", "Patient/none", change),
            entry("PATCH", "Patient/p", change),
            entry("PATCH", "Patient/p", change, ifMatch='W/"1"'),
            entry("PATCH", "Patient/p"),
        )

        statuses = [each["response"]["status"][:3] for each in answer.json["entry"]]
        assert statuses == ["404", "200", "412", "400"]
        assert stored.get("/Patient/p").json["active"] is True

    def test_transaction(self, stored: Api, change: dict[str, Any]) -> None:
        answer = stored.transaction(
            entry("PATCH", "Patient?identifier=urn:mrn|1", change),
            entry("POST", "Goal", goal("Patient/p")),
        )

        assert answer.status_code == 200, answer.json
        assert answer.json["entry"][0]["response"]["etag"] == 'W/"2"'
        assert stored.get("/Patient/p").json["active"] is True

    def test_failing_transaction_changes_nothing(self, stored: Api, change: dict[str, Any]) -> None:
        answer = stored.transaction(
            entry("POST", "Patient", patient()),
            entry("PATCH", "Patient?identifier=urn:mrn|2", change),
        )

        assert_outcome(answer, 404, "not-found", expression="Bundle.entry[1]")
        assert stored.total("/Patient") == 1

    def test_two_entries_for_one_resource_are_refused(
        self, stored: Api, change: dict[str, Any]
    ) -> None:
        answer = stored.transaction(
            entry("PATCH", "Patient/p", change), entry("DELETE", "Patient/p")
        )

        assert_outcome(answer, 400, "invalid")

    @pytest.mark.parametrize("url", ["Patient/p", "Patient?identifier=urn:mrn|1"])
    @pytest.mark.parametrize("form", ["FHIRPath", "JSON, element", "JSON, text"])
    def test_references_between_entries(self, stored: Api, form: str, url: str) -> None:
        urn = "urn:uuid:1a8c0b3c-8d4f-4d3e-9c55-1f5a6f1f2a01"
        place, reference = "/managingOrganization", {"reference": urn}
        value = {"valueReference": reference}
        changes = {
            "FHIRPath": parameters(
                operation("add", "Patient", name="managingOrganization", value=value)
            ),
            "JSON, element": binary([{"op": "add", "path": place, "value": reference}]),
            "JSON, text": binary(
                [
                    {"op": "add", "path": place, "value": {"display": "O"}},
                    {"op": "add", "path": f"{place}/reference", "value": urn},
                ]
            ),
        }

        answer = stored.transaction(
            entry("PATCH", url, changes[form]),
            entry(
                "POST", "Organization", {"resourceType": "Organization", "name": "O"}, full_url=urn
            ),
        )

        assert answer.status_code == 200, answer.json
        linked = stored.get("/Patient/p").json["managingOrganization"]["reference"]
        assert linked.startswith("Organization/")


class TestText:
    DIV = '<div xmlns="http://www.w3.org/1999/xhtml">active</div>'

    def text_after(self, api: Api, status: str, operations: Any) -> Any:
        patient_id = api.created(patient(birthDate="1990-01-02")).partition("/")[2]
        text = {"status": status, "div": self.DIV}
        api.put(f"/Goal/{patient_id}", goal(f"Patient/{patient_id}", id=patient_id, text=text))
        return json_patch(api, f"/Goal/{patient_id}", operations).json["text"]

    def test_generated_text_says_what_the_patch_made_of_it(self, api: Api) -> None:
        change = [{"op": "replace", "path": "/lifecycleStatus", "value": "completed"}]

        text = self.text_after(api, "generated", change)

        assert "completed" in text["div"]
        assert "Stay sober" in text["div"]

    def test_text_of_a_person_stays(self, api: Api) -> None:
        change = [{"op": "replace", "path": "/lifecycleStatus", "value": "completed"}]

        assert self.text_after(api, "additional", change)["div"] == self.DIV

    def test_text_in_the_patch_stays(self, api: Api) -> None:
        div = self.DIV.replace("active", "done")
        change = [
            {"op": "replace", "path": "/lifecycleStatus", "value": "completed"},
            {"op": "replace", "path": "/text/div", "value": div},
        ]

        assert self.text_after(api, "generated", change)["div"] == div
