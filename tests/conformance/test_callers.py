"""Nobody gets in without a token that holds, at any address and for any interaction.

Source: RFC 6750, R4 http.html#security, SMART App Launch 2.2
"""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fhirbridge import bridge as bridges
from fhirbridge.access import clients
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.interactions.supported import INTERACTIONS, OPERATIONS
from fhirbridge.web.app import create_app
from fhirbridge.web.auth import OPEN
from tests.callers import MERCY, Clock, System, register
from tests.conformance.support import patient

JSON = "application/fhir+json"
NOT_CHECKED_AS_SUCH = ("capabilities", "transaction", "batch")


def requests_of_every_interaction() -> Iterator[tuple[str, str, str]]:
    """Code, method and address of each interaction of the table of dispatch."""
    blanks = {"{type}": "Patient", "{id}": "p", "{vid}": "1", "{member}": "Goal"}
    for each in INTERACTIONS:
        path = "/".join(blanks.get(part, part) for part in each.path)
        yield each.code, each.method, f"/fhir/{path}".rstrip("/")
        if each.method == "GET":
            yield each.code, "HEAD", f"/fhir/{path}".rstrip("/")
    for operation in OPERATIONS:
        for level in operation.levels:
            for method in operation.methods:
                place = "/".join(
                    ((*operation.types, "Patient")[0], *(["p"] if level == "instance" else []))
                )
                yield operation.name, method, f"/fhir/{place}/{operation.name}"


EVERY_INTERACTION = tuple(dict.fromkeys(requests_of_every_interaction()))


def body_for(code: str) -> str | None:
    """A body that the interaction would take."""
    if code in ("create", "update"):
        return json.dumps(patient(id="p"))
    if code in ("transaction", "batch"):
        return json.dumps({"resourceType": "Bundle", "type": code, "entry": []})
    return None


def every_route(app: Flask) -> Iterator[tuple[str, str]]:
    """Method and address of every rule of the application."""
    for rule in app.url_map.iter_rules():
        path = "/".join("x" if part.startswith("<") else part for part in rule.rule.split("/"))
        for method in sorted(rule.methods or ()):
            yield method, path


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def bridge(database_url: str, now: Clock) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=database_url), now=now)
    yield built
    built.close()


@pytest.fixture
def app(bridge: Bridge) -> Flask:
    return create_app(bridge)


@pytest.fixture
def web(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def own(bridge: Bridge, web: FlaskClient) -> System:
    """A client that may do everything."""
    return register(bridge, web)


def ask(web: FlaskClient, method: str, path: str, code: str, header: str = "") -> TestResponse:
    headers = {"Authorization": header} if header else {}
    return web.open(path, method=method, headers=headers, data=body_for(code), content_type=JSON)


def assert_unauthenticated(answer: TestResponse, where: str, *, error: str = "") -> None:
    """401 that says how to do better, in the shape of the API."""
    assert answer.status_code == 401, where
    expected = 'Bearer realm="fhirbridge"' + (f', error="{error}"' if error else "")
    assert answer.headers["WWW-Authenticate"] == expected, where
    if answer.request.method == "HEAD":
        return
    found = answer.get_json(force=True)
    if answer.request.path.startswith("/api/"):
        assert [each["code"] for each in found["issues"]] == ["login"], where
    else:
        assert found["resourceType"] == "OperationOutcome", where
        assert [each["code"] for each in found["issue"]] == ["login"], where


def test_every_route_asks_for_a_token(app: Flask, web: FlaskClient) -> None:
    routes = [each for each in every_route(app) if each[1] not in OPEN]

    assert len(routes) > 30
    for method, path in [*routes, ("GET", "/"), ("GET", "/nothing"), ("GET", "/fhir/nothing")]:
        assert_unauthenticated(web.open(path, method=method), f"{method} {path}")


def test_open_addresses_answer_anybody(web: FlaskClient) -> None:
    for path in sorted(OPEN):
        assert web.get(path).status_code == (405 if path.startswith("/auth/") else 200), path


def test_credentials_that_do_not_hold_are_refused(
    bridge: Bridge, web: FlaskClient, own: System, now: Clock
) -> None:
    revoked = register(bridge, web)
    given_back = own.token()
    other = bridges.build(replace(bridge.settings, custodian="other"), now=now)
    foreign = register(other, create_app(other).test_client())
    held = {
        "foreign": foreign.token(),
        "revoked": revoked.token(),
        "given back": given_back,
        "expired": own.token(),
    }
    clients.revoke(bridge, revoked.client_id)
    form = own.form("", token=None) | {"token": given_back}
    assert web.post("/auth/revoke", data=form).status_code == 200
    now.turn(301)
    other.close()
    headers = {
        "none": "",
        "other scheme": "Basic bWVyY3k6c2VjcmV0",
        "no token": "Bearer",
        "two tokens": "Bearer a b",
        "unknown": f"Bearer {'x' * 43}",
        "endless": f"Bearer {'x' * 5000}",
        "odd": "Bearer \u00e9",
        **{name: f"Bearer {token}" for name, token in held.items()},
    }

    for code, method, path in EVERY_INTERACTION:
        if code == "capabilities":
            continue
        for name, header in headers.items():
            answer = ask(web, method, path, code, header)
            error = "invalid_token" if header else ""
            assert_unauthenticated(answer, f"{name}: {method} {path}", error=error)
    for name, header in headers.items():
        answer = web.get("/api/enrollments", headers={"Authorization": header} if header else {})
        assert_unauthenticated(answer, name, error="invalid_token" if header else "")


def test_the_token_of_another_custodian_opens_its_own_records_only(
    bridge: Bridge, web: FlaskClient, own: System, now: Clock
) -> None:
    other = bridges.build(replace(bridge.settings, custodian="other"), now=now)
    elsewhere = create_app(other).test_client()

    answer = elsewhere.get("/fhir/Patient", headers=own.headers())
    refused = elsewhere.post("/auth/token", data=own.form("system/*.rs"))

    other.close()
    assert answer.status_code == 401
    assert (refused.status_code, refused.json["error"]) == (401, "invalid_client")


def test_no_interaction_is_allowed_by_a_scope_for_another_type(own: System) -> None:
    header = own.headers("system/Basic.cruds")["Authorization"]

    for code, method, path in EVERY_INTERACTION:
        if code in NOT_CHECKED_AS_SUCH:
            continue
        answer = ask(own.web, method, path, code, header)
        assert answer.status_code == 403, f"{code}: {method} {path}"
        if method != "HEAD":
            found = answer.get_json(force=True)
            assert found["resourceType"] == "OperationOutcome"
            assert found["issue"][0]["code"] == "forbidden"
            assert "system/" in found["issue"][0]["diagnostics"]


def test_no_other_route_is_allowed_by_a_scope_for_resources(app: Flask, own: System) -> None:
    headers = own.headers("system/Basic.cruds")
    routes = [
        (method, path)
        for method, path in every_route(app)
        if path not in OPEN and not path.startswith("/fhir")
    ]

    assert len(routes) > 20
    for method, path in routes:
        answer = own.web.open(path, method=method, headers=headers)
        assert answer.status_code == 403, f"{method} {path}"


def test_every_interaction_is_allowed_by_its_own_letter_only(own: System) -> None:
    web = own.web
    everything = own.headers()["Authorization"]
    assert ask(web, "PUT", "/fhir/Patient/p", "update", everything).status_code == 201
    letters = {
        "read": "r",
        "vread": "r",
        "history-instance": "r",
        "history-type": "s",
        "search-type": "s",
        "create": "c",
        "update": "u",
        "patch": "u",
        "delete": "d",
        "$everything": "r",
    }
    tokens = {each: own.headers(f"system/Patient.{each}")["Authorization"] for each in "cruds"}

    for code, method, path in EVERY_INTERACTION:
        if code not in letters:
            continue
        for letter, header in tokens.items():
            answer = ask(web, method, path, code, header)
            is_refused = answer.status_code == 403
            # Conditional forms search as well, and so need both letters.
            needs_both = path == "/fhir/Patient" and code in ("update", "patch", "delete")
            if needs_both and letter == letters[code]:
                continue
            assert is_refused == (letter != letters[code]), f"{letter}: {code} {method} {path}"
            if code == "delete" and letter == "d":
                ask(web, "PUT", "/fhir/Patient/p", "update", everything)


def test_documents_are_for_the_custodians_own_systems(bridge: Bridge, web: FlaskClient) -> None:
    own = register(bridge, web, scopes="system/fhirbridge.r system/*.cruds")
    other = register(bridge, web, recipient=MERCY)

    read = own.headers("system/fhirbridge.r")

    assert web.get("/api/enrollments", headers=read).status_code == 200
    assert web.post("/api/enrollments", headers=read, json={}).status_code == 403
    for headers in (own.headers("system/*.cruds"), other.headers()):
        answer = web.get("/api/enrollments", headers=headers)
        assert answer.status_code == 403
        assert answer.json["issues"][0]["code"] == "forbidden"


def test_capabilities_tell_where_tokens_come_from(web: FlaskClient) -> None:
    security = web.get("/fhir/metadata").json["rest"][0]["security"]

    assert security["service"][0]["coding"][0]["code"] == "SMART-on-FHIR"
    assert {each["url"]: each["valueUri"] for each in security["extension"][0]["extension"]} == {
        "token": "http://localhost/auth/token",
        "revoke": "http://localhost/auth/revoke",
    }
