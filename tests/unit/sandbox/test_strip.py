"""Nothing of a person gets through, and what is left is still a document."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.native import documents
from fhirbridge.sandbox.strip import REPLACEMENTS, strip

FIXTURES = Path(__file__).parents[3] / "fixtures"
CASES = sorted(FIXTURES.glob("[aer]*/*/native.json"))
A_TIME = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}:\d{2}")  # a moved date may be another one
KEPT = frozenset({"schema", "tz", "rrule"})


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text with the name of its field."""
    if isinstance(value, dict):
        for child, below in value.items():
            yield from texts(below, child)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, name)
    elif isinstance(value, str):
        yield name, value


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}")
def test_a_stripped_document_is_still_accepted(path: Path) -> None:
    stripped = strip(read(path), weeks=30)

    documents.load(documents.kind_of(stripped), stripped)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}")
def test_no_text_that_is_not_a_code_gets_through(path: Path) -> None:
    document = read(path)
    kind = documents.kind_of(document)
    codes = set(code_texts(document, documents.shape(kind)))

    left = {text for name, text in texts(strip(document, weeks=30)) if name not in KEPT}

    before = {text for name, text in texts(document) if name not in KEPT}
    words = {text for text in before if not A_TIME.match(text)}
    assert left & words - codes <= {*REPLACEMENTS.values()}


def code_texts(value: Any, node: Any) -> Iterator[str]:
    if node.kind == "object":
        for name, below in node.fields.items():
            if name in value:
                yield from code_texts(value[name], below)
    elif node.kind == "list":
        for item in value:
            yield from code_texts(item, node.item)
    elif node.kind == "code":
        yield value


def test_a_name_in_a_code_field_does_not_get_through() -> None:
    document = read(FIXTURES / "aftercare-plan/mother-of-two/native.json")
    document["supportGroups"][0]["fellowship"] = "marias-own-meeting"

    stripped = strip(document, weeks=30)

    assert "marias" not in json.dumps(stripped)


def test_weekdays_and_distances_stay() -> None:
    document = read(FIXTURES / "enrollment/mother-of-two/native.json")

    stripped = strip(document, weeks=30)

    days = [(document[name], stripped[name]) for name in ("admitDate", "expectedEnd")]
    moved = [(date.fromisoformat(a) - date.fromisoformat(b)).days for a, b in days]
    assert moved == [210, 210]


def test_references_inside_the_document_still_meet() -> None:
    document = read(FIXTURES / "enrollment/mother-of-two/native.json")

    stripped = strip(document, weeks=30)

    schedules = {entry["id"] for entry in stripped["schedule"]}
    assert {session["scheduleId"] for session in stripped["sessions"]} <= schedules
    assert stripped["recordId"] == stripped["enrollmentId"]


def test_what_is_not_a_document_is_refused() -> None:
    with pytest.raises(InvalidContent):
        strip({"schema": "fhirbridge.enrollment/1.0"}, weeks=1)
