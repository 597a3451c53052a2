"""Accept, _format, Content-Type, _pretty. Source: R4 http.html#mime-type, http.html#parameters"""

import json

import pytest

from tests.conformance.support import FHIR_JSON, Api, assert_outcome, patient


@pytest.fixture
def stored(api: Api) -> Api:
    api.put("/Patient/p", patient(id="p"))
    return api


class TestAccept:
    @pytest.mark.parametrize(
        ("accept", "answered"),
        [
            ("", FHIR_JSON),
            ("*/*", FHIR_JSON),
            ("application/*", FHIR_JSON),
            ("application/fhir+json", FHIR_JSON),
            ("application/fhir+json; fhirVersion=4.0", FHIR_JSON),
            ("Application/FHIR+JSON;charset=utf-8", FHIR_JSON),
            ("application/json", "application/json"),
            ("application/fhir+xml;q=0.9, application/json;q=0.5", "application/fhir+xml"),
            ("text/html,application/xhtml+xml,*/*;q=0.8", FHIR_JSON),
            ("application/json;q=0.2, application/fhir+json", FHIR_JSON),
        ],
    )
    def test_known_formats(self, stored: Api, accept: str, answered: str) -> None:
        answer = stored.get("/Patient/p", accept=accept)

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == answered

    @pytest.mark.parametrize(
        "accept",
        [
            "application/fhir+turtle",
            "text/html",
            "application/fhir+json; fhirVersion=3.0",
            "application/json;q=0",
            "nonsense",
        ],
    )
    def test_unknown_formats_are_not_acceptable(self, stored: Api, accept: str) -> None:
        assert_outcome(stored.get("/Patient/p", accept=accept), 406, "not-supported")

    def test_not_acceptable_is_said_before_anything_is_written(self, api: Api) -> None:
        answer = api.put("/Patient/p", patient(id="p"), accept="text/turtle")

        assert answer.status_code == 406
        assert api.total("/Patient") == 0


class TestFormat:
    @pytest.mark.parametrize(
        ("value", "answered"),
        [
            ("json", FHIR_JSON),
            ("application/fhir+json", FHIR_JSON),
            ("application/fhir%2Bjson", FHIR_JSON),
            ("application/json", "application/json"),
        ],
    )
    def test_format_overrides_accept(self, stored: Api, value: str, answered: str) -> None:
        answer = stored.get(f"/Patient/p?_format={value}", accept="text/html")

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == answered

    def test_unknown_format_is_not_acceptable(self, stored: Api) -> None:
        assert_outcome(stored.get("/Patient/p?_format=turtle"), 406, "not-supported")

    def test_pretty_is_the_same_on_more_lines(self, stored: Api) -> None:
        pretty = stored.get("/Patient/p?_pretty=true")

        assert pretty.data.count(b"\n") > 3
        assert json.loads(pretty.data) == stored.get("/Patient/p?_pretty=false").json

    def test_pretty_is_true_or_false(self, stored: Api) -> None:
        assert_outcome(stored.get("/Patient/p?_pretty=yes"), 400, "invalid")


class TestContentType:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/fhir+json",
            "application/json",
            "application/fhir+json; charset=UTF-8; fhirVersion=4.0",
        ],
    )
    def test_json_is_read(self, api: Api, content_type: str) -> None:
        answer = api.post("/Patient", patient(), content_type=content_type)

        assert answer.status_code == 201

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/fhir+turtle",
            "application/x-www-form-urlencoded",
            "application/fhir+json; charset=latin-1",
            "application/fhir+json; fhirVersion=5.0",
            "multipart/form-data; boundary=x",
        ],
    )
    def test_anything_else_is_unsupported(self, api: Api, content_type: str) -> None:
        answer = api.post("/Patient", patient(), content_type=content_type)

        assert_outcome(answer, 415, "not-supported")
        assert api.total("/Patient") == 0

    def test_search_by_post_needs_a_form(self, api: Api) -> None:
        answer = api.post("/Patient/_search", "{}", content_type=FHIR_JSON)

        assert_outcome(answer, 415, "not-supported")
