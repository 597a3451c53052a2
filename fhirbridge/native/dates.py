"""Dates and times in native documents: their fields, and the one form they are written in.

Source: R4 datatypes.html (date, dateTime, time), RFC 3339.
"""

import re
from datetime import date, datetime, time
from typing import Any

from fhirbridge.native.fields import Value

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(\.\d{1,9})?"
    r"(Z|[+-](0\d|1[0-3]):[0-5]\d|[+-]14:00)",
    re.ASCII,
)
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?", re.ASCII)


def written_date(text: str) -> str | None:
    """The date if it is a day of the calendar, else None."""
    if not _DATE.fullmatch(text):
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        return None
    return text


def written_datetime(text: str) -> str | None:
    """The instant as it is written, if there is such an instant, else None."""
    if not _DATETIME.fullmatch(text):
        return None
    try:
        to_datetime(text).utctimetuple()
    except (ValueError, OverflowError):
        return None
    return text


def written_local(text: str) -> str | None:
    """Date and wall time without seconds that are zero, or None."""
    if not _LOCAL.fullmatch(text) or written_date(text[:10]) is None:
        return None
    clock = written_time(text[11:])
    return f"{text[:10]}T{clock}" if clock is not None else None


def written_time(text: str) -> str | None:
    """Wall time without seconds that are zero, or None."""
    if not _TIME.fullmatch(text):
        return None
    try:
        time.fromisoformat(text)
    except ValueError:
        return None
    return text[:5] if text[5:] == ":00" else text


def to_datetime(text: str) -> datetime:
    """The aware datetime of a `datetime` text; a leap second counts as second 59."""
    if text[17:19] == "60":
        text = f"{text[:17]}59{text[19:]}"
    return datetime.fromisoformat(text)


class _Moment(Value):
    """A date or time, written as text."""

    def written(self, text: str) -> str | None:
        """The one written form, or None."""
        raise NotImplementedError

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise self.wrong_kind(value)
        written = self.written(value.strip())
        if written is None:
            raise self.wrong_form()
        return written


class Date(_Moment):
    """A day of the calendar."""

    kind = "date"
    expected = "a date as YYYY-MM-DD"

    def written(self, text: str) -> str | None:
        return written_date(text)


class DateTime(_Moment):
    """An instant: date, time and offset."""

    kind = "datetime"
    expected = "a date and time as YYYY-MM-DDTHH:MM:SS with 'Z' or an offset"

    def written(self, text: str) -> str | None:
        return written_datetime(text)


class LocalDateTime(_Moment):
    """Date and wall time in the zone that is named beside it."""

    kind = "localdatetime"
    expected = "a local date and time as YYYY-MM-DDTHH:MM, without offset"

    def written(self, text: str) -> str | None:
        return written_local(text)


class Time(_Moment):
    """Wall time."""

    kind = "time"
    expected = "a local time as HH:MM"

    def written(self, text: str) -> str | None:
        return written_time(text)
