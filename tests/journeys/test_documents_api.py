"""The document API as a treatment provider's system uses it, over the real application."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from werkzeug.test import TestResponse

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.fhir import wire
from fhirbridge.fhir.validation import check
from fhirbridge.web.app import create_app

FIXTURES = Path(__file__).parents[2] / "fixtures"
ADDRESSES = {
    "enrollment": "/api/enrollments",
    "aftercare-plan": "/api/aftercare-plans",
    "referral": "/api/referrals",
}


def fixture(kind: str, case: str = "minimal", **changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((FIXTURES / kind / case / "native.json").read_text())
    return {**data, **changes}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(
        Settings(
            auth="none",
            database_url=f"sqlite:///{tmp_path}/api.db",
            max_body_bytes=1_000_000,
            part2=False,  # consent has its own tests
        )
    )
    yield built
    built.close()


@pytest.fixture
def client(bridge: Bridge) -> FlaskClient:
    return create_app(bridge).test_client()


def refused(answer: TestResponse, status: int, *expressions: str) -> list[dict[str, Any]]:
    """The findings of an answer that refuses, in the one shape they have."""
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "application/json"
    body = answer.get_json()
    assert list(body) == ["issues"]
    for issue in body["issues"]:
        assert list(issue) == ["severity", "code", "expression", "diagnostics", "rule"]
        assert issue["diagnostics"].endswith((".", "?"))
    found = {path for issue in body["issues"] for path in issue["expression"]}
    assert set(expressions) <= found
    issues: list[dict[str, Any]] = body["issues"]
    return issues


@pytest.mark.parametrize("kind", ADDRESSES)
class TestEveryKind:
    def test_document_comes_back_as_it_was_sent(self, client: FlaskClient, kind: str) -> None:
        sent = fixture(kind, "maximal", extra={"ours": {"score": 1, "note": "keep"}})

        posted = client.post(ADDRESSES[kind], json=sent)
        read = client.get(posted.headers["Location"])

        assert posted.status_code == 201, posted.get_data(as_text=True)
        assert posted.get_json()["outcome"] == "created"
        assert read.get_json() == sent
        assert read.headers["ETag"] == posted.headers["ETag"] == f'W/"{sent["version"]}"'

    def test_posting_is_idempotent(self, client: FlaskClient, kind: str) -> None:
        sent = fixture(kind)
        client.post(ADDRESSES[kind], json=sent)

        again = client.post(ADDRESSES[kind], json=sent)
        newer = client.post(ADDRESSES[kind], json={**sent, "version": sent["version"] + 1})
        other = client.post(
            ADDRESSES[kind], json={**sent, "version": sent["version"] + 1, "extra": {"a": 1}}
        )
        older = client.put(f"{ADDRESSES[kind]}/{sent['recordId']}", json=sent)

        assert (again.status_code, again.get_json()["outcome"]) == (200, "unchanged")
        assert again.get_json()["written"] == []
        assert (newer.status_code, newer.get_json()["outcome"]) == (200, "updated")
        refused(other, 409, "$.version")
        refused(older, 409, "$.version")

    def test_resources_stand_under_fhir(self, client: FlaskClient, kind: str) -> None:
        receipt = client.post(ADDRESSES[kind], json=fixture(kind, "maximal")).get_json()

        for reference in receipt["written"]:
            answer = client.get(f"/fhir/{reference}")
            assert answer.status_code == 200, reference
            assert [issue for issue in check(wire.parse(answer.data)) if issue.is_error] == []

    def test_preview_stores_nothing(self, client: FlaskClient, kind: str) -> None:
        answer = client.post(f"{ADDRESSES[kind]}/$preview?explain=true", json=fixture(kind))

        preview = answer.get_json()
        assert answer.status_code == 200
        assert preview["outcome"] == "created"
        assert preview["bundle"]["type"] == "transaction"
        assert {change["action"] for change in preview["changes"]} == {"create"}
        assert preview["lineage"]
        assert client.get(ADDRESSES[kind]).get_json() == {"documents": [], "next": None}
        assert client.get("/fhir/Patient").get_json()["total"] == 0

    def test_wrong_address_is_refused(self, client: FlaskClient, kind: str) -> None:
        other = next(one for one in ADDRESSES if one != kind)

        refused(client.post(ADDRESSES[kind], json=fixture(other)), 400, "$.schema")
        refused(client.post(f"{ADDRESSES[kind]}/$preview", json=fixture(other)), 400, "$.schema")
        refused(client.put(f"{ADDRESSES[kind]}/else", json=fixture(kind)), 400, "$.recordId")


class TestRefusals:
    def test_all_findings_come_at_once(self, client: FlaskClient) -> None:
        sent = fixture("enrollment", admitDate="yesterday", daysPerWeek=-1, unknownField=1)

        answer = client.post("/api/enrollments", json=sent)

        refused(answer, 400, "$.admitDate", "$.daysPerWeek", "$.unknownField")

    def test_no_value_of_the_record_is_repeated(self, client: FlaskClient) -> None:
        name = "Secretname"
        sent = fixture("enrollment", admitDate=name, program={"name": name, name: 1})

        answer = client.post("/api/enrollments", json=sent)

        assert answer.status_code == 400
        words = " ".join(issue["diagnostics"] for issue in answer.get_json()["issues"])
        assert name not in words

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            (b"", 400),
            (b"[]", 400),
            (b'{"schema": 1, "schema": 2}', 400),
            (b'{"schema": NaN}', 400),
            (b"[" * 200, 400),
            (b"\xff", 400),
            (b'{"a": "' + b"x" * 1_000_000 + b'"}', 413),
        ],
        ids=["empty", "list", "name twice", "NaN", "deep", "not UTF-8", "too large"],
    )
    def test_body_that_is_no_document(self, client: FlaskClient, body: bytes, status: int) -> None:
        answer = client.post("/api/referrals", data=body, content_type="application/json")

        refused(answer, status)

    @pytest.mark.parametrize(
        ("method", "address", "status"),
        [
            ("GET", "/api/enrollments/none", 404),
            ("GET", "/api/nothing", 404),
            ("DELETE", "/api/enrollments/none", 405),
            ("GET", "/api/enrollments?colour=red", 400),
            ("GET", "/api/enrollments?limit=0", 400),
            ("GET", "/api/enrollments?limit=1&limit=2", 400),
            ("GET", "/api/enrollments?updatedSince=2026-01-01", 400),
            ("GET", "/api/enrollments?after=x", 400),
            ("GET", "/api/handoffs?state=lost", 400),
            ("GET", "/api/handoffs/none", 404),
            ("GET", "/api/partners/none", 404),
        ],
    )
    def test_requests_that_mean_nothing(
        self, client: FlaskClient, method: str, address: str, status: int
    ) -> None:
        refused(client.open(address, method=method), status)

    def test_body_of_another_type(self, client: FlaskClient) -> None:
        refused(client.post("/api/enrollments", data="<a/>", content_type="text/xml"), 415)


class TestReading:
    def test_digits_are_kept(self, client: FlaskClient) -> None:
        sent = json.dumps(fixture("enrollment"))[:-1] + ', "weeklyHoursPlanned": 9.50}'

        posted = client.post("/api/enrollments", data=sent, content_type="application/json")
        read = client.get(posted.headers["Location"])

        assert posted.status_code == 201
        assert b'"weeklyHoursPlanned":9.50' in read.data

    def test_same_record_id_of_two_sources_needs_the_source(self, client: FlaskClient) -> None:
        sent = fixture("enrollment")
        first = client.post("/api/enrollments", json={**sent, "sourceSystem": "north"})
        client.post("/api/enrollments", json={**sent, "sourceSystem": "south"})
        address = f"/api/enrollments/{sent['recordId']}"

        refused(client.get(address), 409)
        assert client.get(f"{address}?source=south").get_json()["sourceSystem"] == "south"
        assert client.get(first.headers["Location"]).get_json()["sourceSystem"] == "north"
        wrong = client.put(f"{address}?source=south", json={**sent, "sourceSystem": "north"})
        refused(wrong, 400, "$.sourceSystem")

    def test_record_id_may_hold_anything(self, client: FlaskClient) -> None:
        name = "A/7 %ü?"
        sent = {**fixture("enrollment"), "recordId": name, "enrollmentId": name}

        posted = client.post("/api/enrollments", json=sent)

        assert client.get(posted.headers["Location"]).get_json()["recordId"] == name

    def test_unchanged_document_need_not_be_sent_again(self, client: FlaskClient) -> None:
        posted = client.post("/api/enrollments", json=fixture("enrollment"))

        answer = client.get(
            posted.headers["Location"], headers={"If-None-Match": posted.headers["ETag"]}
        )

        assert (answer.status_code, answer.data) == (304, b"")

    def test_list_pages_through_all_documents_once(self, client: FlaskClient) -> None:
        sent = fixture("enrollment")
        names = [f"E-{number}" for number in range(7)]
        for name in names:
            client.post("/api/enrollments", json={**sent, "recordId": name, "enrollmentId": name})

        found, address = [], "/api/enrollments?limit=3&source=" + sent["sourceSystem"]
        while address:
            page = client.get(address).get_json()
            assert len(page["documents"]) <= 3
            found += [one["recordId"] for one in page["documents"]]
            address = page["next"]

        assert sorted(found) == names
        assert client.get("/api/enrollments?source=other").get_json()["documents"] == []
        late = client.get("/api/enrollments?updatedSince=2100-01-01T00:00:00%2B01:00")
        assert late.get_json()["documents"] == []


class TestPreview:
    def test_it_tells_what_would_change(self, client: FlaskClient) -> None:
        sent = fixture("enrollment", "mother-of-two")
        client.post("/api/enrollments", json=sent)
        goals = [{**sent["goals"][0], "text": "Another wording"}]
        newer = {**sent, "version": sent["version"] + 1, "goals": goals}

        preview = client.post("/api/enrollments/$preview", json=newer).get_json()
        receipt = client.post("/api/enrollments", json=newer).get_json()

        by_action: dict[str, set[str]] = {"create": set(), "update": set(), "withdraw": set()}
        for change in preview["changes"]:
            by_action[change["action"]].add(change["resource"])
        assert preview["outcome"] == "updated"
        assert by_action["create"] | by_action["update"] == set(receipt["written"])
        assert by_action["withdraw"] == set(receipt["withdrawn"]) != set()
        [goal] = [
            one
            for one in preview["changes"]
            if one["resource"].startswith("Goal/") and one["action"] == "update"
        ]
        assert set(goal["elements"]) == {"Goal.description.text", "Goal.text.div"}

    def test_it_tells_what_would_be_refused(self, client: FlaskClient) -> None:
        sent = fixture("enrollment")
        client.post("/api/enrollments", json=sent)

        same = client.post("/api/enrollments/$preview", json=sent).get_json()
        other = client.post("/api/enrollments/$preview", json={**sent, "extra": {"a": 1}})

        assert (same["outcome"], same["changes"]) == ("unchanged", [])
        assert other.get_json()["outcome"] == "conflict"
        assert other.get_json()["issues"][0]["code"] == "conflict"


class TestHandoffs:
    @pytest.fixture
    def partner(self, client: FlaskClient) -> str:
        # nothing listens there: registering does not need the partner
        body = {"name": "clinic", "url": "http://127.0.0.1:9/fhir"}
        answer = client.post("/api/partners", json=body)
        assert answer.status_code == 201
        assert answer.get_json()["unreachable"]
        return "clinic"

    def test_new_document_is_stored_and_enqueued(self, client: FlaskClient, partner: str) -> None:
        document = fixture("aftercare-plan", "mother-of-two")

        answer = client.post("/api/handoffs", json={"partner": partner, "document": document})
        again = client.post(
            "/api/handoffs",
            json={"partner": partner, "kind": "aftercare-plan", "recordId": document["recordId"]},
        )

        assert (answer.status_code, answer.get_json()["state"]) == (202, "queued")
        assert (again.status_code, again.get_json()["new"]) == (200, False)
        shown = client.get(answer.headers["Location"]).get_json()
        assert shown["partner"] == partner
        assert shown["attempts"] == []
        listed = client.get(f"/api/handoffs?partner={partner}&state=queued,dead").get_json()
        assert [one["handoff"] for one in listed["handoffs"]] == [answer.get_json()["handoff"]]

    def test_a_handoff_has_one_purpose(self, client: FlaskClient, partner: str) -> None:
        body = {"partner": partner, "document": fixture("aftercare-plan", "mother-of-two")}

        for purpose, status in (("HPAYMT", 202), ("HPAYMT", 200), ("TREAT", 409), ("x", 400)):
            answer = client.post("/api/handoffs", json={**body, "purpose": purpose})
            assert answer.status_code == status

    def test_preview_of_a_handoff_stores_nothing(self, client: FlaskClient, partner: str) -> None:
        body = {"partner": partner, "document": fixture("aftercare-plan", "mother-of-two")}

        plan = client.post("/api/handoffs/$preview", json=body)

        assert plan.status_code == 200
        assert {"rung", "entries", "losses"} <= set(plan.get_json())
        assert client.get("/api/handoffs").get_json() == {"handoffs": []}
        assert client.get("/api/aftercare-plans").get_json()["documents"] == []

    def test_past_sessions_travel_when_they_are_asked_for(
        self, client: FlaskClient, partner: str
    ) -> None:
        body = {"partner": partner, "document": fixture("enrollment", "maximal")}

        short, whole = (
            client.post("/api/handoffs/$preview", json={**body, "withPast": asked}).get_json()
            for asked in (False, True)
        )

        def sessions(plan: dict[str, Any]) -> int:
            return sum(one["resourceType"] == "Appointment" for one in plan["entries"])

        assert sessions(short) < sessions(whole)

    @pytest.mark.parametrize(
        ("body", "status", "expression"),
        [
            ({}, 400, "$.kind"),
            ({"kind": "bill"}, 400, "$.kind"),
            ({"kind": "referral"}, 400, "$.recordId"),
            ({"kind": "referral", "recordId": "none"}, 404, None),
            ({"colour": 1}, 400, "$"),
            ({"document": fixture("enrollment"), "withPast": "yes"}, 400, "$.withPast"),
        ],
    )
    def test_handoff_of_nothing(
        self, client: FlaskClient, body: dict[str, Any], status: int, expression: str | None
    ) -> None:
        answer = client.post("/api/handoffs", json={"partner": "clinic", **body})

        refused(answer, status, *([expression] if expression else []))

    def test_unknown_partner_stores_nothing(self, client: FlaskClient) -> None:
        body = {"partner": "nobody", "document": fixture("aftercare-plan")}

        refused(client.post("/api/handoffs", json=body), 404)
        assert client.get("/api/aftercare-plans").get_json()["documents"] == []

    def test_partner_is_changed_listed_and_read(self, client: FlaskClient, partner: str) -> None:
        body = {"name": partner, "url": "http://127.0.0.1:9/fhir", "followSeconds": 60}

        changed = client.post("/api/partners", json=body)

        assert changed.status_code == 200
        assert client.get(f"/api/partners/{partner}").get_json()["followSeconds"] == 60
        assert [one["name"] for one in client.get("/api/partners").get_json()["partners"]] == [
            partner
        ]

    def test_partner_is_told_rate_and_credentials_as_at_the_command_line(
        self, client: FlaskClient, partner: str, tmp_path: Path
    ) -> None:
        key = ECKey.generate_key("P-384", auto_kid=True)
        (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
        credentials = {"clientId": "us", "keyFile": str(tmp_path / "key.json")}
        body = {"name": partner, "url": "http://127.0.0.1:9/fhir", "requestsPerSecond": 2.5}
        body |= {"followSeconds": 0.5, "maxAgeHours": 12, "timeoutSeconds": 90}

        changed = client.post("/api/partners", json={**body, "credentials": credentials})
        shown = client.get(f"/api/partners/{partner}").get_json()
        keyless = {**credentials, "keyFile": str(tmp_path / "none.json")}

        assert changed.status_code == 200
        assert (shown["requestsPerSecond"], shown["followSeconds"]) == (2.5, 0.5)
        assert (shown["maxAgeHours"], shown["timeoutSeconds"]) == (12, 90)
        assert shown["credentials"]["clientId"] == "us"
        assert "keys" not in json.dumps(shown)
        refused(
            client.post("/api/partners", json={**body, "credentials": keyless}),
            400,
            "$.credentials.keyFile",
        )

    def test_partner_with_faults_is_refused_with_all_of_them(self, client: FlaskClient) -> None:
        body = {"name": 1, "url": 2, "profile": "x", "allowHttp": "no", "followSeconds": True}
        names = ("$.name", "$.url", "$.profile", "$.allowHttp", "$.followSeconds")
        body["requestsPerSecond"] = 2000

        answer = client.post("/api/partners", json=body)

        refused(answer, 400, *names, "$.requestsPerSecond")
