"""Series of sessions in wall time (domain.md section 4.5; RFC 5545 section 3.3.10)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirbridge import recurrence
from fhirbridge.recurrence import InvalidSeries, occurrences


def series(rule: str = "FREQ=DAILY", **changes: Any) -> dict[str, Any]:
    schedule = {
        "rrule": rule,
        "from": "2026-03-02",
        "count": 3,
        "startLocal": "09:00",
        "endLocal": "12:00",
        "tz": "America/Chicago",
        **changes,
    }
    return {name: value for name, value in schedule.items() if value is not None}


def days(schedule: dict[str, Any]) -> list[str]:
    return [occurrence.date for occurrence in occurrences(schedule)]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("FREQ=WEEKLY;BYDAY=FR,MO,WE", "FREQ=WEEKLY;BYDAY=MO,WE,FR"),
        ("rrule:freq=daily; interval=1", "FREQ=DAILY"),
        ("BYDAY=TU,TU;INTERVAL=02;FREQ=WEEKLY", "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU"),
        ("FREQ=MONTHLY;BYDAY=+2TU,-1FR", "FREQ=MONTHLY;BYDAY=-1FR,2TU"),
    ],
)
def test_rule_has_one_written_form(written: str, normal: str) -> None:
    assert str(recurrence.parse_rule(written)) == normal
    assert str(recurrence.parse_rule(normal)) == normal


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("FREQ=HOURLY", "FREQ"),
        ("BYDAY=MO", "FREQ"),
        ("FREQ=DAILY;COUNT=3", "`until` or `count`"),
        ("FREQ=DAILY;UNTIL=20260101", "`until` or `count`"),
        ("FREQ=DAILY;BYHOUR=9", "Only FREQ"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1.5", "INTERVAL"),
        ("FREQ=WEEKLY;BYDAY=2MO", "numbered"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY"),
        ("FREQ=DAILY;FREQ=WEEKLY", "each name once"),
        ("daily", "NAME=value"),
    ],
)
def test_rule_outside_the_subset_is_refused(rule: str, says: str) -> None:
    with pytest.raises(InvalidSeries, match=says) as refused:
        recurrence.parse_rule(rule)

    assert refused.value.field == "rrule"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (series(), ["2026-03-02", "2026-03-03", "2026-03-04"]),
        (series("FREQ=DAILY;INTERVAL=2"), ["2026-03-02", "2026-03-04", "2026-03-06"]),
        (series("FREQ=DAILY;BYDAY=SA,SU", count=2), ["2026-03-07", "2026-03-08"]),
        (series("FREQ=WEEKLY", count=2), ["2026-03-02", "2026-03-09"]),
        (series("FREQ=WEEKLY;BYDAY=MO,FR"), ["2026-03-02", "2026-03-06", "2026-03-09"]),
        (series("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU", count=2), ["2026-03-08", "2026-03-22"]),
        (series("FREQ=MONTHLY;BYDAY=1SA", count=2), ["2026-03-07", "2026-04-04"]),
        (series("FREQ=MONTHLY", **{"from": "2026-01-31"}, count=2), ["2026-01-31", "2026-03-31"]),
        (series(count=None, until="2026-03-03"), ["2026-03-02", "2026-03-03"]),
        (
            series(exDates=["2026-03-03"], rDates=["2026-03-09", "2026-03-02"]),
            ["2026-03-02", "2026-03-04", "2026-03-09"],
        ),
        (
            series("FREQ=WEEKLY;BYDAY=TU", count=None, until="2026-03-02", rDates=["2026-03-05"]),
            ["2026-03-05"],
        ),
    ],
)
def test_days_of_a_series(schedule: dict[str, Any], expected: list[str]) -> None:
    assert days(schedule) == expected


def test_leap_day_comes_only_in_leap_years() -> None:
    schedule = series("FREQ=MONTHLY;INTERVAL=12", **{"from": "2024-02-29"}, count=2)

    assert days(schedule) == ["2024-02-29", "2028-02-29"]


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        (series(count=None), "until"),
        (series(until="2026-04-01"), "until"),
        (series(count=367), "rrule"),
        (series(count=None, until="2036-12-31"), "until"),
        (series("FREQ=MONTHLY", count=200), "count"),
        (series("FREQ=DAILY;INTERVAL=7;BYDAY=TU"), "count"),
        (series(count=1, exDates=["2026-03-02"]), "rrule"),
        (series(tz="Mars/Olympus"), "tz"),
        (series(tz="../etc/passwd"), "tz"),
        (series(tz="right/America/Chicago"), "tz"),
        (series(tz="America"), "tz"),
        (series(**{"from": "9999-12-31"}, count=1, startLocal="23:00", endLocal="01:00"), "from"),
        (series(**{"from": "1850-01-01"}), "from"),
    ],
)
def test_series_that_cannot_be_expanded_names_the_field(
    schedule: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidSeries) as refused:
        occurrences(schedule)

    assert refused.value.field == field


def test_exactly_366_occurrences_are_allowed() -> None:
    assert len(occurrences(series(count=366))) == 366


@pytest.mark.parametrize(
    ("day", "start", "end", "expected"),
    [
        # 2026-03-08: 02:00 to 03:00 does not exist in Chicago
        ("2026-03-08", "02:30", "04:00", ("03:30-05:00", "04:00-05:00", True)),
        ("2026-03-08", "01:30", "02:30", ("01:30-06:00", "03:30-05:00", True)),
        ("2026-03-08", "02:15", "03:00", ("03:15-05:00", "04:00-05:00", True)),
        ("2026-03-08", "09:00", "12:00", ("09:00-05:00", "12:00-05:00", False)),
        ("2026-03-07", "22:00", "03:30", ("22:00-06:00", "03:30-05:00", False)),
        # 2026-11-01: 01:00 to 02:00 comes twice; the first is meant
        ("2026-11-01", "01:30", "02:30", ("01:30-05:00", "02:30-06:00", False)),
        ("2026-11-01", "00:30", "01:30", ("00:30-05:00", "01:30-05:00", False)),
    ],
)
def test_clock_changes_in_chicago(
    day: str, start: str, end: str, expected: tuple[str, str, bool]
) -> None:
    schedule = series(**{"from": day}, count=1, startLocal=start, endLocal=end)

    occurrence = occurrences(schedule)[0]

    assert occurrence.date == day
    assert occurrence.start.isoformat()[11:].replace(":00-", "-", 1) == expected[0]
    assert occurrence.end.isoformat()[11:].replace(":00-", "-", 1) == expected[1]
    assert occurrence.shifted is expected[2]


def test_series_keeps_its_wall_time_across_the_change() -> None:
    schedule = series("FREQ=WEEKLY;BYDAY=MO,WE,FR", count=6)

    starts = [occurrence.start for occurrence in occurrences(schedule)]

    assert {start.hour for start in starts} == {9}
    assert [start.utcoffset() for start in starts] == [timedelta(hours=-6)] * 3 + [
        timedelta(hours=-5)
    ] * 3


def test_overnight_session_ends_on_the_next_day() -> None:
    occurrence = occurrences(series(startLocal="22:00", endLocal="01:30", count=1))[0]

    assert occurrence.end - occurrence.start == timedelta(hours=3, minutes=30)
    assert occurrence.end.date() == date(2026, 3, 3)


WALL = st.times().map(lambda at: at.strftime("%H:%M"))
NEAR_CHANGES = st.sampled_from(["2026-03-07", "2026-03-08", "2026-10-31", "2026-11-01"])
ZONES = st.sampled_from(
    ["America/Chicago", "America/New_York", "America/Los_Angeles", "America/Phoenix", "UTC"]
)


@given(day=NEAR_CHANGES, start=WALL, end=WALL, tz=ZONES)
def test_session_is_where_the_wall_clock_says_and_ends_later(
    day: str, start: str, end: str, tz: str
) -> None:
    schedule = series(**{"from": day}, count=2, startLocal=start, endLocal=end, tz=tz)

    for occurrence in occurrences(schedule):
        assert occurrence.start.astimezone(UTC) < occurrence.end.astimezone(UTC)
        wall = datetime.fromisoformat(f"{occurrence.date}T{start}")
        found = occurrence.start.replace(tzinfo=None, fold=0)
        assert found == wall or (occurrence.shifted and found - wall == timedelta(hours=1))
        assert occurrence.start.fold == 0


@given(start=WALL, end=WALL, day=st.dates(date(1990, 1, 1), date(2050, 1, 1)))
def test_phoenix_never_shifts(start: str, end: str, day: date) -> None:
    schedule = series(
        **{"from": day.isoformat()}, startLocal=start, endLocal=end, tz="America/Phoenix"
    )

    for occurrence in occurrences(schedule):
        assert occurrence.start.utcoffset() == timedelta(hours=-7)
        assert not occurrence.shifted
        assert occurrence.end - occurrence.start == recurrence.wall_length(start, end)
