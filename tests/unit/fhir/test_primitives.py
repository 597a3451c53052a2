from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.primitives import PRIMITIVES, bounds, is_id, period_bounds

ACCEPTED: list[tuple[str, list[Any]]] = [
    ("boolean", [True, False]),
    ("integer", [0, -1, 2**31 - 1, -(2**31)]),
    ("positiveInt", [1, 2**31 - 1]),
    ("unsignedInt", [0, 2**31 - 1]),
    ("decimal", [0, -1, 2**80, Decimal("1.00"), wire.number("1E2"), 1.5]),
    ("string", ["a", " a ", "a\tb\r\nc", "ünï 😀", "\u00a0"]),
    ("markdown", ["# a\n\n* b"]),
    ("code", ["a", "a b", "a-b.c", "ä", "a\u00a0b"]),
    ("id", ["a", "A-1.b", "x" * 64]),
    ("uri", ["http://a.example", "urn:oid:1.2", "a", "#a", "../a"]),
    ("url", ["mailto:a@b.example"]),
    ("canonical", ["http://a.example|1.0", "#a"]),
    ("oid", ["urn:oid:1.2.3", "urn:oid:2.16.840.1.113883"]),
    ("uuid", ["urn:uuid:c757873d-ec9a-4326-a141-556f43239520"]),
    ("date", ["2024", "2024-02", "2024-02-29", "0001-01-01", "9999-12-31", "2000-02-29"]),
    (
        "dateTime",
        [
            "2024",
            "2024-12",
            "2024-12-31",
            "2024-12-31T23:59:59Z",
            "2024-12-31T23:59:60Z",
            "2024-12-31T00:00:00.000000000001+14:00",
            "2024-02-29T10:00:00-13:59",
        ],
    ),
    ("instant", ["2024-12-31T23:59:59.1-05:00", "2024-02-29T00:00:00Z"]),
    ("time", ["00:00:00", "23:59:60", "12:30:00.5"]),
    ("base64Binary", ["aGVsbG8=", "aGVs bG8=", "aGVs\r\nbG8=", "AAAA"]),
]

REFUSED: list[tuple[str, list[Any]]] = [
    ("boolean", ["true", 0, 1, None, "", []]),
    ("integer", [2**31, -(2**31) - 1, "1", Decimal("1.0"), 1.0, True, None]),
    ("positiveInt", [0, -1, True, 2**31]),
    ("unsignedInt", [-1, 2**31, False]),
    ("decimal", ["1.0", True, None, [], "NaN"]),
    ("string", ["", "a\x00", "\x1f", 5, None, ["a"], {}, "a" * (1024 * 1024 + 1)]),
    ("code", ["", " a", "a ", "a  b", "a\tb", "a\n", 1]),
    ("id", ["", "a b", "a_b", "x" * 65, "ä", "a\n", "a/b", 1]),
    ("uri", ["", "a b", " a", "a\n", 1]),
    ("oid", ["1.2.3", "urn:oid:3.1", "urn:oid:1.02", "urn:oid:", "urn:oid:1"]),
    (
        "uuid",
        ["c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:C757873D-EC9A-4326-A141-556F43239520"],
    ),
    (
        "date",
        [
            *[
                "1970-02-30",
                "2023-02-29",
                "1900-02-29",
                "2024-04-31",
                "2024-13",
                "2024-00",
                "2024-1-1",
            ],
            *[
                "24-01-01",
                "0000",
                "20240101",
                "2024-01-01T00:00:00Z",
                "2024-01-01\n",
                "\uff12\uff10\uff12\uff14",
                "",
                2024,
            ],
        ],
    ),
    (
        "dateTime",
        [
            *[
                "2024-02-30T10:00:00Z",
                "2024-01-01T10:00Z",
                "2024-01-01T10:00:00",
                "2024-01-01T24:00:00Z",
            ],
            *["2024-01-01T10:60:00Z", "2024-01-01T10:00:61Z", "2024-01-01T10:00:00+14:30"],
            *[
                "2024-01-01T10:00:00+0100",
                "2024-01-01 10:00:00Z",
                "2024-01-01T10:00:00.Z",
                "2024T10:00:00Z",
            ],
        ],
    ),
    ("instant", ["2024", "2024-01-01", "2024-01-01T10:00:00", "2023-02-29T10:00:00Z"]),
    ("time", ["24:00:00", "10:00", "10:00:00Z", "1:00:00", "10:00:00.", 100000]),
    ("base64Binary", ["", "a", "aGVsbG8", "aGVsbG8==", "ä", "====", "a-_b", 5]),
]


def rows(table: list[tuple[str, list[Any]]]) -> list[Any]:
    return [
        pytest.param(kind, value, id=f"{kind}-{index}")
        for kind, listed in table
        for index, value in enumerate(listed)
    ]


@pytest.mark.parametrize(("kind", "value"), rows(ACCEPTED))
def test_legal_values_are_accepted(kind: str, value: Any) -> None:
    assert PRIMITIVES[kind].accepts(value)


@pytest.mark.parametrize(("kind", "value"), rows(REFUSED))
def test_illegal_values_are_refused(kind: str, value: Any) -> None:
    primitive = PRIMITIVES[kind]

    assert not primitive.accepts(value)
    if isinstance(value, str) and primitive.pattern:
        assert not primitive.pattern.fullmatch(value)


def test_every_primitive_type_of_r4_has_a_check() -> None:
    assert set(PRIMITIVES) == definitions().primitive_types - {"xhtml"}


def test_a_long_hostile_text_is_refused_quickly() -> None:
    for primitive in PRIMITIVES.values():
        for text in ("a " * 500_000 + "\x01", "1." * 500_000, "\r\n" * 500_000 + "!"):
            primitive.accepts(text)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2024", at(2024, 1, 1), at(2025, 1, 1)),
        ("2024-02", at(2024, 2, 1), at(2024, 3, 1)),
        ("2024-12", at(2024, 12, 1), at(2025, 1, 1)),
        ("2024-02-29", at(2024, 2, 29), at(2024, 3, 1)),
        ("2024-05-01T10:00", at(2024, 5, 1, 10), at(2024, 5, 1, 10, 1)),
        ("2024-05-01T10:00:00Z", at(2024, 5, 1, 10), at(2024, 5, 1, 10, 0, 1)),
        (
            "2024-05-01T10:00:00.5Z",
            at(2024, 5, 1, 10, 0, 0, 500000),
            at(2024, 5, 1, 10, 0, 0, 600000),
        ),
        ("2024-05-01T10:00:00+14:00", at(2024, 4, 30, 20), at(2024, 4, 30, 20, 0, 1)),
        ("2024-05-01T10:00:00-05:30", at(2024, 5, 1, 15, 30), at(2024, 5, 1, 15, 30, 1)),
    ],
)
def test_bounds_cover_what_the_precision_says(text: str, start: datetime, end: datetime) -> None:
    found = bounds(text, UTC)

    assert (found.start, found.end) == (start, end)


def test_bounds_without_offset_are_in_the_given_zone() -> None:
    found = bounds("2024-05-01", timezone(timedelta(hours=-8)))

    assert (found.start, found.end) == (at(2024, 5, 1, 8), at(2024, 5, 2, 8))


@pytest.mark.parametrize("text", ["", "x", "2024-02-30", "2024-5", "2024-05-01T10"])
def test_bounds_of_what_is_no_date_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a date"):
        bounds(text, UTC)


def test_bounds_at_the_ends_of_time_do_not_overflow() -> None:
    assert bounds("9999", UTC).end.year == 9999
    assert bounds("0001-01-01T00:00:00+14:00", UTC).start.year == 1
    assert bounds("9999-12-31T23:59:59-12:00", UTC).end.year == 9999


def test_a_period_without_a_side_is_open() -> None:
    assert period_bounds({"start": "2024"}, UTC).start == at(2024, 1, 1)
    assert period_bounds({"start": "2024"}, UTC).end.year == 9999
    assert period_bounds({"end": "2024"}, UTC).end == at(2025, 1, 1)


def test_is_id() -> None:
    assert is_id("a-1")
    assert not is_id("a b")
