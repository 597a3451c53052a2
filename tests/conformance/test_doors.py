"""Both doors, the one in front of Flask and Flask's own routes, answer alike to the byte."""

import json
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import Client

from fhirbridge.bridge import Bridge
from fhirbridge.web.app import create_app
from fhirbridge.web.door import Door
from tests.conformance.support import FHIR_JSON, goal, patient

PLAIN: dict[str, str] = {}
# method, path, headers, body
REQUESTS: dict[str, tuple[str, str, dict[str, str], Any]] = {
    "read": ("GET", "/Patient/p1", PLAIN, None),
    "read with an id": ("GET", "/Patient/p1", {"X-Request-Id": "a-1"}, None),
    "head": ("HEAD", "/Patient/p1", PLAIN, None),
    "read of what the caller has": ("GET", "/Patient/p1", {"If-None-Match": 'W/"1"'}, None),
    "read since": ("GET", "/Patient/p1", {"If-Modified-Since": "Tue, 01 Jan 2030 00:00:00 GMT"}, 0),
    "read in XML": ("GET", "/Patient/p1", {"Accept": "application/fhir+xml"}, None),
    "pretty read": ("GET", "/Patient/p1?_pretty=true", PLAIN, None),
    "read by format": ("GET", "/Patient/p1?_format=application/json", PLAIN, None),
    "read packed": ("GET", "/Goal/g1", {"Accept-Encoding": "br, gzip"}, None),
    "not packed": ("GET", "/Goal/g1", {"Accept-Encoding": "gzip;q=0"}, None),
    "never there": ("GET", "/Patient/nobody", PLAIN, None),
    "never there in XML": ("GET", "/Patient/nobody", {"Accept": "text/xml"}, None),
    "parameter": ("GET", "/Patient/p1?a=b", PLAIN, None),
    "vread": ("GET", "/Patient/p1/_history/1", PLAIN, None),
    "history": ("GET", "/Patient/p1/_history", PLAIN, None),
    "search": ("GET", "/Goal?subject=Patient/p1&_sort=-_lastUpdated", PLAIN, None),
    "search of nothing": ("GET", "/Goal?subject=Patient/p2", PLAIN, None),
    "search with a fault": ("GET", "/Goal?subject:below=Patient/p2", PLAIN, None),
    "search with an umlaut": ("GET", "/Patient?name=M%C3%BCller", PLAIN, None),
    "search that is no UTF-8": ("GET", "/Patient?name=%FF", PLAIN, None),
    "compartment": ("GET", "/Patient/p1/*", PLAIN, None),
    "metadata": ("GET", "/metadata?_elements=status", PLAIN, None),
    "create refused": ("POST", "/Goal", PLAIN, {"resourceType": "Goal"}),
    "create of another type": ("POST", "/Goal", PLAIN, patient()),
    "create without a body": ("POST", "/Goal", PLAIN, None),
    "create in another format": ("POST", "/Goal", {"Content-Type": "text/csv"}, "a;b"),
    "create that is not JSON": ("POST", "/Goal", PLAIN, "{"),
    "create conditional": ("POST", "/Patient", {"If-None-Exist": "_id=p1"}, patient()),
    "minimal": (
        "POST",
        "/Patient",
        {"If-None-Exist": "_id=p1", "Prefer": "return=minimal"},
        patient(),
    ),
    "update refused": ("PUT", "/Patient/p1", {"If-Match": 'W/"7"'}, patient(id="p1")),
    "nothing to delete": ("DELETE", "/Patient/nobody", PLAIN, None),
    "too long": ("POST", "/Goal", PLAIN, "x" * 300_000),
    "no such type": ("GET", "/Nothing/1", PLAIN, None),
    "no such address": ("GET", "/Patient/p1/a/b/c", PLAIN, None),
    "empty segments": ("GET", "//Patient//p1/", PLAIN, None),
    "wrong method": ("PUT", "/_history", PLAIN, None),
    "options": ("OPTIONS", "/Patient", PLAIN, None),
    "batch": ("POST", "", PLAIN, {"resourceType": "Bundle", "type": "batch"}),
    "content": ("GET", "/Binary/b1", {"Accept": "*/*"}, None),
    "no content": ("GET", "/Binary/b2", {"Accept": "image/png"}, None),
    "content in": ("PUT", "/Binary/b2", {"Content-Type": "text/plain", "If-Match": 'W/"7"'}, "a"),
    "no bundle": ("POST", "/", PLAIN, patient()),
}


@pytest.fixture
def app(bridge: Bridge) -> Flask:
    made = create_app(bridge)
    client = Client(made)
    for resource in (
        patient(id="p1", name=[{"family": "Müller"}]),
        goal("Patient/p1", id="g1", note=[{"text": "x" * 2000}]),
        {"resourceType": "Binary", "id": "b1", "contentType": "text/plain", "data": "YWJj"},
        {"resourceType": "Binary", "id": "b2", "contentType": "text/plain"},
    ):
        path = f"/fhir/{resource['resourceType']}/{resource['id']}"
        assert client.put(path, data=json.dumps(resource), content_type=FHIR_JSON).status_code < 300
    return made


@pytest.mark.parametrize("name", REQUESTS)
def test_both_doors_answer_alike(app: Flask, name: str) -> None:
    method, path, headers, body = REQUESTS[name]
    data = json.dumps(body) if isinstance(body, dict) else body or None
    sent = {**({"Content-Type": FHIR_JSON} if data else {}), **headers}
    door = app.wsgi_app
    assert isinstance(door, Door)

    ours, flasks = (
        Client(one).open("/fhir" + path, method=method, data=data, headers=sent)
        for one in (door, door.beyond)
    )

    assert ours.status == flasks.status
    assert sorted(ours.headers) == sorted(flasks.headers)
    assert ours.data == flasks.data


def test_body_in_chunks_is_read(app: Flask) -> None:
    answer = Client(app).post(
        "/fhir/Patient",
        input_stream=BytesIO(json.dumps(patient()).encode()),
        headers={"Transfer-Encoding": "chunked", "Content-Type": FHIR_JSON},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == 201
