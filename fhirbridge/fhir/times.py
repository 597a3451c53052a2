"""Dates, times, periods and schedules in the words of a reader.

`2026-04-14T09:20:00-05:00` -> `April 14, 2026, 9:20 AM (UTC-5)`; a Timing of two weekdays ->
`Tuesdays and Saturdays at 8:30 AM, for 60 minutes`. What has another form is given back as it is.
Source: R4 datatypes.html#dateTime, datatypes.html#Period, datatypes.html#Timing
"""

import re
from collections.abc import Mapping, Sequence

from fhirbridge.jsontypes import Json, JsonObject

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DATE = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>0[1-9]|1[0-2])(?:-(?P<day>[0-3][0-9])"
    r"(?:T(?P<time>[0-9]{2}:[0-9]{2})\S*?(?P<offset>Z|[+-][0-9]{2}:[0-9]{2})?)?)?)?"
)
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::\S*)?")
_DAYS: Mapping[str, str] = {
    "mon": "Monday",
    "tue": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}
_UNITS: Mapping[str, str] = {
    "s": "second",
    "min": "minute",
    "h": "hour",
    "d": "day",
    "wk": "week",
    "mo": "month",
    "a": "year",
}
# Source: R4 valueset-event-timing.html
_EVENTS: Mapping[str, str] = {
    "MORN": "in the morning",
    "MORN.early": "in the early morning",
    "MORN.late": "in the late morning",
    "NOON": "at noon",
    "AFT": "in the afternoon",
    "AFT.early": "in the early afternoon",
    "AFT.late": "in the late afternoon",
    "EVE": "in the evening",
    "EVE.early": "in the early evening",
    "EVE.late": "in the late evening",
    "NIGHT": "at night",
    "PHS": "after sleep",
    "HS": "before sleep",
    "WAKE": "on waking",
    "C": "at a meal",
    "CM": "at breakfast",
    "CD": "at lunch",
    "CV": "at dinner",
    "AC": "before a meal",
    "ACM": "before breakfast",
    "ACD": "before lunch",
    "ACV": "before dinner",
    "PC": "after a meal",
    "PCM": "after breakfast",
    "PCD": "after lunch",
    "PCV": "after dinner",
}


def date_text(value: Json) -> str:
    """A date, dateTime or instant of any precision, seconds left out."""
    match = _DATE.fullmatch(value)
    if match is None:
        return str(value)
    day, time = _day(match), match["time"]
    return f"{day}, {time_text(time)}{_zone(match)}" if time else day


def time_text(value: Json) -> str:
    """A time of day: `08:30:00` -> `8:30 AM`."""
    match = _TIME.fullmatch(value)
    if match is None:
        return str(value)
    hour = int(match[1])
    return f"{hour % 12 or 12}:{match[2]} {'AM' if hour < 12 else 'PM'}"


def period_text(period: Json) -> str:
    """From and to; on one day, with the date said once."""
    start, end = period.get("start"), period.get("end")
    if isinstance(start, str) and isinstance(end, str):
        return span_text(start, end)
    if isinstance(start, str):
        return f"from {date_text(start)}"
    return f"until {date_text(end)}" if isinstance(end, str) else ""


def span_text(start: str, end: str) -> str:
    """Two dates as one span: `April 14, 2026, 9:20 AM to 9:40 AM (UTC-5)`."""
    first, last = _DATE.fullmatch(start), _DATE.fullmatch(end)
    same_day = start[:10] == end[:10] and first and last and first["offset"] == last["offset"]
    if same_day and first and last and first["time"] and last["time"]:
        times = f"{time_text(first['time'])} to {time_text(last['time'])}"
        return f"{_day(first)}, {times}{_zone(first)}"
    return f"{date_text(start)} to {date_text(end)}"


def timing_text(timing: JsonObject) -> str:
    """A schedule: its events, its repetition, and how its code words it."""
    repeat = timing.get("repeat")
    parts = [date_text(event) for event in timing.get("event", ()) if isinstance(event, str)]
    if isinstance(repeat, dict):
        parts.append(_repeat_text(repeat))
    return ", ".join(part for part in parts if part)


def amount_text(number: Json, unit: str) -> str:
    """A number with its unit of time: `60 minutes`, `1 week`."""
    word = _UNITS.get(unit, unit)
    return f"{number} {word}" if str(number) == "1" or unit not in _UNITS else f"{number} {word}s"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _day(match: re.Match[str]) -> str:
    if not match["month"]:
        return match["year"]
    month = _MONTHS[int(match["month"]) - 1]
    return (
        f"{month} {int(match['day'])}, {match['year']}"
        if match["day"]
        else f"{month} {match['year']}"
    )


def _zone(match: re.Match[str]) -> str:
    offset = match["offset"]
    if offset is None:
        return ""
    if offset in ("Z", "+00:00", "-00:00"):
        return " (UTC)"
    hours, minutes = offset[1:].split(":")
    return f" (UTC{offset[0]}{int(hours)}{'' if minutes == '00' else ':' + minutes})"


def _repeat_text(repeat: JsonObject) -> str:
    parts = [_rhythm(repeat)]
    times = [time_text(time) for time in repeat.get("timeOfDay", ()) if isinstance(time, str)]
    if times:
        parts[0] = f"{parts[0]} at {listed(times)}".strip()
    events = [_EVENTS.get(event, str(event)) for event in repeat.get("when", ())]
    if events:
        parts[0] = f"{parts[0]} {listed(events)}".strip()
    if "duration" in repeat:
        high = f" to {repeat['durationMax']}" if "durationMax" in repeat else ""
        length = amount_text(f"{repeat['duration']}{high}", str(repeat.get("durationUnit", "")))
        parts.append(f"for {length}")
    if "count" in repeat:
        high = f" to {repeat['countMax']}" if "countMax" in repeat else ""
        parts.append(f"{repeat['count']}{high} times in all")
    bounds = repeat.get("boundsPeriod")
    if isinstance(bounds, dict):
        parts.append(period_text(bounds))
    for_so_long = repeat.get("boundsDuration")
    if isinstance(for_so_long, dict) and "value" in for_so_long:
        unit = str(for_so_long.get("code") or for_so_long.get("unit") or "")
        parts.append(f"over {amount_text(for_so_long['value'], unit)}")
    return ", ".join(part for part in parts if part)


def _rhythm(repeat: JsonObject) -> str:
    """How often: by weekdays where they are named, else so many times a period."""
    days = [_DAYS.get(day, str(day)) for day in repeat.get("dayOfWeek", ())]
    period, unit = str(repeat.get("period", "1")), str(repeat.get("periodUnit", ""))
    every = f"every {amount_text(period, unit)}" if period != "1" else ""
    if days:
        return f"{every} on {listed(days)}" if every else listed([f"{day}s" for day in days])
    if not unit:
        return ""
    frequency = str(repeat.get("frequency", "1"))
    high = f" to {repeat['frequencyMax']}" if "frequencyMax" in repeat else ""
    often = "once" if frequency == "1" and not high else f"{frequency}{high} times"
    if every:
        return every if often == "once" else f"{often} {every}"
    return f"{often} {'an' if unit == 'h' else 'a'} {_UNITS.get(unit, unit)}"
