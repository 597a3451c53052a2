"""Rules of schedules and their sessions.

Source: domain.md sections 4.1 and 4.5.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from itertools import pairwise

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.dates import to_datetime
from fhirbridge.native.rules.findings import Findings, entries
from fhirbridge.recurrence import InvalidSeries, Occurrence, occurrences, wall_length

LATE_MINUTES = 15
MAX_SESSIONS = 5_000  # each becomes an Appointment
_NEEDED = ("rrule", "from", "startLocal", "endLocal", "tz")


@dataclass(frozen=True, slots=True)
class Series:
    """A schedule that could be expanded, with its place in the document."""

    index: int
    schedule: JsonObject
    occurrences: tuple[Occurrence, ...]

    @property
    def hours(self) -> float:
        """The wall time of one session in hours."""
        length = wall_length(self.schedule["startLocal"], self.schedule["endLocal"])
        return length / timedelta(hours=1)


def expand(document: JsonObject, findings: Findings) -> list[Series]:
    """Expand every schedule that can be, and report the others."""
    series: list[Series] = []
    total = 0
    for index, schedule in entries(document, "schedule"):
        path: Path = ("schedule", index)
        if "until" in schedule and "from" in schedule and schedule["until"] < schedule["from"]:
            findings.error((*path, "until"), "`until` lies before `from`.", "date-order")
            continue
        if not all(name in schedule for name in _NEEDED):
            continue
        if schedule["startLocal"] == schedule["endLocal"]:
            findings.error(
                (*path, "endLocal"), "The session ends when it starts.", "session-length"
            )
            continue
        try:
            days = tuple(occurrences(_readable(schedule)))
        except InvalidSeries as exc:
            findings.error((*path, exc.field), exc.sentence, "series")
            continue
        total += len(days)
        if total > MAX_SESSIONS:
            findings.error(
                ("schedule",),
                f"The document has more than {MAX_SESSIONS} sessions.",
                "session-count",
                code="too-costly",
            )
            break
        series.append(Series(index, schedule, days))
        _check_days(schedule, path, days, findings)
    return series


def _readable(schedule: JsonObject) -> JsonObject:
    lists = {name: [day for day in schedule.get(name, ()) if day] for name in ("exDates", "rDates")}
    return {**schedule, **lists}


def _check_days(
    schedule: JsonObject, path: Path, days: Sequence[Occurrence], findings: Findings
) -> None:
    if any(day.shifted for day in days):
        findings.warn(
            (*path, "startLocal"),
            "The clocks skip this time on one of the days; that session moves on by the gap.",
            "clock-change",
        )
    if "telehealth" in schedule and "location" in schedule:
        findings.warn(
            (*path, "telehealth"), "A session has both a location and telehealth.", "session-place"
        )


def check_overlap(series: Sequence[Series], findings: Findings) -> None:
    """Doubt schedules of which two sessions are at the same time."""
    spans = sorted(
        (day.start.astimezone(UTC), day.end.astimezone(UTC), entry.index)
        for entry in series
        for day in entry.occurrences
    )
    reported: set[int] = set()
    for (_, end, first), (start, _, second) in pairwise(spans):
        later = max(first, second)
        if start < end and later not in reported:
            reported.add(later)
            findings.warn(
                ("schedule", later), "A session overlaps with another one.", "session-overlap"
            )


def check_sessions(document: JsonObject, series: Sequence[Series], findings: Findings) -> None:
    """Check what happened in single sessions against their series."""
    by_id = {entry.schedule.get("id"): entry for entry in series}
    days_by_id = {
        identifier: {day.date: day for day in entry.occurrences}
        for identifier, entry in by_id.items()
    }
    for index, session in entries(document, "sessions"):
        path: Path = ("sessions", index)
        days = days_by_id.get(session.get("scheduleId"))
        occurrence = days.get(session.get("occurrenceDate", "")) if days is not None else None
        if days is not None and "occurrenceDate" in session and occurrence is None:
            findings.error(
                (*path, "occurrenceDate"),
                "The series has no session on this day; add it to `rDates` first.",
                "off-series",
            )
        _check_times(session, path, occurrence, findings)
    _check_absences(document, findings)


def _check_times(
    session: JsonObject, path: Path, occurrence: Occurrence | None, findings: Findings
) -> None:
    start, end = session.get("actualStart"), session.get("actualEnd")
    if start and end and to_datetime(end) <= to_datetime(start):
        findings.error(
            (*path, "actualEnd"), "`actualEnd` does not lie after `actualStart`.", "date-order"
        )
    if not start or occurrence is None or session.get("attendance") == "late":
        return
    late = to_datetime(start) - occurrence.start
    if late > timedelta(minutes=LATE_MINUTES) and session.get("status") != "attended-late":
        findings.inform(
            (*path, "actualStart"),
            f"The session started more than {LATE_MINUTES} minutes late.",
            "late",
        )


def _check_absences(document: JsonObject, findings: Findings) -> None:
    sessions = sorted(
        (entry["occurrenceDate"], entry.get("status") == "absent-unexcused")
        for _, entry in entries(document, "sessions")
        if "occurrenceDate" in entry
    )
    missed = [date.fromisoformat(day) for day, absent in sessions if absent]
    in_a_row = any(a[1] and b[1] for a, b in pairwise(sessions))
    in_two_weeks = any(
        third - first <= timedelta(days=14)
        for first, third in zip(missed, missed[2:], strict=False)
    )
    if in_a_row or in_two_weeks:
        findings.inform(
            ("sessions",),
            "Two sessions in a row or three in 14 days were missed without excuse.",
            "engagement",
        )


def hours_by_day(series: Sequence[Series]) -> dict[date, float]:
    """Planned hours on each day of the most usual week (Monday to Sunday, wall time).

    Sessions that are not required do not count. Empty without sessions.
    """
    weeks: defaultdict[date, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for entry in series:
        if entry.schedule.get("required") is False:
            continue
        for occurrence in entry.occurrences:
            day = date.fromisoformat(occurrence.date)
            monday = day.toordinal() - day.weekday()
            weeks[date.fromordinal(max(monday, 1))][day] += entry.hours
    if not weeks:
        return {}
    totals = Counter(round(sum(week.values()), 2) for week in weeks.values())
    usual = max(totals, key=lambda total: (totals[total], total))
    return next(dict(w) for w in weeks.values() if round(sum(w.values()), 2) == usual)
