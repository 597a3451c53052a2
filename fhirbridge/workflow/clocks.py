"""When to remind and to escalate: clocks as data, counted in a partner's zone and business hours.

Pure but for reading the data file. Source: design.md section 10
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import yaml

from fhirbridge.errors import Issue, Misconfigured
from fhirbridge.workflow.words import ReferralState

Step = Literal["remind", "escalate"]
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FURTHEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Days (0 is Monday) and hours on which somebody is there."""

    days: frozenset[int]
    opens: time
    closes: time
    holidays: frozenset[date] = frozenset()

    def is_open_on(self, day: date) -> bool:
        """True for a business day."""
        return day.weekday() in self.days and day not in self.holidays


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock: it rings so many business hours after one of these states began, or after the
    visit that is booked; for what is urgent so many hours of any kind."""

    name: str
    states: frozenset[ReferralState]
    business_hours: float
    urgent_hours: float
    step: Step
    why: str
    after_visit: bool = False


@dataclass(frozen=True, slots=True)
class Clocks:
    """All clocks, the usual calendar, and when missed sessions count."""

    edition: str
    calendar: Calendar
    clocks: tuple[Clock, ...]
    missed_in_a_row: int


@dataclass(frozen=True, slots=True)
class Ringing:
    """A clock and when it rings."""

    clock: Clock
    at: datetime


@cache
def load_clocks(path: Path | None = None) -> Clocks:
    """Our clocks, or a site's own. Raises Misconfigured for a file that cannot be read as such."""
    try:
        text = (
            path.read_text(encoding="utf-8")
            if path
            else resources.files(__package__).joinpath("clocks.yaml").read_text(encoding="utf-8")
        )
        return _read(yaml.safe_load(text))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as exc:
        words = f"{path or 'clocks.yaml'} cannot be read as clocks: {type(exc).__name__} {exc}."
        raise Misconfigured(Issue("exception", words)) from exc


def _read(data: Mapping[str, Any]) -> Clocks:
    return Clocks(
        str(data["edition"]),
        calendar_of(data["calendar"]),
        tuple(
            Clock(
                str(one["name"]),
                frozenset(ReferralState(state) for state in one["states"]),
                float(one["business-hours"]),
                float(one["urgent-hours"]),
                {"remind": "remind", "escalate": "escalate"}[one["step"]],  # type: ignore[arg-type]
                str(one["why"]),
                {"state": False, "visit": True}[one.get("after", "state")],
            )
            for one in data["clocks"]
        ),
        int(data["engagement"]["missed-in-a-row"]),
    )


def calendar_of(data: Mapping[str, Any], usual: Calendar | None = None) -> Calendar:
    """A calendar as it is written; what a partner leaves out is as usual. Raises ValueError."""
    if usual is not None and not data:
        return usual
    days = [str(day).lower() for day in data.get("days", _DAYS[:5])]
    return Calendar(
        frozenset(_DAYS.index(day) for day in days),
        time.fromisoformat(str(data.get("from", "08:00"))),
        time.fromisoformat(str(data.get("to", "17:00"))),
        frozenset(_date(one) for one in data.get("holidays", ()))
        | (usual.holidays if usual and "holidays" not in data else frozenset()),
    )


def _date(value: object) -> date:
    return value if isinstance(value, date) else date.fromisoformat(str(value))


def after_business_hours(
    since: datetime, hours: float, *, zone: ZoneInfo, calendar: Calendar
) -> datetime:
    """The instant so many business hours after another, in the zone where they are counted."""
    left = timedelta(hours=hours)
    moment = since.astimezone(zone)
    while moment - since.astimezone(zone) < _FURTHEST:
        opens = datetime.combine(moment.date(), calendar.opens, zone)
        closes = datetime.combine(moment.date(), calendar.closes, zone)
        if calendar.is_open_on(moment.date()) and moment < closes:
            begin = max(moment, opens)
            # wall clock differences inside one day; a change of the clock at night does not matter
            if begin + left <= closes:
                return begin + left
            left -= closes - begin
        moment = datetime.combine(moment.date() + timedelta(days=1), time(0), zone)
    return since + _FURTHEST


def ringing(
    clocks: Clocks,
    state: ReferralState,
    since: datetime,
    *,
    zone: ZoneInfo,
    calendar: Calendar,
    urgent: bool = False,
    sla_hours: float | None = None,
    visit_at: datetime | None = None,
) -> Sequence[Ringing]:
    """The clocks of a state in the order in which they ring.

    `sla_hours`, where the referral states them, are its own time for an answer; `visit_at` is when
    the visit that is booked begins.
    """
    found, began = [], since
    for clock in clocks.clocks:
        if state not in clock.states:
            continue
        since = max(visit_at, began) if clock.after_visit and visit_at else began
        if sla_hours is not None and clock.name == "not-answered":
            at = since + timedelta(hours=min(sla_hours, _FURTHEST.days * 24))
        elif urgent:
            at = since + timedelta(hours=clock.urgent_hours)
        else:
            at = after_business_hours(since, clock.business_hours, zone=zone, calendar=calendar)
        found.append(Ringing(clock, at))
    return sorted(found, key=lambda one: one.at)
