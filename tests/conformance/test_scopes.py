"""What the scopes of a token leave out, wherever a request could reach for it.

Source: SMART App Launch 2.2, Scopes for requesting FHIR resources
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.jsontypes import Resource
from fhirbridge.web.app import create_app
from tests.callers import Clock, System, register
from tests.conformance.support import Api, assert_outcome, entry, goal, identified, patient


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system; the server holds Patient/p with a Goal, its Practitioner and a Composition."""
    url = f"sqlite:///{tmp_path_factory.mktemp('scopes')}/server.db"
    bridge = bridges.build(Settings(database_url=url), now=Clock())
    system = register(bridge, create_app(bridge).test_client())
    answer = held(system)(
        "POST",
        "",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                entry("PUT", "Practitioner/d", {"resourceType": "Practitioner", "id": "d"}),
                entry(
                    "PUT",
                    "Patient/p",
                    identified("1", id="p", generalPractitioner=[{"reference": "Practitioner/d"}]),
                ),
                entry(
                    "PUT",
                    "Goal/g",
                    goal("Patient/p", id="g", expressedBy={"reference": "Patient/p"}),
                ),
                entry("PUT", "Composition/c", COMPOSITION),
            ],
        },
    )
    assert answer.status_code == 200, answer.get_data(as_text=True)
    yield system
    bridge.close()


COMPOSITION: Resource = {
    "resourceType": "Composition",
    "id": "c",
    "status": "final",
    "type": {"text": "Plan"},
    "subject": {"reference": "Patient/p"},
    "date": "2026-05-01",
    "author": [{"reference": "Practitioner/d"}],
    "title": "Plan",
}


def held(system: System, scope: str = "system/*.cruds") -> Api:
    """Requests with a token of these scopes."""
    header = system.headers(scope)["Authorization"]

    class WithToken(Api):
        def __call__(
            self, method: str, path: str, body: Any = None, *, root: str = "/fhir", **headers: str
        ) -> TestResponse:
            return super().__call__(method, path, body, root=root, authorization=header, **headers)

    return WithToken(system.web)


def statuses(answer: TestResponse) -> list[str]:
    return [each["response"]["status"][:3] for each in answer.json["entry"]]


def types_of(answer: TestResponse) -> list[str]:
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [each["resource"]["resourceType"] for each in answer.json.get("entry", [])]


def test_entries_of_a_batch_are_checked_one_by_one(own: System) -> None:
    api = held(own, "system/Patient.rs")

    answer = api.batch(
        entry("GET", "Patient/p"),
        entry("GET", "Goal/g"),
        entry("GET", "Goal?subject=Patient/p"),
        entry("PUT", "Patient/p", patient(id="p")),
        entry("DELETE", "Patient/p"),
        entry("GET", "_history"),
        entry("GET", "Patient/p/$everything"),
    )

    assert statuses(answer) == ["200", "403", "403", "403", "403", "403", "200"]


def test_transaction_with_one_forbidden_entry_writes_nothing(own: System) -> None:
    api = held(own, "system/Patient.cruds")

    answer = api.transaction(entry("POST", "Patient", patient()), entry("DELETE", "Goal/g"))

    issues = assert_outcome(answer, 403, "forbidden", expression="Bundle.entry[1]")
    assert "system/Goal.d" in issues[0]["diagnostics"]
    assert api.total("/Patient") == 1


@pytest.mark.parametrize(
    ("scope", "method", "url", "resource", "request_"),
    [
        ("system/Patient.c", "POST", "Patient", patient(), {"ifNoneExist": "identifier=1"}),
        ("system/Patient.u", "PUT", "Patient?identifier=urn:mrn|1", patient(), {}),
        ("system/Patient.d", "DELETE", "Patient?identifier=urn:mrn|1", None, {}),
        ("system/Goal.cu", "POST", "Goal", goal("Patient?identifier=urn:mrn|1"), {}),
        ("system/Goal.cs", "POST", "Goal", goal("Patient?identifier=urn:mrn|1"), {}),
        ("system/Patient.u", "PUT", "Patient/new", patient(id="new"), {}),
        (
            "system/Patient.cs",
            "POST",
            "Patient",
            patient(),
            {"ifNoneExist": "_has:Goal:subject:_id=g"},
        ),
    ],
    ids=[
        "conditional create",
        "conditional update",
        "conditional delete",
        "conditional reference",
        "conditional reference to another type",
        "update as create",
        "criteria about another type",
    ],
)
def test_conditional_forms_also_search(
    own: System, scope: str, method: str, url: str, resource: Resource, request_: dict[str, str]
) -> None:
    api = held(own, scope)

    answer = api.transaction(entry(method, url, resource, **request_))

    assert_outcome(answer, 403, "forbidden", expression="Bundle.entry[0]")
    assert held(own).total("/Patient") == 1


@pytest.mark.parametrize(
    "query",
    [
        "/Goal?subject:Patient.identifier=1",
        "/Goal?subject.name=a",
        "/Goal?_has:CarePlan:goal:status=active",
        "/Goal?subject:Patient._has:Goal:subject:_id=g",
        "?_type=Goal,Patient",
        "",
        "/_history",
        "/Patient/p/*",
        "/Patient/p/Condition",
        "/Patient/_history",
    ],
)
def test_searching_by_what_may_not_be_searched_is_refused(own: System, query: str) -> None:
    assert_outcome(held(own, "system/Goal.rs").get(query), 403, "forbidden")


@pytest.mark.parametrize("query", ["/Goal", "?_type=Goal", "/Patient/p/Goal", "/Goal/_history"])
def test_searching_for_what_may_be_searched(own: System, query: str) -> None:
    assert types_of(held(own, "system/Goal.rs").get(query)) == ["Goal"]


@pytest.mark.parametrize(
    ("scope", "query", "found"),
    [
        ("system/Goal.rs", "/Goal?_include=Goal:subject", ["Goal", "OperationOutcome"]),
        ("system/Goal.rs", "/Goal?_include=*", ["Goal", "OperationOutcome"]),
        (
            "system/Goal.rs system/Patient.s",
            "/Goal?_include=Goal:subject",
            ["Goal", "OperationOutcome"],
        ),
        (
            "system/Goal.rs system/Patient.r",
            "/Goal?_include=Goal:subject",
            ["Goal", "Patient", "OperationOutcome"],
        ),
        (
            "system/Goal.rs system/Patient.r",
            "/Goal?_include=Goal:subject:Patient",
            ["Goal", "Patient"],
        ),
        (
            "system/Goal.rs system/Practitioner.r",
            "/Goal?_include=Goal:subject"
            "&_include:iterate=Patient:general-practitioner:Practitioner",
            ["Goal", "OperationOutcome"],
        ),
        (
            "system/Patient.rs system/Goal.r",
            "/Patient?_revinclude=Goal:subject",
            ["Patient", "OperationOutcome"],
        ),
        (
            "system/Patient.rs system/Goal.s",
            "/Patient?_revinclude=Goal:subject",
            ["Patient", "Goal"],
        ),
    ],
    ids=[
        "another type",
        "all references",
        "search is not read",
        "among several targets",
        "one target",
        "over a hidden resource",
        "read is not search",
        "what points here",
    ],
)
def test_includes_show_types_in_scope_only(
    own: System, scope: str, query: str, found: list[str]
) -> None:
    answer = held(own, scope).get(query)

    assert types_of(answer) == found
    assert answer.json["total"] == 1


def test_everything_is_what_may_be_read(own: System) -> None:
    some = held(own, "system/Patient.rs system/Goal.r system/Practitioner.r")

    assert sorted(types_of(held(own).get("/Patient/p/$everything"))) == [
        "Composition",
        "Goal",
        "Patient",
        "Practitioner",
    ]
    assert sorted(types_of(some.get("/Patient/p/$everything"))) == [
        "Goal",
        "Patient",
        "Practitioner",
    ]
    assert_outcome(some.get("/Patient/p/$everything?_type=Composition"), 403, "forbidden")


def test_documents_are_given_whole_or_not(own: System) -> None:
    scope = "system/Composition.r system/Practitioner.r"

    refused = held(own, scope).get("/Composition/c/$document")
    given = held(own, f"{scope} system/Patient.r").get("/Composition/c/$document")

    assert_outcome(refused, 403, "forbidden")
    assert types_of(given) == ["Composition", "Patient", "Practitioner"]
    stored = held(own, f"{scope} system/Patient.r")
    body = {"resourceType": "Parameters", "parameter": [{"name": "persist", "valueBoolean": True}]}
    assert_outcome(stored.post("/Composition/c/$document", body), 403, "forbidden")


def test_who_may_change_but_not_read_is_not_shown_what_is_stored(own: System) -> None:
    patch = [{"op": "add", "path": "/active", "value": True}]
    body, json_patch = json.dumps(patch), "application/json-patch+json"

    unread = held(own, "system/Patient.u")("PATCH", "/Patient/p", body, content_type=json_patch)
    matched = held(own, "system/Patient.cs").post(
        "/Patient", patient(), if_none_exist="identifier=urn:mrn|1"
    )
    read = held(own, "system/Patient.ru")("PATCH", "/Patient/p", body, content_type=json_patch)

    assert (unread.status_code, unread.data) == (200, b"")
    assert (matched.status_code, matched.data) == (200, b"")
    assert read.json["active"] is True


def test_a_resource_in_the_body_can_be_validated_by_whoever_may_do_anything_with_it(
    own: System,
) -> None:
    assert held(own, "system/Goal.d").post("/Goal/$validate", goal("Patient/p")).status_code == 200
    assert_outcome(held(own, "system/Goal.d").get("/Goal/g/$validate"), 403, "forbidden")
