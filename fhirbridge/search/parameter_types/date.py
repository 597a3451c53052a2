"""Date parameters: everything is an interval of milliseconds, both ends inclusive.

Dates without a zone are read in the configured zone, in the index and in the query alike.
Source: R4 search.html#date, search.html#prefix
"""

import re
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import TypeAlias

from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import unescape
from fhirbridge.search.parameter_types.prefixes import Prefix, parse_prefix

# Open ends; far outside of the years 1 to 9999.
BEGINNING = -(10**15)
END = 10**15

_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@record()
class DateValue:
    """An interval in milliseconds since 1970 in UTC, both ends inclusive."""

    low: int
    high: int


@record()
class DateCriterion:
    """Matches intervals that stand in a relation to this one."""

    prefix: Prefix
    low: int
    high: int


@lru_cache(maxsize=4096)
def interval(text: str, zone: tzinfo) -> DateValue:
    """The interval that a FHIR date, dateTime or instant covers at its written precision.

    Minutes without seconds are allowed, as in search values. Raises ValueError for other texts.
    """
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        raise ValueError("expected YYYY, YYYY-MM, YYYY-MM-DD or a date with time")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if hour is None:
        first = datetime(int(year), int(month or 1), int(day or 1), tzinfo=zone)
        last_month = int(month or 12)
        last_day = int(day or monthrange(first.year, last_month)[1])
        low = _millis(first)
        high = _millis(datetime(first.year, last_month, last_day, 23, 59, 59, 999000, zone))
        return DateValue(low, high)
    # A leap second is the last one of its minute as far as search is concerned.
    seconds = min(int(second or 0), 59)
    moment = datetime(
        int(year), int(month), int(day), int(hour), int(minute), seconds, tzinfo=_zone(offset, zone)
    )
    low = _millis(moment)
    if second is None:
        return DateValue(low, low + 59_999)
    if fraction is None:
        return DateValue(low, low + 999)
    digits = fraction[1:4]
    low += int(digits.ljust(3, "0"))
    return DateValue(low, low + 10 ** (3 - len(digits)) - 1)


def _zone(offset: str | None, zone: tzinfo) -> tzinfo:
    if offset is None:
        return zone
    if offset == "Z":
        return UTC
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[4:6]))
    return timezone(-size if offset[0] == "-" else size)


def _millis(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND


Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[DateValue]]


def _point(node: Json, system: str, context: SearchContext) -> Iterator[DateValue]:
    try:
        yield interval(node, context.zone)
    except (ValueError, TypeError):
        return


def _period(node: Json, system: str, context: SearchContext) -> Iterator[DateValue]:
    start, end = node.get("start"), node.get("end")
    if not start and not end:
        return
    try:
        yield DateValue(
            interval(start, context.zone).low if start else BEGINNING,
            interval(end, context.zone).high if end else END,
        )
    except (ValueError, TypeError):
        return


def _timing(node: Json, system: str, context: SearchContext) -> Iterator[DateValue]:
    found = [value for event in node.get("event", ()) for value in _point(event, "", context)]
    found += _period(node.get("repeat", {}).get("boundsPeriod", {}), "", context)
    if found:
        yield DateValue(min(value.low for value in found), max(value.high for value in found))


READERS: Mapping[str, Reader] = {
    "date": _point,
    "dateTime": _point,
    "instant": _point,
    "Period": _period,
    "Timing": _timing,
}


def parse(text: str, context: SearchContext) -> DateCriterion:
    """Read a search value with its prefix; raises ValueError.

    `ap` widens the interval by a tenth of its distance from now.
    """
    prefix, rest = parse_prefix(unescape(text))
    # A plus sign that was not percent-encoded arrives as a blank.
    value = interval(re.sub(r" (?=\d\d:\d\d$)", "+", rest), context.zone)
    low, high = value.low, value.high
    if prefix is Prefix.AP:
        margin = abs(_millis(context.now) - low) // 10
        low, high = low - margin, high + margin
    return DateCriterion(prefix, low, high)
