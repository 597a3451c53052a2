"""What is stored about a partner: hours in which is sent, headers that can be sent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.partners.registry import check_headers, is_open

WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday"]


@pytest.mark.parametrize(
    ("hours", "local", "is_so"),
    [
        (("08:00", "17:00"), "2026-03-02T08:00", True),
        (("08:00", "17:00"), "2026-03-02T17:00", False),
        (("08:00", "17:00"), "2026-03-01T12:00", False),
        (("20:00", "06:00"), "2026-03-02T20:00", True),
        (("20:00", "06:00"), "2026-03-02T12:00", False),
        (("20:00", "06:00"), "2026-03-07T05:59", True),
        (("20:00", "06:00"), "2026-03-07T20:30", False),
        (("20:00", "06:00"), "2026-03-02T03:00", False),
    ],
    ids=[
        "opening",
        "closing",
        "sunday",
        "evening",
        "noon",
        "the night of friday",
        "the night of saturday",
        "the night of sunday",
    ],
)
def test_a_window_may_go_over_midnight(hours: tuple[str, str], local: str, is_so: bool) -> None:
    window: dict[str, Any] = {"days": WEEK, "from": hours[0], "to": hours[1]}
    now = datetime.fromisoformat(local).replace(tzinfo=UTC)

    assert is_open({"window": window}, now) is is_so


@pytest.mark.parametrize(
    "headers",
    [{"X Y": "a"}, {"": "a"}, {"X:": "a"}, {"X": "a\nb"}, {"X": ""}, {"X": 1}, {"X": " a"}],
)
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(InvalidContent):
        check_headers(headers)


def test_ordinary_headers_are_taken() -> None:
    check_headers({"X-Tenant": "north, 2", "Authorization": "Bearer a.b-c_d=="})
