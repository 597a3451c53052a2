"""What counts as a difference, and what does not."""

from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.sandbox.compare import Difference, compare

SENT: dict[str, Any] = {
    "resourceType": "CarePlan",
    "id": "ours",
    "meta": {"tag": [{"system": "urn:t", "code": "sandbox"}], "source": "urn:s"},
    "status": "active",
    "subject": {"reference": "Patient/1"},
    "created": "2026-03-02T10:00:00-06:00",
    "note": [{"text": "one"}, {"text": "two"}],
    "extension": [{"url": "urn:e", "valueDecimal": Decimal("1.0")}],
}


def stored(**changes: Any) -> dict[str, Any]:
    server = {
        "id": "theirs",
        "meta": {**SENT["meta"], "versionId": "1", "lastUpdated": "2026-03-02T10:00:00Z"},
        "text": {"status": "generated"},
    }
    body = {**SENT, **server, **changes}
    return {name: value for name, value in body.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": {"reference": "https://e.example/fhir/Patient/1", "type": "Patient"}},
        {"created": "2026-03-02T16:00:00Z"},
        {"note": [{"text": "two"}, {"text": "one"}]},
        {"extension": [{"url": "urn:e", "valueDecimal": Decimal("1.00")}]},
        {"language": "en"},
    ],
    ids=["as-is", "absolute-link", "other-offset", "other-order", "more-digits", "added"],
)
def test_the_same_in_other_words_is_no_difference(changes: dict[str, Any]) -> None:
    assert compare(SENT, stored(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "draft"}, Difference("CarePlan.status", "changed")),
        ({"created": None}, Difference("CarePlan.created", "dropped")),
        ({"note": [{"text": "one"}]}, Difference("CarePlan.note[1]", "dropped")),
        ({"note": [{"text": "one"}, {}]}, Difference("CarePlan.note[1].text", "dropped")),
        (
            {"subject": {"reference": "Patient/2"}},
            Difference("CarePlan.subject.reference", "changed"),
        ),
        ({"meta": {"source": "urn:s"}}, Difference("CarePlan.meta.tag", "dropped")),
        ({"meta": {"tag": SENT["meta"]["tag"]}}, Difference("CarePlan.meta.source", "dropped")),
        ({"created": "2026-03-02T16:00:01Z"}, Difference("CarePlan.created", "changed")),
    ],
    ids=["code", "gone", "item", "inside-item", "link", "tag", "source", "instant"],
)
def test_each_difference_has_its_path(changes: dict[str, Any], expected: Difference) -> None:
    assert compare(SENT, stored(**changes)) == [expected]
