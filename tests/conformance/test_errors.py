"""The shape of every error: a status, and an OperationOutcome that says what was expected.

Source: R4 http.html#2.21.0.4, operationoutcome.html
"""

import ast
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

import fhirbridge
from fhirbridge.access import attempts
from fhirbridge.bridge import Bridge
from fhirbridge.fhir import wire, xml
from fhirbridge.fhir.validation import check
from fhirbridge.web.app import create_app
from tests.callers import Clock, register
from tests.conformance.support import Api, assert_outcome, entry, goal, identified, patient
from tests.locking import locked


def _gone(api: Api, headers: dict[str, str]) -> TestResponse:
    api.put("/Practitioner/gone", {"resourceType": "Practitioner", "id": "gone"})
    api.delete("/Practitioner/gone")
    return api.get("/Practitioner/gone", **headers)


def _conflict(api: Api, headers: dict[str, str]) -> TestResponse:
    organization = {"resourceType": "Organization", "id": "o", "name": "O"}
    api.put("/Organization/o", organization)
    part = {**organization, "id": "part", "partOf": {"reference": "Organization/o"}}
    api.put("/Organization/part", part)
    return api.delete("/Organization/o", **headers)


def _ambiguous(api: Api, headers: dict[str, str]) -> TestResponse:
    organization = {"resourceType": "Organization", "name": "Twin"}
    api.created(organization)
    api.created(organization)
    return api.post("/Organization", organization, if_none_exist="name=Twin", **headers)


def _twice(api: Api, headers: dict[str, str]) -> TestResponse:
    found, made = ({"resourceType": "Location", "name": name} for name in ("Other", "Twice"))
    entries = [entry("POST", "Location", found, ifNoneExist="name=twice")]
    return api.transaction(*entries, entry("POST", "Location", made), **headers)


def _published(api: Api, headers: dict[str, str]) -> TestResponse:
    system = {
        "resourceType": "CodeSystem",
        "status": "draft",
        "content": "not-present",
        "url": "https://fhirbridge.example/fhir/CodeSystem/x",
    }
    return api.post("/CodeSystem", system, **headers)


# status and code -> a request that gets them
EVERY: dict[tuple[int, str], Callable[[Api, dict[str, str]], TestResponse]] = {
    (400, "invalid"): lambda api, h: api.get("/Patient?birthdate=x", **h),
    (400, "not-supported"): lambda api, h: api.get("/Patient?colour=x", **h),
    (400, "structure"): lambda api, h: api.post("/Patient", "{", **h),
    (400, "required"): lambda api, h: api("POST", "/Patient", **h),
    (400, "value"): lambda api, h: api.put("/Patient/a_b", patient(id="a_b"), **h),
    (400, "security"): lambda api, h: api.get("/Patient", host="evil.example", **h),
    (400, "too-costly"): lambda api, h: api.get(
        "/Patient?" + "&".join([f"_id={'a,' * 400}a"] * 30), **h
    ),
    (400, "code-invalid"): lambda api, h: api.post("/Patient", patient(gender="x"), **h),
    (403, "forbidden"): _published,
    (404, "not-found"): lambda api, h: api.get("/Patient/none", **h),
    (404, "not-supported"): lambda api, h: api.get("/Nothing/none", **h),
    (405, "not-supported"): lambda api, h: api("PUT", "/Patient/p/_history", **h),
    (406, "not-supported"): lambda api, h: api.get("/Patient?_format=ttl", **h),
    (409, "conflict"): _conflict,
    (410, "deleted"): _gone,
    (412, "conflict"): lambda api, h: api.put("/Patient/p", patient(id="p"), if_match='W/"9"', **h),
    (412, "multiple-matches"): _ambiguous,
    (412, "duplicate"): _twice,
    (413, "too-long"): lambda api, h: api.post("/Patient", b"x" * 300_000, **h),
    (413, "too-costly"): lambda api, h: api.batch(*[{}] * 5001, **h),
    (415, "not-supported"): lambda api, h: api.post(
        "/Patient", patient(), content_type="text/plain", **h
    ),
    (422, "not-found"): lambda api, h: api.post("/Goal", goal("Patient/none"), **h),
    (422, "invariant"): lambda api, h: api.post(
        "/Patient", patient(contact=[{"gender": "male"}]), **h
    ),
    (422, "business-rule"): lambda api, h: api.post(
        "/Bundle", {"resourceType": "Bundle", "type": "batch"}, **h
    ),
}


# Codes that no caller of the FHIR API gets from us as an error, and why.
ELSEWHERE = {
    "suppressed": "what a handoff lacks a consent for: /api and the command line",
    "processing": "what others say of a resource: fhir.resources, a partner",
    "login": "TestCallers",
    "transient": "TestUnavailable",
    "exception": "TestUnexpected",
}
DOORS = (
    "access", "consent", "disclosure", "documents", "fhir", "handoffs", "interactions", "search",
    "storage", "web",
)  # fmt: skip


def codes_in(source: ast.Module) -> Iterator[str]:
    """The codes of the errors that a module raises or collects."""
    for node in ast.walk(source):
        if not isinstance(node, ast.Call):
            continue
        named = {each.arg: each.value for each in node.keywords}
        severity = named.get("severity") or (node.args[2] if len(node.args) > 2 else None)
        is_issue = getattr(node.func, "id", "") == "Issue"
        is_search = getattr(node.func, "id", "") == "invalid_search"
        given = (
            node.args[:1] if is_issue else [named["code"]] if is_search and "code" in named else []
        )
        if is_issue and isinstance(severity, ast.Constant) and severity.value != "fatal":
            continue  # a warning
        for code in given:
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield code.value


def test_every_code_that_the_program_knows_is_pinned() -> None:
    root = Path(fhirbridge.__file__).parent
    found = {
        code
        for name in DOORS
        for path in (root / name).rglob("*.py")
        for code in codes_in(ast.parse(path.read_text(encoding="utf-8")))
    }

    assert len(found) > 15
    assert found - {"informational"} <= {code for _, code in EVERY} | ELSEWHERE.keys()


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

    def test_every_status(self, api: Api) -> None:
        """One request for each: the same shape in both formats, and a resource that R4 allows."""
        for (status, code), ask in EVERY.items():
            for form in ("json", "xml"):
                answer = ask(api, {"accept": f"application/fhir+{form}"})

                self._check(answer, status, code=code, form=form)

    def _check(self, answer: TestResponse, status: int, *, code: str, form: str) -> None:
        assert answer.status_code == status, answer.get_data(as_text=True)
        # A format that cannot be written is no reason to be silent.
        is_xml = form == "xml" and status != 406
        assert answer.headers["Content-Type"] == f"application/fhir+{'xml' if is_xml else 'json'}"
        outcome = xml.parse(answer.data) if is_xml else wire.parse(answer.data)
        assert outcome["resourceType"] == "OperationOutcome"
        assert check(outcome) == []
        assert code in {issue["code"] for issue in outcome["issue"]}
        for issue in outcome["issue"]:
            assert issue["diagnostics"].endswith(".")
        assert "Traceback" not in answer.get_data(as_text=True)

    def test_405_and_415_and_412_change_nothing(self, api: Api) -> None:
        api.put("/Patient/p", patient(id="p"))

        for status, code in EVERY:
            EVERY[status, code](api, {})

        assert api.get("/Patient/p/_history").json["total"] == 1
        assert api.total("/Patient") == 1

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


class TestCallers:
    """With tokens: who is not known or not allowed, and the endpoints that speak OAuth 2.0."""

    @pytest.fixture
    def guarded(self, bridge: Bridge) -> Bridge:
        settings = replace(bridge.settings, auth="smart")
        return replace(bridge, settings=settings, now=Clock())

    @pytest.fixture
    def strangers(self, guarded: Bridge) -> Api:
        return Api(create_app(guarded).test_client())

    @pytest.mark.parametrize("form", ["json", "xml"])
    def test_unknown_and_forbidden(self, guarded: Bridge, strangers: Api, form: str) -> None:
        reader = register(guarded, strangers.client, scopes="system/Goal.r").headers(
            "system/Goal.r"
        )
        accept = f"application/fhir+{form}"

        unknown = strangers.get("/Patient/p", accept=accept)
        wrong = strangers.get("/Patient/p", accept=accept, authorization="Bearer wrong")
        forbidden = strangers.get("/Patient/p", accept=accept, **reader)

        for answer, status, code in (
            (unknown, 401, "login"),
            (wrong, 401, "login"),
            (forbidden, 403, "forbidden"),
        ):
            assert answer.status_code == status
            assert answer.headers["Content-Type"] == accept
            outcome = xml.parse(answer.data) if form == "xml" else wire.parse(answer.data)
            assert check(outcome) == []
            assert [each["code"] for each in outcome["issue"]] == [code]
        assert unknown.headers["WWW-Authenticate"] == 'Bearer realm="fhirbridge"'
        assert 'error="invalid_token"' in wrong.headers["WWW-Authenticate"]

    def test_token_endpoints_answer_as_oauth_wants_it(self, strangers: Api) -> None:
        """Source: RFC 6749 section 5.2"""
        form = {"content_type": "application/x-www-form-urlencoded", "root": ""}
        asked = "grant_type=client_credentials&client_assertion_type=urn:ietf:params:oauth:"
        asked += "client-assertion-type:jwt-bearer&client_assertion="
        for body, status, error in (
            ("", 400, "invalid_request"),
            ("grant_type=password", 400, "unsupported_grant_type"),
            (f"{asked}x", 401, "invalid_client"),
        ):
            answer = strangers.post("/auth/token", body, **form)

            assert answer.status_code == status
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.json.keys() == {"error", "error_description"}
            assert answer.json["error"] == error
            assert answer.json["error_description"].endswith(".")
        for _ in range(attempts.LIMIT):
            answer = strangers.post("/auth/token", "", **form)
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json["error"] == "temporarily_unavailable"

    @pytest.mark.parametrize(
        ("method", "path", "body", "status", "code"),
        [
            ("GET", "/nothing", None, 404, "not-found"),
            ("GET", "/enrollments/none", None, 404, "not-found"),
            ("GET", "/enrollments?colour=red", None, 400, "invalid"),
            ("DELETE", "/enrollments", None, 405, "not-supported"),
            ("POST", "/enrollments", "{", 400, "structure"),
            ("POST", "/enrollments", json.dumps({"x": "y" * 300_000}), 413, "too-long"),
        ],
    )
    def test_document_api_has_the_same_issues_as_plain_json(
        self, api: Api, method: str, path: str, body: str | None, status: int, code: str
    ) -> None:
        answer = api(method, path, body, root="/api", content_type="application/json")

        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json.keys() == {"issues"}
        for issue in answer.json["issues"]:
            assert issue.keys() == {"severity", "code", "expression", "diagnostics", "rule"}
            assert issue["diagnostics"].strip()
        assert code in {issue["code"] for issue in answer.json["issues"]}


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

    @pytest.mark.parametrize("given", ["", "mine-1", "a b"])
    def test_caller_and_log_share_an_id(
        self, broken: Api, caplog: pytest.LogCaptureFixture, given: str
    ) -> None:
        """Source: R4 http.html#custom"""
        headers = {"x_request_id": given} if given else {}

        with caplog.at_level(logging.ERROR):
            answer = broken.post("/Patient", patient(), **headers)

        found = answer.headers["X-Request-Id"]
        assert (found == given) == (given == "mine-1")
        assert found in caplog.text
        assert found in answer.json["issue"][0]["diagnostics"]
        assert broken.get("/Patient", x_request_id="x-2").headers["X-Request-Id"] == "x-2"

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
