"""The shape of every error: a status, and an OperationOutcome that says what was expected.

Source: R4 http.html#2.21.0.4, operationoutcome.html
"""

import logging

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.fhir.validation import check
from fhirbridge.web.app import create_app
from tests.conformance.support import Api, assert_outcome, entry, goal, identified, patient
from tests.locking import locked


class TestShape:
    @pytest.mark.parametrize(
        ("method", "path", "status", "code"),
        [
            ("GET", "/nothing", 404, "not-supported"),
            ("GET", "/Patient/a/b/c/d", 404, "not-found"),
            ("GET", "/Patient/a/_history/1/x", 404, "not-found"),
            ("GET", "/Patient/$nothing", 404, "not-found"),
            ("GET", "/patient", 404, "not-supported"),
            ("GET", "/Patient/p/nothing", 404, "not-found"),
            ("GET", "/Goal/g/Observation", 404, "not-found"),
            ("POST", "/_history", 405, "not-supported"),
            ("PUT", "/Patient/p/Observation", 405, "not-supported"),
            ("PUT", "", 405, "not-supported"),
            ("DELETE", "", 405, "not-supported"),
            ("PATCH", "/Patient/p/_history", 405, "not-supported"),
            ("PATCH", "", 405, "not-supported"),
            ("POST", "/Patient/p", 405, "not-supported"),
            ("POST", "/metadata", 405, "not-supported"),
            ("GET", "/Patient/_search", 405, "not-supported"),
            ("OPTIONS", "/Patient", 405, "not-supported"),
            ("GET", "/Patient/none", 404, "not-found"),
        ],
    )
    def test_addresses_and_methods(
        self, api: Api, method: str, path: str, status: int, code: str
    ) -> None:
        assert_outcome(api(method, path), status, code)

    @pytest.mark.parametrize("path", ["/nothing", "/", "/fhirr", "/health/nothing"])
    def test_addresses_outside_of_the_api(self, api: Api, path: str) -> None:
        assert_outcome(api("GET", path, root=""), 404, "not-found")

    def test_method_outside_of_the_api(self, api: Api) -> None:
        answer = api("POST", "/health/live", root="")

        assert_outcome(answer, 405, "not-supported")
        assert "GET" in answer.headers["Allow"]

    def test_405_names_the_methods(self, api: Api) -> None:
        assert api("POST", "/Patient/p").headers["Allow"] == "DELETE, GET, PATCH, PUT, HEAD"

    def test_every_outcome_is_a_valid_resource(self, api: Api) -> None:
        reference = api.created(patient())
        api.created(goal(reference))
        answers = [
            api.get("/Patient/none"),
            api.get("/Patient?x=1"),
            api.post("/Patient", "{"),
            api.post("/Goal", {"resourceType": "Goal"}),
            api.post("/Goal", goal("Patient/none")),
            api.delete(f"/{reference}"),
            api.put(f"/{reference}", patient(id=reference[8:]), if_match='W/"9"'),
            api.post("/Patient", patient(), content_type="text/plain"),
            api.get("/Patient", accept="text/plain"),
            api.transaction(entry("POST", "Goal", {"resourceType": "Goal"})),
        ]

        for answer in answers:
            assert answer.status_code >= 400
            assert check(answer.get_json(force=True)) == []

    def test_outcomes_hold_no_values_of_the_record(self, api: Api) -> None:
        bad = patient(
            name=[{"family": "Zyzzyva", "use": "Zyzzyva"}],
            gender="Zyzzyva",
            birthDate="Zyzzyva",
            contact=[{"gender": "Zyzzyva"}],
        )

        for answer in (
            api.post("/Patient", bad),
            api.transaction(entry("POST", "Patient", bad)),
            api.post("/Patient", identified("1"), if_none_exist="birthdate=Zyzzyva"),
            api.get("/Patient?birthdate=Zyzzyva"),
        ):
            assert answer.status_code == 400
            assert "Zyzzyva" not in answer.get_data(as_text=True)


class TestUnavailable:
    def test_locked_database_asks_to_try_again(self, api: Api, bridge: Bridge) -> None:
        with locked(bridge.database):
            answer = api.post("/Patient", patient())

        assert_outcome(answer, 503, "transient")
        assert answer.headers["Retry-After"] == "5"
        assert api.total("/Patient") == 0


class TestUnexpected:
    @pytest.fixture
    def broken(self, bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> Api:
        """A server with a fault, which quotes the patient."""

        def fail(*_args: object, **_kwargs: object) -> None:
            raise RuntimeError("could not store Zyzzyva")

        monkeypatch.setattr("fhirbridge.storage.resources.create", fail)
        return Api(create_app(bridge).test_client())

    def test_500_tells_nothing(self, broken: Api) -> None:
        answer = broken.post("/Patient", patient())

        issues = assert_outcome(answer, 500, "exception")
        assert "Zyzzyva" not in str(issues)

    def test_log_says_where_and_not_what(
        self, broken: Api, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR):
            broken.post("/Patient", patient())

        assert "RuntimeError" in caplog.text
        assert "create.py" in caplog.text
        assert "Zyzzyva" not in caplog.text

    def test_server_goes_on(self, broken: Api) -> None:
        broken.post("/Patient", patient())

        assert broken.get("/Patient").json["total"] == 0
