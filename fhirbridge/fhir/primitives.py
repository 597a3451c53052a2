"""The primitive types of R4: which JSON values they take, and what a partial date means.

Dates are checked against the calendar, numbers against their range. Texts may hold any digits of
precision; nothing here changes them.
Source: R4 datatypes.html#primitive
"""

import binascii
import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal

from fhirbridge.jsontypes import Json, JsonObject

_YEAR = "(?P<year>(?!0000)[0-9]{4})"
_MONTH = "(?P<month>0[1-9]|1[0-2])"
_DAY = "(?P<day>0[1-9]|[12][0-9]|3[01])"
_CLOCK = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_FRACTION = r"(?:\.(?P<fraction>[0-9]+))?"
_OFFSET = "(?P<offset>Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)"

_DATE = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?")
_DATE_TIME = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_CLOCK}{_FRACTION}{_OFFSET})?)?)?")
_INSTANT = re.compile(f"{_YEAR}-{_MONTH}-{_DAY}T{_CLOCK}{_FRACTION}{_OFFSET}")
_TIME = re.compile(_CLOCK + _FRACTION)
_SURE_DAY = "(?:0[1-9]|1[0-9]|2[0-8])"
_SURE_TIME = f"T{_CLOCK}{_FRACTION}{_OFFSET}"
_SURE_DATE = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_SURE_DAY})?)?")
_SURE_DATE_TIME = re.compile(f"{_YEAR}(?:-{_MONTH}(?:-{_SURE_DAY}(?:{_SURE_TIME})?)?)?")
_SURE_INSTANT = re.compile(f"{_YEAR}-{_MONTH}-{_SURE_DAY}{_SURE_TIME}")
_LOCAL = re.compile(
    f"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9])"
    rf"(?::(?P<second>[0-5][0-9]|60)(?:\.(?P<fraction>[0-9]+))?)?{_OFFSET}?)?)?)?"
)

MAX_TEXT = 1024 * 1024  # characters of a string
_STRING = re.compile(f"[^\x00-\x08\x0b\x0c\x0e-\x1f]{{1,{MAX_TEXT}}}")
_CODE = re.compile(r"[^ \t\r\n\f\v]+(?: [^ \t\r\n\f\v]+)*")
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_URI = re.compile(r"[^ \t\r\n\f\v]+")
_OID = re.compile(r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NO_WHITESPACE = {ord(character): None for character in " \t\r\n"}


@dataclass(frozen=True, slots=True)
class Primitive:
    """How one primitive type is checked, and the words that say what it expects.

    Every string that `pattern` matches is accepted. For dates it leaves out the last days of a
    month, which need the calendar.
    """

    accepts: Callable[[Json], bool]
    expected: str
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """The instants that a date of any precision covers: from `start` up to, not with, `end`."""

    start: datetime
    end: datetime

    def contains(self, other: "Bounds") -> bool:
        """True if all of the other one lies in this one."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: "Bounds") -> bool:
        """True if they have an instant in common."""
        return self.start < other.end and other.start < self.end


def is_id(text: str) -> bool:
    """True for a valid logical id of a resource."""
    return _ID.fullmatch(text) is not None


def is_date(value: Json) -> bool:
    """True for YYYY, YYYY-MM or YYYY-MM-DD that exists in the calendar."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _is_in_calendar(match)


def is_date_time(value: Json) -> bool:
    """True for a date, or a date with time, seconds and offset."""
    match = _DATE_TIME.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _is_in_calendar(match)


def is_instant(value: Json) -> bool:
    """True for a date with time, seconds and offset."""
    match = _INSTANT.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _is_in_calendar(match)


def is_time(value: Json) -> bool:
    """True for HH:MM:SS with any fraction."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _is_in_calendar(match: re.Match[str]) -> bool:
    day = match["day"]
    if day is None or day <= "28":
        return True
    return int(day) <= monthrange(int(match["year"]), int(match["month"]))[1]


def _is_base64(value: Json) -> bool:
    if not isinstance(value, str) or not value:
        return False
    try:
        binascii.a2b_base64(value.translate(_NO_WHITESPACE), strict_mode=True)
    except ValueError:
        return False
    return True


def _is_decimal(value: Json) -> bool:
    return isinstance(value, (int, Decimal, float)) and not isinstance(value, bool)


def _of(pattern: re.Pattern[str], expected: str) -> Primitive:
    match = pattern.fullmatch
    return Primitive(
        lambda value: isinstance(value, str) and match(value) is not None, expected, pattern
    )


def _integers(lowest: int) -> Callable[[Json], bool]:
    return lambda value: type(value) is int and lowest <= value <= 2**31 - 1


_TEXT = _of(_STRING, "a string that is not empty, without control characters, up to 1 MB")

PRIMITIVES: Mapping[str, Primitive] = {
    "base64Binary": Primitive(_is_base64, "base64 text"),
    "boolean": Primitive(lambda value: isinstance(value, bool), "true or false, without quotes"),
    "canonical": _of(_URI, "a URL without white space"),
    "code": _of(_CODE, "a code: text without white space other than single spaces"),
    "date": Primitive(is_date, "a date that exists, as YYYY, YYYY-MM or YYYY-MM-DD", _SURE_DATE),
    "dateTime": Primitive(
        is_date_time,
        "a date that exists, as YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with an offset",
        _SURE_DATE_TIME,
    ),
    "decimal": Primitive(_is_decimal, "a JSON number, without quotes"),
    "id": _of(_ID, "1 to 64 letters, digits, hyphens or points"),
    "instant": Primitive(
        is_instant, "a time that exists, as YYYY-MM-DDThh:mm:ss with an offset", _SURE_INSTANT
    ),
    "integer": Primitive(_integers(-(2**31)), "a whole JSON number of 32 bits"),
    "markdown": _TEXT,
    "oid": _of(_OID, "an OID that begins with urn:oid:"),
    "positiveInt": Primitive(_integers(1), "a whole JSON number from 1 to 2147483647"),
    "string": _TEXT,
    "time": Primitive(is_time, "a time as hh:mm:ss", _TIME),
    "unsignedInt": Primitive(_integers(0), "a whole JSON number from 0 to 2147483647"),
    "uri": _of(_URI, "a URI without white space"),
    "url": _of(_URI, "a URL without white space"),
    "uuid": _of(_UUID, "a UUID in lower case that begins with urn:uuid:"),
}


def bounds(text: str, zone: tzinfo) -> Bounds:
    """The instants that a date, dateTime or instant covers, in UTC.

    `"2024-05"` covers the whole month, a second without fraction the whole second. What has no
    offset is read in `zone`. The time may lack seconds, as in a search value.
    Raises ValueError if the text is not such a date.

    Source: R4 search.html#date
    """
    match = _LOCAL.fullmatch(text)
    if match is None or not _is_in_calendar(match):
        raise ValueError("not a date of the form that FHIR writes")
    year, month, day = (int(match[name] or 1) for name in ("year", "month", "day"))
    hour, minute = (int(match[name] or 0) for name in ("hour", "minute"))
    # A leap second has no place in Python's time; it is read as the last second before it.
    second = min(int(match["second"] or 0), 59)
    microsecond = int((match["fraction"] or "0")[:6].ljust(6, "0"))
    start = datetime(year, month, day, hour, minute, second, microsecond)
    end = _end(match, start)
    written = _offset(match["offset"]) or zone
    return Bounds(_in_utc(start, written), _in_utc(end, written))


def period_bounds(period: JsonObject, zone: tzinfo) -> Bounds:
    """The instants that a Period covers; a missing side is open to the end of time.

    Raises ValueError if a side is not a date.
    """
    start, end = period.get("start"), period.get("end")
    return Bounds(
        bounds(start, zone).start if start else datetime.min.replace(tzinfo=UTC),
        bounds(end, zone).end if end else datetime.max.replace(tzinfo=UTC),
    )


def _end(match: re.Match[str], start: datetime) -> datetime:
    try:
        if match["month"] is None:
            return start.replace(year=start.year + 1)
        if match["day"] is None:
            return start + timedelta(days=monthrange(start.year, start.month)[1])
        if match["hour"] is None:
            return start + timedelta(days=1)
        if match["second"] is None:
            return start + timedelta(minutes=1)
        places = min(len(match["fraction"] or ""), 6)
        return start + timedelta(microseconds=10 ** (6 - places))
    except (ValueError, OverflowError):
        return datetime.max


def _offset(text: str | None) -> tzinfo | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    shift = timedelta(hours=int(text[1:3]), minutes=int(text[4:]))
    return timezone(-shift if text[0] == "-" else shift)


def _in_utc(local: datetime, zone: tzinfo) -> datetime:
    try:
        return local.replace(tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return (datetime.min if local.year == 1 else datetime.max).replace(tzinfo=UTC)
