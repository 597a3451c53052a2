"""Expand a repeating session into its occurrences, in wall time of its zone.

The rule is a subset of RFC 5545 section 3.3.10: FREQ (DAILY, WEEKLY, MONTHLY), INTERVAL, BYDAY.
Its end stands beside it (`until` or `count`). A start in the hour that spring skips moves on by
the gap; of an hour that autumn repeats, the first is meant. Source: domain.md section 4.5.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any, Literal
from zoneinfo import ZoneInfo

from dateutil.rrule import DAILY, MONTHLY, WEEKLY, rrule, weekday

MAX_OCCURRENCES = 366
MAX_YEARS = 10

_FREQUENCIES: dict[str, Literal[1, 2, 3]] = {"DAILY": DAILY, "WEEKLY": WEEKLY, "MONTHLY": MONTHLY}
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BYDAY = re.compile(r"(?:([+-]?[1-5]))?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
# not `right/…` (its clocks count leap seconds), nor files that are no zones
_ZONE = re.compile(
    r"(?!posix|right|localtime|Factory)[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)*", re.ASCII
)
_INTERVAL = re.compile(r"[0-9]{1,3}", re.ASCII)


class InvalidSeries(ValueError):
    """A series that cannot be expanded. `field` is the schedule field at fault."""

    def __init__(self, field: str, sentence: str) -> None:
        self.field = field
        self.sentence = sentence
        super().__init__(sentence)


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """A day of the week, Monday is 0; `nth` of the month where it is not 0."""

    nth: int
    weekday: int

    def __str__(self) -> str:
        return f"{self.nth or ''}{_DAYS[self.weekday]}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence rule; `str()` is its one written form."""

    frequency: str
    interval: int
    days: tuple[Day, ...]

    def __str__(self) -> str:
        interval = f";INTERVAL={self.interval}" if self.interval != 1 else ""
        days = f";BYDAY={','.join(map(str, self.days))}" if self.days else ""
        return f"FREQ={self.frequency}{interval}{days}"


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One session. `date` names it within its series; start and end are aware.

    `shifted` is true when the clocks skip the wall time of its start or end.
    """

    date: str
    start: datetime
    end: datetime
    shifted: bool = False


def parse_rule(text: str) -> Rule:
    """Read a recurrence rule. Raises InvalidSeries, naming what is not in the subset."""
    pairs: dict[str, str] = {}
    for piece in re.sub(r"\s", "", text).upper().removeprefix("RRULE:").split(";"):
        name, _, value = piece.partition("=")
        if name in pairs or not value:
            raise InvalidSeries("rrule", "The rule is not a list of NAME=value, each name once.")
        pairs[name] = value
    if {"UNTIL", "COUNT"} & pairs.keys():
        raise InvalidSeries("rrule", "The end is written in `until` or `count`, not in the rule.")
    if not pairs.keys() <= {"FREQ", "INTERVAL", "BYDAY"}:
        raise InvalidSeries("rrule", "Only FREQ, INTERVAL and BYDAY are read.")
    frequency = pairs.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise InvalidSeries("rrule", "FREQ is none of DAILY, WEEKLY, MONTHLY.")
    interval = pairs.get("INTERVAL", "1")
    if not _INTERVAL.fullmatch(interval) or int(interval) == 0:
        raise InvalidSeries("rrule", "INTERVAL is not a whole number from 1 to 999.")
    days = {_parse_day(day, frequency) for day in pairs.get("BYDAY", "").split(",") if day}
    return Rule(frequency, int(interval), tuple(sorted(days)))


def _parse_day(text: str, frequency: str) -> Day:
    match = _BYDAY.fullmatch(text)
    if match is None:
        raise InvalidSeries("rrule", "BYDAY is not a list of MO, TU, WE, TH, FR, SA, SU.")
    if match[1] and frequency != "MONTHLY":
        raise InvalidSeries("rrule", "A numbered day (2TU) is only read with FREQ=MONTHLY.")
    return Day(int(match[1] or 0), _DAYS.index(match[2]))


@lru_cache(maxsize=256)
def zone(name: str) -> ZoneInfo:
    """The time zone of that name. Raises InvalidSeries if the IANA database has none."""
    try:
        if _ZONE.fullmatch(name):
            return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        pass  # said below: no such zone
    raise InvalidSeries("tz", "The time zone is not in the IANA database.")


def is_zone(name: str) -> bool:
    """True when the IANA database has a zone of that name."""
    try:
        zone(name)
    except InvalidSeries:
        return False
    return True


def to_instant(wall: datetime, tz: str) -> datetime:
    """The aware datetime of a wall time in a zone, moved on where the clocks skip it.

    Raises InvalidSeries where no FHIR instant can say it: the year would leave 1 to 9999, or the
    zone's offset of that time has seconds (local mean time) or is past 14 hours.
    """
    try:
        aware = wall.replace(tzinfo=zone(tz), fold=0)
        moved = aware.astimezone(UTC).astimezone(zone(tz))
    except OverflowError as exc:
        raise InvalidSeries("from", "The time is not within the years 1 to 9999.") from exc
    offset = moved.utcoffset() or timedelta(0)
    if offset % timedelta(minutes=1) or abs(offset) > timedelta(hours=14):
        raise InvalidSeries("from", "The zone's offset at that time is not one FHIR can write.")
    return moved


def wall_length(start: str, end: str) -> timedelta:
    """The wall time from start to end (HH:MM); an end that is not later is on the next day."""
    length = _since_midnight(end) - _since_midnight(start)
    return length if length > timedelta(0) else length + timedelta(days=1)


def _since_midnight(clock: str) -> timedelta:
    at = time.fromisoformat(clock)
    return timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)


def dates(schedule: Mapping[str, Any]) -> list[date]:
    """The days of a series, in order: its rule and `rDates`, less `exDates`.

    Raises InvalidSeries when the series has no end or two, none or more than 366 days, or takes
    more than ten years.
    """
    if ("until" in schedule) == ("count" in schedule):
        raise InvalidSeries("until", "A series ends by `until` or by `count`: exactly one of them.")
    first = date.fromisoformat(schedule["from"])
    days = set(_ruled(parse_rule(schedule["rrule"]), first, schedule))
    days |= {date.fromisoformat(day) for day in schedule.get("rDates", ())}
    days -= {date.fromisoformat(day) for day in schedule.get("exDates", ())}
    if not days:
        raise InvalidSeries("rrule", "The series has no occurrence.")
    if len(days) > MAX_OCCURRENCES:
        raise InvalidSeries("rrule", f"The series has more than {MAX_OCCURRENCES} occurrences.")
    return sorted(days)


def _ruled(rule: Rule, first: date, schedule: Mapping[str, Any]) -> list[date]:
    horizon = min(first.toordinal() + MAX_YEARS * 366, date.max.toordinal())
    last = date.fromordinal(horizon)
    if "until" in schedule:
        until = date.fromisoformat(schedule["until"])
        if until > last:
            raise InvalidSeries("until", f"The series takes more than {MAX_YEARS} years.")
        last = until
    count = min(schedule.get("count", MAX_OCCURRENCES + 1), MAX_OCCURRENCES + 1)
    # dateutil tests `until` only when it yields, so a daily rule whose days never come would run
    # to the year 9999: those days are picked here.
    daily = rule.frequency == "DAILY"
    picked = {day.weekday for day in rule.days} if daily else set()
    moments = rrule(
        _FREQUENCIES[rule.frequency],
        dtstart=datetime.combine(first, time()),
        interval=rule.interval,
        wkst=0,
        until=datetime.combine(last, time()),
        byweekday=[weekday(day.weekday, day.nth or None) for day in rule.days if not daily] or None,
    )
    days = (moment.date() for moment in moments)
    found = list(islice((day for day in days if not picked or day.weekday() in picked), count))
    if "count" in schedule and len(found) < count <= MAX_OCCURRENCES:
        raise InvalidSeries("count", f"The series takes more than {MAX_YEARS} years.")
    return found


def occurrences(schedule: Mapping[str, Any]) -> list[Occurrence]:
    """The sessions of one `schedule[]` entry, in order.

    Needs `rrule`, `from`, `until` or `count`, `startLocal`, `endLocal`, `tz`; reads `exDates` and
    `rDates`. Raises InvalidSeries.
    """
    tz, clock = schedule["tz"], time.fromisoformat(schedule["startLocal"])
    length = wall_length(schedule["startLocal"], schedule["endLocal"])
    return [_occurrence(day, datetime.combine(day, clock), length, tz) for day in dates(schedule)]


def _occurrence(day: date, wall: datetime, length: timedelta, tz: str) -> Occurrence:
    start = to_instant(wall, tz)
    try:
        wall_end = wall + length
    except OverflowError as exc:
        raise InvalidSeries("from", "The time is not within the years 1 to 9999.") from exc
    end = to_instant(wall_end, tz)
    shifted = _wall(start) != wall or _wall(end) != wall_end
    # where the gap moves the start past the end, the session keeps its length
    if end.astimezone(UTC) <= start.astimezone(UTC):
        end = (start.astimezone(UTC) + length).astimezone(start.tzinfo)
    return Occurrence(day.isoformat(), start, end, shifted)


def _wall(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)
