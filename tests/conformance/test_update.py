"""update, update as create, contention. Source: R4 http.html#update, http.html#concurrency"""

import pytest

from tests.conformance.support import BASE, Api, assert_outcome, goal, identified, patient


class TestUpdate:
    def test_existing_resource_gets_a_new_version(self, api: Api) -> None:
        reference = api.created(patient())

        answer = api.put(f"/{reference}", patient(id=reference[8:], active=True))

        assert answer.status_code == 200
        assert answer.headers["ETag"] == 'W/"2"'
        assert answer.json["meta"]["versionId"] == "2"
        assert api.get(f"/{reference}").json["active"] is True

    def test_new_id_creates_with_location(self, api: Api) -> None:
        answer = api.put("/Patient/p-1.a", patient(id="p-1.a"))

        assert answer.status_code == 201
        assert answer.headers["Location"] == f"{BASE}/Patient/p-1.a/_history/1"

    @pytest.mark.parametrize("body", [patient(), patient(id="other")], ids=["missing", "other"])
    def test_id_of_the_body_must_be_that_of_the_address(
        self, api: Api, body: dict[str, str]
    ) -> None:
        assert_outcome(api.put("/Patient/p", body), 400, "invalid", expression="Patient.id")
        assert_outcome(api.get("/Patient/p"), 404, "not-found")

    def test_address_must_have_a_valid_id(self, api: Api) -> None:
        answer = api.put("/Patient/p_1", patient(id="p_1"))

        assert answer.status_code == 400

    def test_version_id_of_the_client_is_ignored(self, api: Api) -> None:
        body = patient(id="p", meta={"versionId": "9"})

        assert api.put("/Patient/p", body).json["meta"]["versionId"] == "1"

    def test_identical_update_makes_no_new_version(self, api: Api) -> None:
        first = api.put("/Patient/p", patient(id="p", active=True))

        again = api.put("/Patient/p", patient(active=True, id="p", meta={"versionId": "8"}))

        assert again.status_code == 200
        assert again.json == first.json
        assert api.get("/Patient/p/_history").json["total"] == 1

    def test_other_digits_are_another_content(self, api: Api) -> None:
        body = (
            '{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},'
            '"valueQuantity":{"value":%s}}'
        )
        api.put("/Observation/o", body % "1.0")

        assert api.put("/Observation/o", body % "1.00").headers["ETag"] == 'W/"2"'

    def test_update_of_a_deleted_resource_brings_it_back(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))
        api.delete("/Patient/p")

        answer = api.put("/Patient/p", patient(id="p"))

        assert answer.status_code == 201
        assert answer.headers["ETag"] == 'W/"3"'
        assert api.total("/Patient?_id=p") == 1

    def test_search_follows_the_current_version(self, api: Api) -> None:
        api.put("/Patient/p", identified("1", id="p"))
        api.put("/Patient/p", identified("2", id="p"))

        assert api.total("/Patient?identifier=urn:mrn|1") == 0
        assert api.total("/Patient?identifier=urn:mrn|2") == 1

    def test_reference_to_nothing_is_unprocessable_and_changes_nothing(self, api: Api) -> None:
        reference = api.created(patient())
        api.put("/Goal/g", goal(reference, id="g"))

        assert_outcome(api.put("/Goal/g", goal("Patient/x", id="g")), 422, "not-found")
        assert api.get("/Goal/g").json["meta"]["versionId"] == "1"


class TestContention:
    @pytest.fixture
    def twice(self, api: Api) -> Api:
        """A server where Patient/p has two versions."""
        api.put("/Patient/p", identified("1", id="p"))
        api.put("/Patient/p", identified("1", id="p", active=True))
        return api

    def test_old_version_is_refused_and_nothing_written(self, twice: Api) -> None:
        answer = twice.put("/Patient/p", identified("1", id="p"), if_match='W/"1"')

        assert_outcome(answer, 412, "conflict")
        assert twice.get("/Patient/p").json["meta"]["versionId"] == "2"

    @pytest.mark.parametrize("tag", ['W/"2"', '"2"', "*", 'W/"1", W/"2"'])
    def test_current_version_is_accepted(self, twice: Api, tag: str) -> None:
        answer = twice.put("/Patient/p", identified("1", id="p"), if_match=tag)

        assert answer.headers["ETag"] == 'W/"3"'

    @pytest.mark.parametrize("tag", ["2", "W/2", 'W/"', ""])
    def test_malformed_tag_is_a_bad_request(self, twice: Api, tag: str) -> None:
        answer = twice.put("/Patient/p", identified("1", id="p"), if_match=tag)

        assert_outcome(answer, 400, "invalid")

    def test_if_match_on_what_does_not_exist_fails(self, api: Api) -> None:
        answer = api.put("/Patient/p", patient(id="p"), if_match='W/"1"')

        assert_outcome(answer, 412, "conflict")

    def test_conditional_update_honours_if_match(self, twice: Api) -> None:
        answer = twice.put(
            "/Patient?identifier=urn:mrn|1", identified("1", active=False), if_match='W/"1"'
        )

        assert_outcome(answer, 412, "conflict")

    def test_if_none_match_star_asks_for_a_new_resource(self, twice: Api) -> None:
        there = twice.put("/Patient/p", patient(id="p"), if_none_match="*")
        new = twice.put("/Patient/q", patient(id="q"), if_none_match="*")

        assert_outcome(there, 412, "conflict")
        assert new.status_code == 201


class TestConditionalUpdate:
    ADDRESS = "/Patient?identifier=urn:mrn|1"

    def test_no_match_and_no_id_creates(self, api: Api) -> None:
        answer = api.put(self.ADDRESS, identified("1"))

        assert answer.status_code == 201
        assert answer.headers["Location"].startswith(f"{BASE}/Patient/")

    def test_no_match_with_id_creates_at_that_id(self, api: Api) -> None:
        answer = api.put(self.ADDRESS, identified("1", id="p"))

        assert answer.headers["Location"] == f"{BASE}/Patient/p/_history/1"

    def test_one_match_is_updated(self, api: Api) -> None:
        reference = api.created(identified("1"))

        answer = api.put(self.ADDRESS, identified("1", active=True))

        assert answer.status_code == 200
        assert answer.headers["Location"] == f"{BASE}/{reference}/_history/2"

    def test_one_match_with_another_id_is_refused(self, api: Api) -> None:
        api.created(identified("1"))

        answer = api.put(self.ADDRESS, identified("1", id="other"))

        assert_outcome(answer, 400, "invalid", expression="Patient.id")

    def test_several_matches_are_refused(self, api: Api) -> None:
        api.created(identified("1"))
        api.created(identified("1"))

        assert_outcome(api.put(self.ADDRESS, identified("1")), 412, "multiple-matches")

    def test_criteria_are_required(self, api: Api) -> None:
        assert_outcome(api.put("/Patient", identified("1")), 400, "invalid")

    def test_id_that_exists_but_does_not_match_is_a_conflict(self, api: Api) -> None:
        api.put("/Patient/p", identified("2", id="p"))

        answer = api.put(self.ADDRESS, identified("1", id="p"))

        assert_outcome(answer, 409, "conflict")
        assert api.get("/Patient/p").json["meta"]["versionId"] == "1"
