"""What an answer means: one row per kind of answer."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from fhirbridge.partners.http import Answer, NoAnswer
from fhirbridge.partners.verdict import (
    Delivered,
    Finding,
    Placed,
    Refused,
    Retry,
    Unknown,
    judge,
    judge_batch,
    judge_create,
    relative,
    version_of,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def bundle(kind: str, *responses: dict[str, Any]) -> bytes:
    entries = [{"response": response} for response in responses]
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()


def outcome(code: str, *expression: str, text: str = "") -> dict[str, Any]:
    issue = {"severity": "error", "code": code, "expression": list(expression), "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def test_a_whole_transaction_response_is_delivered_with_its_places() -> None:
    body = bundle(
        "transaction-response",
        {"status": "201 Created", "location": "https://e.example/fhir/Patient/p1/_history/1"},
        {"status": "200 OK", "location": "Task/t1/_history/3"},
    )

    verdict = judge(Answer(200, {}, body), entries=2, now=NOW)

    assert verdict == Delivered((Placed("Patient/p1", True, "1"), Placed("Task/t1", False, "3")))


@pytest.mark.parametrize(
    ("silence", "expected"),
    [
        (NoAnswer(sent=False, error_class="unreachable"), Retry("unreachable")),
        (NoAnswer(sent=False, error_class="connect-timeout"), Retry("connect-timeout")),
        (NoAnswer(sent=True, error_class="no-answer"), Unknown("no-answer")),
        (NoAnswer(sent=True, error_class="answer-broken-off"), Unknown("answer-broken-off")),
    ],
    ids=["refused", "connect-timeout", "read-timeout", "broken-off"],
)
def test_silence_is_unknown_only_if_something_was_sent(silence: NoAnswer, expected: object) -> None:
    assert judge(silence, entries=1, now=NOW) == expected


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, Refused),
        (307, Refused),
        (400, Refused),
        (401, Refused),
        (403, Refused),
        (404, Refused),
        (408, Unknown),
        (409, Unknown),
        (412, Refused),
        (413, Refused),
        (418, Refused),
        (422, Refused),
        (425, Retry),
        (429, Retry),
        (500, Unknown),
        (501, Refused),
        (502, Unknown),
        (503, Retry),
        (504, Unknown),
        (204, Unknown),
    ],
)
def test_each_status_has_one_meaning(status: int, kind: type) -> None:
    assert type(judge(Answer(status), entries=1, now=NOW)) is kind


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>OK</html>",
        b"[]",
        b'{"resourceType":"OperationOutcome"}',
        bundle("batch-response", {"status": "201"}),
        bundle("transaction-response", {"status": "201"}, {"status": "201"}),
        bundle("transaction-response", {"status": "400"}),
        bundle("transaction-response", {}),
        b'{"resourceType":"Bundle","type":"transaction-response","entry":7}',
    ],
    ids=["empty", "html", "list", "outcome", "batch", "too-many", "failed", "bare", "wrong-type"],
)
def test_a_success_that_cannot_be_read_is_unknown(body: bytes) -> None:
    assert isinstance(judge(Answer(200, {}, body), entries=1, now=NOW), Unknown)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Mon, 02 Mar 2026 12:01:00 GMT", 60.0),
        ("Mon, 02 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, 30 * 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 30 * 86_400.0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    verdict = judge(Answer(503, {"Retry-After": value}), entries=1, now=NOW)

    assert verdict == Retry("too-busy", 503, seconds)


@pytest.mark.parametrize(
    ("location", "etag", "version"),
    [
        ("https://e.example/fhir/Task/t1/_history/3", 'W/"4"', "3"),
        ("Task/t1", 'W/"4"', "4"),
        ("Task/t1", '"4"', "4"),
        ("Task/t1", "", ""),
        ("Task/t1", "W/4", ""),
    ],
)
def test_the_version_is_in_the_location_or_in_the_etag(
    location: str, etag: str, version: str
) -> None:
    assert version_of(location, etag) == version


def test_findings_keep_code_and_place_but_no_text() -> None:
    text = "Maria Lopez, born 1990-04-03, is not acceptable"
    body = json.dumps(outcome("value", "Bundle.entry[3].resource.birthDate", text=text)).encode()

    verdict = judge(Answer(400, {}, body), entries=5, now=NOW)

    assert isinstance(verdict, Refused)
    assert verdict.findings == (
        Finding("value", "error", ("Bundle.entry[3].resource.birthDate",), 3),
    )
    assert "Maria" not in repr(verdict)


def test_an_expression_with_a_literal_is_left_out() -> None:
    body = json.dumps(outcome("value", "Patient.name.where(family='Lopez')")).encode()

    verdict = judge(Answer(422, {}, body), entries=1, now=NOW)

    assert isinstance(verdict, Refused)
    assert verdict.findings == (Finding("value"),)


def test_each_entry_of_a_batch_is_judged_for_itself() -> None:
    body = bundle(
        "batch-response",
        {"status": "201", "location": "Patient/p1"},
        {"status": "422 Unprocessable", "outcome": outcome("invariant")},
        {"status": "503"},
    )

    verdicts = judge_batch(Answer(200, {}, body), entries=3, now=NOW)

    assert isinstance(verdicts, list)
    assert [type(verdict) for verdict in verdicts] == [Delivered, Refused, Retry]
    assert isinstance(verdicts[1], Refused)
    assert verdicts[1].findings[0].entry == 1


def test_a_create_without_location_is_placed_by_its_body() -> None:
    body = b'{"resourceType":"Patient","id":"p9"}'

    verdict = judge_create(Answer(201, {}, body), now=NOW)

    assert verdict == Delivered((Placed("Patient/p9", True),), 201)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("Patient/1", "Patient/1"),
        ("/fhir/Patient/1", "Patient/1"),
        ("https://e.example/r4/Patient/1/_history/2", "Patient/1"),
        ("https://e.example/r4", ""),
        ("", ""),
    ],
)
def test_location_becomes_a_relative_reference(location: str, expected: str) -> None:
    assert relative(location) == expected
