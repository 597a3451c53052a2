"""The OpenAPI document and its page: valid, complete, and from this server alone."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from openapi_spec_validator import validate

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.native.documents import KINDS
from fhirbridge.web.app import create_app
from fhirbridge.web.native_api import SCHEMA_NAMES

FIXTURES = Path(__file__).parents[3] / "fixtures"
CASES = sorted(path for kind in KINDS for path in (FIXTURES / kind).glob("*/native.json"))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("openapi")
    bridge = bridges.build(Settings(auth="none", database_url=f"sqlite:///{folder}/api.db"))
    yield create_app(bridge)
    bridge.close()


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/api/openapi.json").get_json()
    return found


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)

    assert document["openapi"].startswith("3.0.")


def test_every_route_is_documented(app: Flask, document: dict[str, Any]) -> None:
    routed = {
        (re.sub(r"<(?:path:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.rule not in ("/api/openapi.json", "/api/docs")
        for method in (rule.methods or set()) - {"HEAD"}
    }

    assert routed == {(path, one) for path, item in document["paths"].items() for one in item}


@pytest.mark.parametrize("path", CASES, ids=lambda p: f"{p.parts[-3]}-{p.parts[-2]}")
def test_schemas_describe_our_fixtures(document: dict[str, Any], path: Path) -> None:
    schemas = document["components"]["schemas"]
    name = next(SCHEMA_NAMES[kind] for kind in KINDS if kind == path.parts[-3])

    faults = jsonschema.Draft4Validator(schemas[name]).iter_errors(json.loads(path.read_text()))

    assert [fault.message for fault in faults] == []


@pytest.mark.parametrize(
    "change",
    [{"unknown": 1}, {"status": "perhaps"}, {"version": 0}, {"goals": {}}, {"patient": {}}],
    ids=["unknown field", "closed code", "range", "kind", "required field"],
)
def test_schemas_refuse_what_is_refused(document: dict[str, Any], change: dict[str, Any]) -> None:
    enrollment = json.loads((FIXTURES / "enrollment/minimal/native.json").read_text())
    schema = document["components"]["schemas"]["Enrollment"]

    faults = list(jsonschema.Draft4Validator(schema).iter_errors({**enrollment, **change}))

    assert len(faults) >= 1


class Page(HTMLParser):
    """The links, ids and tags of a page; fails on tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in ("meta", "link"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_page_works_without_scripts_and_other_servers(app: Flask) -> None:
    answer = app.test_client().get("/api/docs")

    page = Page(answer.get_data(as_text=True))
    assert "script" not in page.tags
    assert {link for link in page.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_page_shows_every_operation(app: Flask, document: dict[str, Any]) -> None:
    page = Page(app.test_client().get("/api/docs").get_data(as_text=True))

    operations = [
        one["operationId"] for item in document["paths"].values() for one in item.values()
    ]
    assert set(operations) <= set(page.ids)
    assert {f"schema-{name}" for name in document["components"]["schemas"]} <= set(page.ids)


def test_every_operation_tells_how_it_refuses(document: dict[str, Any]) -> None:
    operations = [one for item in document["paths"].values() for one in item.values()]

    assert [one for one in operations if not {"400", "401", "403"} <= set(one["responses"])] == []
    with_body = [one for one in operations if "requestBody" in one]
    assert [one for one in with_body if not {"413", "415"} <= set(one["responses"])] == []


@pytest.mark.parametrize("direction", ["sideways", "", "Inbound"])
def test_a_word_that_a_parameter_does_not_have_is_refused(app: Flask, direction: str) -> None:
    answer = app.test_client().get("/api/cases", query_string={"direction": direction})

    assert answer.status_code == 400
    (issue,) = answer.get_json()["issues"]
    assert issue["expression"] == ["query.direction"]
    assert issue["diagnostics"] == "Expected one of outbound, inbound."


def test_a_token_is_asked_for_unless_anybody_may_call(
    document: dict[str, Any], tmp_path: Path
) -> None:
    bridge = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/api.db"))
    caller = create_app(bridge).test_client()
    token = caller.get("/api/openapi.json").get_json()["security"]
    page = caller.get("/api/docs").get_data(as_text=True)
    bridge.close()

    assert "client add NAME --own" in page
    assert document["security"] == []
    assert token == [{name: []} for name in document["components"]["securitySchemes"]]
