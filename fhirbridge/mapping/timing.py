"""Codecs of times: parts of a series as `Timing.repeat` says them, local times as instants.

Source: R4 datatypes.html#Timing
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.codec import (
    Codec,
    CodecError,
    DecodeContext,
    EncodeContext,
    Maker,
    fixed,
    simple,
)
from fhirbridge.mapping.model import CodeTable
from fhirbridge.recurrence import is_zone, to_instant, zone

DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")

_TYPES = frozenset(["code", "decimal", "positiveInt", "integer", "unsignedInt", "time"])
_WEEKDAYS = {
    "MO": "mon",
    "TU": "tue",
    "WE": "wed",
    "TH": "thu",
    "FR": "fri",
    "SA": "sat",
    "SU": "sun",
}
_UNITS = {"DAILY": "d", "WEEKLY": "wk", "MONTHLY": "mo"}


def _rrule_parts(value: Json) -> dict[str, str]:
    return dict(part.split("=", 1) for part in value.split(";") if "=" in part)


def _weekdays(value: Json) -> Json:
    days = _rrule_parts(value).get("BYDAY", "")
    found = [_WEEKDAYS[day[-2:]] for day in days.split(",") if day[-2:] in _WEEKDAYS]
    return list(dict.fromkeys(found)) or None


def _frequency(value: Json) -> Json:
    return max(1, len(_weekdays(value) or ()))


def _minutes(value: Json) -> Json:
    """Minutes from startLocal to endLocal of a schedule; past midnight counts into the next day."""
    if not isinstance(value, dict) or "startLocal" not in value or "endLocal" not in value:
        return None
    start, end = (
        int(value[name][:2]) * 60 + int(value[name][3:5]) for name in ("startLocal", "endLocal")
    )
    return (end - start) % 1440 or 1440


def _local_instant(
    arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]
) -> Codec:
    """A local time in the zone named beside it <-> instant; with minutes, the end (write only)."""
    if len(arguments) not in (1, 2):
        raise ValueError("local-instant needs the field of the zone, and may name one of minutes")

    def encode(values: Json, _: EncodeContext) -> Json:
        if None in values:
            return None
        local, tz, *minutes = values
        start = to_instant(datetime.fromisoformat(local), tz)
        if minutes:
            start = (start.astimezone(UTC) + timedelta(minutes=minutes[0])).astimezone(start.tzinfo)
        return start.isoformat()

    def decode(values: Json, _: DecodeContext) -> Json:
        value, tz = values
        if not isinstance(value, str) or not DATETIME.fullmatch(value):
            raise CodecError("expected an instant with offset")
        if not isinstance(tz, str) or not is_zone(tz):
            raise CodecError("expected a time zone beside it")
        try:
            local = datetime.fromisoformat(value).astimezone(zone(tz)).replace(tzinfo=None, fold=0)
        except (ValueError, OverflowError) as exc:
            raise CodecError("expected a day that exists") from exc
        if local.microsecond:
            raise CodecError("expected a time in whole seconds")
        return local.isoformat(timespec="seconds" if local.second else "minutes")

    return Codec(
        "local-instant",
        encode,
        decode if len(arguments) == 1 else None,
        None,
        frozenset({"localdatetime"}),
        frozenset({"instant"}),
        beside=arguments,
    )


def _weekend(value: Json) -> Json:
    return ["sat", "sun"] if value == "weekend" else None


def _time_of_day(value: Json) -> Json:
    return [value if len(value) > 5 else value + ":00"]


def _part(name: str, encode: Callable[[Json], Json], *, many: bool = False) -> Maker:
    return fixed(lambda: simple(name, encode, None, types=_TYPES, many=many))


MAKERS: Mapping[str, Maker] = {
    "duration-minutes": _part("duration-minutes", _minutes),
    "frequency": _part("frequency", _frequency),
    "interval": _part("interval", lambda v: int(_rrule_parts(v).get("INTERVAL", "1"))),
    "local-instant": _local_instant,
    "period-unit": _part("period-unit", lambda v: _UNITS.get(_rrule_parts(v).get("FREQ", ""))),
    "time-of-day": _part("time-of-day", _time_of_day, many=True),
    "weekend": _part("weekend", _weekend, many=True),
    "weekdays": _part("weekdays", _weekdays, many=True),
}
