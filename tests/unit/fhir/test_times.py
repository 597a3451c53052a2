"""Dates and schedules in words."""

from typing import Any

import pytest

from fhirbridge.fhir.times import date_text, period_text, time_text, timing_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026", "2026"),
        ("2026-04", "April 2026"),
        ("2026-04-04", "April 4, 2026"),
        ("2026-04-14T09:20:00-05:00", "April 14, 2026, 9:20 AM (UTC-5)"),
        ("2026-04-14T00:05:00.123Z", "April 14, 2026, 12:05 AM (UTC)"),
        ("2026-04-14T12:00:00+05:30", "April 14, 2026, 12:00 PM (UTC+5:30)"),
        ("soon", "soon"),
    ],
)
def test_date_is_written_with_its_precision(value: str, text: str) -> None:
    assert date_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("08:30:00", "8:30 AM"), ("23:59:59.5", "11:59 PM"), ("noon", "noon")],
)
def test_time_of_day(value: str, text: str) -> None:
    assert time_text(value) == text


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ({"start": "2026-03-30"}, "from March 30, 2026"),
        ({"end": "2026-03-30"}, "until March 30, 2026"),
        ({"start": "2026-02-16", "end": "2026-03-27"}, "February 16, 2026 to March 27, 2026"),
        (
            {"start": "2026-04-14T09:20:00-05:00", "end": "2026-04-14T09:40:00-05:00"},
            "April 14, 2026, 9:20 AM to 9:40 AM (UTC-5)",
        ),
        ({}, ""),
    ],
)
def test_period(period: Any, text: str) -> None:
    assert period_text(period) == text


@pytest.mark.parametrize(
    ("repeat", "text"),
    [
        (
            {
                "frequency": 2,
                "period": 1,
                "periodUnit": "wk",
                "dayOfWeek": ["tue", "sat"],
                "timeOfDay": ["08:30:00"],
                "duration": 60,
                "durationUnit": "min",
            },
            "Tuesdays and Saturdays at 8:30 AM, for 60 minutes",
        ),
        (
            {"period": 2, "periodUnit": "wk", "dayOfWeek": ["thu"], "count": 6},
            "every 2 weeks on Thursday, 6 times in all",
        ),
        ({"frequency": 1, "period": 1, "periodUnit": "d"}, "once a day"),
        (
            {"frequency": 3, "period": 1, "periodUnit": "d", "when": ["PC"]},
            "3 times a day after a meal",
        ),
        ({"frequency": 1, "period": 3, "periodUnit": "mo"}, "every 3 months"),
        ({"frequency": 2, "period": 3, "periodUnit": "d"}, "2 times every 3 days"),
        ({"frequency": 1, "period": 6, "periodUnit": "h"}, "every 6 hours"),
        ({"boundsPeriod": {"start": "2026-02-19"}}, "from February 19, 2026"),
        (
            {
                "frequency": 1,
                "period": 1,
                "periodUnit": "wk",
                "boundsDuration": {"value": 8, "code": "wk"},
            },
            "once a week, over 8 weeks",
        ),
    ],
)
def test_schedule_reads_like_a_sentence(repeat: Any, text: str) -> None:
    assert timing_text({"repeat": repeat}) == text


def test_events_are_listed() -> None:
    assert timing_text({"event": ["2026-04-01", "2026-05"]}) == "April 1, 2026, May 2026"
