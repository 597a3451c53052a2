"""Asking the server, and what its answers must look like."""

import json
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from fhirbridge.jsontypes import Resource

BASE = "http://localhost/fhir"
FHIR_JSON = "application/fhir+json"


@dataclass
class Api:
    """Requests below the FHIR base; headers as keyword arguments, `if_match` is If-Match."""

    client: FlaskClient

    def __call__(
        self, method: str, path: str, body: Any = None, *, root: str = "/fhir", **headers: str
    ) -> TestResponse:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if body is None or isinstance(body, (bytes, str)) else json.dumps(body)
        if data is not None:
            sent.setdefault("content-type", FHIR_JSON)
        return self.client.open(root + path, method=method, data=data, headers=sent)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> TestResponse:
        return self("PUT", path, body, **headers)

    def delete(self, path: str, **headers: str) -> TestResponse:
        return self("DELETE", path, **headers)

    def created(self, resource: Resource) -> str:
        """Create a resource and return its relative reference."""
        answer = self.post(f"/{resource['resourceType']}", resource)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        return f"{resource['resourceType']}/{answer.json['id']}"

    def transaction(self, *entries: Resource, **headers: str) -> TestResponse:
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
        return self.post("", bundle, **headers)

    def batch(self, *entries: Resource, **headers: str) -> TestResponse:
        bundle = {"resourceType": "Bundle", "type": "batch", "entry": list(entries)}
        return self.post("", bundle, **headers)

    def total(self, path: str) -> int:
        """How many matches a search has."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return int(answer.json["total"])


def patient(**elements: Any) -> Resource:
    return {"resourceType": "Patient", **elements}


def identified(value: str, **elements: Any) -> Resource:
    """A Patient with one identifier in the system urn:mrn."""
    return patient(identifier=[{"system": "urn:mrn", "value": value}], **elements)


def goal(subject: str, **elements: Any) -> Resource:
    """A Goal, as small as R4 allows."""
    return {
        "resourceType": "Goal",
        "lifecycleStatus": "active",
        "description": {"text": "Stay sober"},
        "subject": {"reference": subject},
        **elements,
    }


def entry(
    method: str, url: str, resource: Resource | None = None, *, full_url: str = "", **request: str
) -> Resource:
    """An entry of a batch or transaction."""
    made: Resource = {"request": {"method": method, "url": url, **request}}
    if full_url:
        made["fullUrl"] = full_url
    if resource is not None:
        made["resource"] = resource
    return made


def assert_outcome(
    answer: TestResponse, status: int, code: str, *, expression: str | None = None
) -> list[dict[str, Any]]:
    """The answer is an error in FHIR's shape; returns its issues."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.headers["Content-Type"] == FHIR_JSON
    outcome = answer.get_json(force=True)
    assert outcome["resourceType"] == "OperationOutcome"
    issues: list[dict[str, Any]] = outcome["issue"]
    assert issues
    for issue in issues:
        assert issue["severity"] in ("fatal", "error", "warning", "information")
        assert issue["diagnostics"].strip()
    assert code in {issue["code"] for issue in issues}, issues
    if expression is not None:
        found = [path for issue in issues for path in issue.get("expression", [])]
        assert expression in found
    return issues
