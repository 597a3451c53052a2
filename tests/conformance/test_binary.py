"""Binary as content: read and written under its own type. Source: R4 binary.html#rest"""

import base64
from typing import Any

import pytest

from tests.conformance.support import FHIR_JSON, Api, assert_outcome, patient

PDF = b"%PDF-1.4 \x00\xff"
CDA = b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>'


def binary(content: bytes = PDF, content_type: str = "application/pdf", **more: Any) -> dict:
    data = base64.b64encode(content).decode()
    return {"resourceType": "Binary", "contentType": content_type, "data": data, **more}


class TestRead:
    @pytest.fixture
    def stored(self, api: Api) -> Api:
        api.put("/Patient/p", patient(id="p"))
        api.put("/Binary/b", binary(id="b", securityContext={"reference": "Patient/p"}))
        return api

    @pytest.mark.parametrize("path", ["/Binary/b", "/Binary/b/_history/1"])
    @pytest.mark.parametrize(
        "accept", ["", "*/*", "application/pdf", "image/*", "text/html,application/xml;q=0.9,*/*"]
    )
    def test_content_unless_a_fhir_format_is_asked_for(
        self, stored: Api, path: str, accept: str
    ) -> None:
        answer = stored.get(path, accept=accept)

        assert answer.status_code == 200
        assert answer.data == PDF
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["ETag"] == 'W/"1"'
        assert answer.headers["X-Security-Context"] == "Patient/p"

    @pytest.mark.parametrize(
        ("query", "accept", "answered"),
        [
            ("", "application/fhir+json", FHIR_JSON),
            ("", "application/json, */*;q=0.1", "application/json"),
            ("", "application/fhir+xml", "application/fhir+xml"),
            ("?_format=json", "application/pdf", FHIR_JSON),
            ("?_elements=contentType", "*/*", FHIR_JSON),
        ],
    )
    def test_resource_if_one_is(self, stored: Api, query: str, accept: str, answered: str) -> None:
        answer = stored.get(f"/Binary/b{query}", accept=accept)

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == answered
        assert b"contentType" in answer.data

    def test_content_of_a_stranger_is_harmless_in_a_browser(self, api: Api) -> None:
        api.put("/Binary/b", binary(b"<script/>", "text/html", id="b"))

        answer = api.get("/Binary/b", accept="text/html")

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")

    def test_caller_who_has_it_gets_304(self, stored: Api) -> None:
        answer = stored.get("/Binary/b", accept="*/*", if_none_match='W/"1"')

        assert answer.status_code == 304
        assert answer.data == b""

    def test_head_and_no_content(self, stored: Api) -> None:
        stored.put("/Binary/empty", {"resourceType": "Binary", "contentType": "a/b", "id": "empty"})

        assert stored("HEAD", "/Binary/b").headers["Content-Length"] == str(len(PDF))
        assert stored.get("/Binary/empty").data == b""

    def test_errors_are_outcomes(self, stored: Api) -> None:
        stored.delete("/Binary/b")

        assert_outcome(stored.get("/Binary/none", accept="application/pdf"), 404, "not-found")
        assert_outcome(stored.get("/Binary/b", accept="application/pdf"), 410, "deleted")

    def test_other_types_have_no_content(self, stored: Api) -> None:
        assert_outcome(stored.get("/Patient/p", accept="application/pdf"), 406, "not-supported")
        assert_outcome(stored.get("/Binary", accept="application/pdf"), 406, "not-supported")


class TestWrite:
    @pytest.mark.parametrize(
        ("content_type", "content"),
        [
            ("application/pdf", PDF),
            ("text/plain;  charset=utf-8", b"some words"),
            ("text/xml", CDA),
            ("application/xml", b"<no end"),
            ("application/json", b'["any", "JSON"]'),
            ("application/fhir+json", b'{"resourceType":"Patient"}'),
        ],
    )
    def test_any_other_type_is_content(self, api: Api, content_type: str, content: bytes) -> None:
        made = api.post("/Binary", content, content_type=content_type)

        assert made.status_code == 201
        assert made.json["contentType"] == " ".join(content_type.split())
        assert api.get(f"/Binary/{made.json['id']}").data == content

    def test_binary_in_a_fhir_format_is_that_binary(self, api: Api) -> None:
        made = api.post("/Binary", binary())

        assert made.json["contentType"] == "application/pdf"
        assert api.get(f"/Binary/{made.json['id']}").data == PDF

    def test_update_and_its_conditions(self, api: Api) -> None:
        first = api("PUT", "/Binary/b", PDF, content_type="application/pdf")
        again = api("PUT", "/Binary/b", PDF, content_type="application/pdf")
        stale = api("PUT", "/Binary/b", b"2", content_type="text/plain", if_match='W/"7"')

        assert (first.status_code, again.status_code) == (201, 200)
        assert again.headers["ETag"] == 'W/"1"'
        assert_outcome(stale, 412, "conflict")

    def test_security_context_is_kept_and_must_exist(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))
        headers = {"content_type": "application/pdf", "x_security_context": "Patient/p"}

        made = api.post("/Binary", PDF, **headers)
        lost = api.post("/Binary", PDF, **{**headers, "x_security_context": "Patient/none"})

        assert made.json["securityContext"] == {"reference": "Patient/p"}
        assert_outcome(lost, 422, "not-found", expression="Binary.securityContext.reference")

    @pytest.mark.parametrize("content_type", ["application/fhir+json", "application/fhir+xml"])
    def test_fhir_that_cannot_be_read_is_refused(self, api: Api, content_type: str) -> None:
        assert_outcome(api.post("/Binary", b"<{", content_type=content_type), 400, "structure")

    def test_limit_of_a_body_is_that_of_content(self, api: Api) -> None:
        answer = api.post("/Binary", b"x" * 200_001, content_type="text/plain")

        assert_outcome(answer, 413, "too-long")
