"""create and conditional create. Source: R4 http.html#create, http.html#ccreate"""

import pytest

from tests.conformance.support import BASE, Api, assert_outcome, goal, identified, patient


class TestCreate:
    def test_create_answers_201_with_location_etag_and_last_modified(self, api: Api) -> None:
        answer = api.post("/Patient", patient(active=True))

        assert answer.status_code == 201
        made = answer.json
        assert answer.headers["Location"] == f"{BASE}/Patient/{made['id']}/_history/1"
        assert answer.headers["ETag"] == 'W/"1"'
        assert answer.headers["Last-Modified"].endswith("GMT")
        assert made["meta"]["versionId"] == "1"
        assert made["meta"]["lastUpdated"].endswith("Z")

    def test_id_in_the_body_is_ignored(self, api: Api) -> None:
        answer = api.post("/Patient", patient(id="mine"))

        assert answer.json["id"] != "mine"
        assert_outcome(api.get("/Patient/mine"), 404, "not-found")

    def test_meta_of_the_client_is_replaced_but_its_tags_stay(self, api: Api) -> None:
        tag = {"system": "urn:t", "code": "a"}
        meta = {"versionId": "77", "lastUpdated": "2001-01-01T00:00:00Z", "tag": [tag]}

        made = api.post("/Patient", patient(meta=meta)).json

        assert made["meta"]["versionId"] == "1"
        assert made["meta"]["lastUpdated"] > "2020"
        assert made["meta"]["tag"] == [tag]

    def test_type_of_the_body_must_be_that_of_the_address(self, api: Api) -> None:
        answer = api.post("/Observation", patient())

        assert_outcome(answer, 400, "invalid", expression="resourceType")

    def test_body_without_resource_type_is_refused(self, api: Api) -> None:
        assert_outcome(api.post("/Patient", {"active": True}), 400, "structure")

    def test_invalid_resource_is_refused_with_all_faults(self, api: Api) -> None:
        answer = api.post("/Goal", {"resourceType": "Goal", "lifecycleStatus": "bogus", "x": 1})

        issues = assert_outcome(answer, 400, "required")
        assert len(issues) >= 4
        assert api.total("/Goal") == 0

    def test_broken_invariant_is_unprocessable(self, api: Api) -> None:
        answer = api.post("/Patient", patient(contact=[{"gender": "male"}]))

        assert_outcome(answer, 422, "invariant", expression="Patient.contact[0]")

    def test_digits_date_texts_and_primitive_extensions_survive(self, api: Api) -> None:
        body = (
            '{"resourceType":"Observation","status":"final","code":{"text":"x"},'
            '"effectiveDateTime":"2024-05-01T10:00:00.10+00:00",'
            '"_status":{"extension":[{"url":"urn:e","valueDecimal":1.00}]},'
            '"valueQuantity":{"value":70.10}}'
        )

        made = api.post("/Observation", body)

        text = made.get_data(as_text=True)
        assert '"value":70.10}' in text
        assert '"valueDecimal":1.00}' in text
        assert "2024-05-01T10:00:00.10+00:00" in text
        read = api.get(f"/Observation/{made.get_json(force=True)['id']}")
        assert read.get_data(as_text=True) == text

    def test_every_resource_type_goes_through_the_same_code(self, api: Api) -> None:
        made = api.post("/Basic", {"resourceType": "Basic", "code": {"text": "x"}})

        assert made.status_code == 201
        assert api.get(f"/Basic/{made.json['id']}").json == made.json


class TestPrefer:
    def test_minimal_has_no_body(self, api: Api) -> None:
        answer = api.post("/Patient", patient(), prefer="return=minimal")

        assert answer.status_code == 201
        assert answer.data == b""
        assert answer.headers["Location"]

    def test_representation_has_the_resource(self, api: Api) -> None:
        answer = api.post("/Patient", patient(), prefer="return=representation")

        assert answer.json["resourceType"] == "Patient"

    def test_operation_outcome_says_that_all_is_well(self, api: Api) -> None:
        answer = api.post("/Patient", patient(), prefer="return=OperationOutcome")

        assert answer.status_code == 201
        assert_outcome(answer, 201, "informational")


class TestReferentialIntegrity:
    def test_reference_to_nothing_is_unprocessable(self, api: Api) -> None:
        answer = api.post("/Goal", goal("Patient/none"))

        assert_outcome(answer, 422, "not-found", expression="Goal.subject.reference")
        assert api.total("/Goal") == 0

    def test_absolute_reference_to_ourselves_counts(self, api: Api) -> None:
        assert_outcome(api.post("/Goal", goal(f"{BASE}/Patient/none")), 422, "not-found")

    def test_reference_to_a_deleted_resource_is_unprocessable(self, api: Api) -> None:
        reference = api.created(patient())
        api.delete(f"/{reference}")

        assert_outcome(api.post("/Goal", goal(reference)), 422, "not-found")

    @pytest.mark.parametrize("version", ["2", "0", "x", "99999999999"])
    def test_reference_to_a_version_that_never_was_is_unprocessable(
        self, api: Api, version: str
    ) -> None:
        reference = api.created(patient())

        for place in (reference, f"{BASE}/{reference}"):
            answer = api.post("/Goal", goal(f"{place}/_history/{version}"))

            assert_outcome(answer, 422, "not-found", expression="Goal.subject.reference")
        assert api.post("/Goal", goal(f"{reference}/_history/1")).status_code == 201

    def test_reference_to_another_server_is_its_own_affair(self, api: Api) -> None:
        assert api.post("/Goal", goal("https://ehr.example/fhir/Patient/1")).status_code == 201

    def test_contained_and_extension_references_count(self, api: Api) -> None:
        extension = {"url": "urn:e", "valueReference": {"reference": "Patient/none"}}

        answer = api.post("/Patient", patient(extension=[extension]))

        assert_outcome(
            answer,
            422,
            "not-found",
            expression="Patient.extension[0].value.ofType(Reference).reference",
        )

    def test_conditional_reference_needs_a_transaction(self, api: Api) -> None:
        answer = api.post("/Goal", goal("Patient?identifier=urn:mrn|1"))

        assert_outcome(answer, 400, "invalid", expression="Goal.subject.reference")

    def test_stored_documents_may_refer_inside_themselves(self, api: Api) -> None:
        document = {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"fullUrl": f"{BASE}/Goal/g", "resource": goal("Patient/none", id="g")}],
        }

        assert api.post("/Bundle", document).status_code == 201


class TestConditionalCreate:
    CRITERIA = "identifier=urn:mrn|1"

    def test_no_match_creates(self, api: Api) -> None:
        answer = api.post("/Patient", identified("1"), if_none_exist=self.CRITERIA)

        assert answer.status_code == 201

    def test_one_match_writes_nothing_and_names_the_match(self, api: Api) -> None:
        reference = api.created(identified("1"))

        answer = api.post("/Patient", identified("1", active=True), if_none_exist=self.CRITERIA)

        assert answer.status_code == 200
        assert answer.headers["Location"] == f"{BASE}/{reference}/_history/1"
        assert "active" not in answer.json
        assert api.total("/Patient") == 1

    def test_several_matches_are_refused(self, api: Api) -> None:
        api.created(identified("1"))
        api.created(identified("1"))

        answer = api.post("/Patient", identified("1"), if_none_exist=self.CRITERIA)

        assert_outcome(answer, 412, "multiple-matches")
        assert api.total("/Patient") == 2

    def test_deleted_match_is_no_match(self, api: Api) -> None:
        api.delete("/" + api.created(identified("1")))

        answer = api.post("/Patient", identified("1"), if_none_exist=self.CRITERIA)

        assert answer.status_code == 201

    def test_criteria_must_be_conditions_that_are_known(self, api: Api) -> None:
        for criteria, code in (("", "invalid"), ("nonsense=1", "not-supported")):
            answer = api.post("/Patient", identified("1"), if_none_exist=criteria)

            assert_outcome(answer, 400, code)
        assert api.total("/Patient") == 0

    def test_lenient_handling_never_widens_the_criteria(self, api: Api) -> None:
        answer = api.post(
            "/Patient",
            identified("1"),
            if_none_exist="nonsense=1&identifier=urn:mrn|1",
            prefer="handling=lenient",
        )

        assert_outcome(answer, 400, "not-supported")
