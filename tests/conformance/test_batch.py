"""batch. Source: R4 http.html#transaction"""

from typing import Any

import pytest

from tests.conformance.support import Api, assert_outcome, entry, goal, identified, patient


class TestBatch:
    def test_one_bad_entry_never_fails_the_rest(self, api: Api) -> None:
        answer = api.batch(
            entry("POST", "Patient", identified("1")),
            entry("POST", "Goal", {"resourceType": "Goal"}),
            entry("GET", "Patient/none"),
            {"resource": patient()},
            entry("PATCH", "Patient/x"),
            entry("POST", "Goal", goal("Patient/none")),
            entry("PUT", "Patient/p", patient(id="p"), ifMatch='W/"1"'),
            entry("PUT", "Patient/p", patient(id="p"), ifMatch="1"),
            entry("DELETE", "Patient/none"),
            entry("POST", "Patient", identified("2")),
        )

        assert answer.status_code == 200
        assert answer.json["type"] == "batch-response"
        statuses = [e["response"]["status"].split()[0] for e in answer.json["entry"]]
        assert statuses == ["201", "400", "404", "400", "400", "422", "412", "400", "204", "201"]
        assert api.total("/Patient") == 2

    def test_failed_entry_has_an_outcome_that_names_it(self, api: Api) -> None:
        failed = api.batch(entry("GET", "Patient/none")).json["entry"][0]["response"]

        assert failed["status"] == "404 Not Found"
        assert failed["outcome"]["resourceType"] == "OperationOutcome"
        assert failed["outcome"]["issue"][0]["expression"] == ["Bundle.entry[0]"]

    def test_address_may_start_with_a_slash(self, api: Api) -> None:
        """Relative to the root is what clients mean by it."""
        api.put("/Patient/p", patient(id="p"))

        found = api.batch(entry("GET", "/Patient/p"), entry("GET", "/Patient?_id=p")).json

        assert [e["response"]["status"] for e in found["entry"]] == ["200 OK", "200 OK"]

    def test_address_of_another_server_is_refused(self, api: Api) -> None:
        found = api.batch(entry("GET", "//evil.example/Patient/p"), entry("GET", "http:x")).json

        assert {e["response"]["status"] for e in found["entry"]} == {"400 Bad Request"}

    def test_head_is_answered_without_a_body(self, api: Api) -> None:
        reference = api.created(patient())

        answers = api.batch(entry("HEAD", reference), entry("HEAD", "Patient/none")).json["entry"]
        inside = api.transaction(entry("HEAD", reference)).json["entry"]

        assert answers[0]["response"]["status"] == "200 OK"
        assert answers[0]["response"]["etag"] == 'W/"1"'
        assert "resource" not in answers[0] and "resource" not in inside[0]
        assert answers[1]["response"]["status"] == "404 Not Found"

    def test_conditions_work_inside(self, api: Api) -> None:
        api.put("/Patient/p", identified("1", id="p"))

        answer = api.batch(
            entry("POST", "Patient", identified("1"), ifNoneExist="identifier=urn:mrn|1"),
            entry("GET", "Patient/p", ifNoneMatch='W/"1"'),
            entry("GET", "Patient?identifier=urn:mrn|1"),
            entry("DELETE", "Patient?identifier=urn:mrn|9"),
        )

        statuses = [e["response"]["status"] for e in answer.json["entry"]]
        assert statuses == ["200 OK", "304 Not Modified", "200 OK", "204 No Content"]
        assert answer.json["entry"][2]["resource"]["total"] == 1

    def test_unexpected_fault_stays_in_its_entry(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_args: Any, **_kwargs: Any) -> None:
            raise RuntimeError("secret")

        monkeypatch.setattr("fhirbridge.storage.resources.vread", broken)

        answer = api.batch(
            entry("GET", "Patient/x/_history/1"), entry("POST", "Patient", identified("1"))
        )

        statuses = [e["response"]["status"] for e in answer.json["entry"]]
        assert statuses == ["500 Internal Server Error", "201 Created"]
        assert "secret" not in answer.get_data(as_text=True)

    def test_form_parameters_of_an_entry_change_nothing(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))

        answer = api.batch(entry("GET", "Patient/p?_format=json"), entry("HEAD", "Patient/p"))

        assert [e["response"]["status"] for e in answer.json["entry"]] == ["200 OK", "200 OK"]

    def test_batch_inside_a_batch_is_refused(self, api: Api) -> None:
        inner = {"resourceType": "Bundle", "type": "batch"}

        answer = api.batch(entry("POST", "", inner))

        assert answer.json["entry"][0]["response"]["status"] == "400 Bad Request"

    def test_too_many_entries_are_refused(self, api: Api) -> None:
        answer = api.batch(*[{}] * 5001)

        assert_outcome(answer, 413, "too-costly", expression="Bundle.entry")

    def test_entries_that_are_no_objects_are_answered_one_by_one(self, api: Api) -> None:
        answer = api.post("", {"resourceType": "Bundle", "type": "batch", "entry": [1, None]})

        assert [e["response"]["status"] for e in answer.json["entry"]] == ["400 Bad Request"] * 2
