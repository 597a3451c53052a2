"""The named two-way expanders: one native entry <-> several resources.

`items` gives the occurrences of an entry, each a native object that the rules of the expanded
resource read; `collapse` takes what was decoded from the resources back into the entry's
exceptions, and says what does not fit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import JsonObject
from fhirbridge.recurrence import occurrences as recurrence_of

Trail = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Collapsed:
    """Native list name -> entries recovered from the resources of one anchor, and issues."""

    lists: Mapping[str, list[JsonObject]]
    issues: tuple[Issue, ...]


@dataclass(frozen=True, slots=True)
class Expander:
    """One expander. `lists` names the native lists it also covers, with the fields it fills."""

    items: Callable[[JsonObject, JsonObject], list[JsonObject]]
    collapse: Callable[[JsonObject, Sequence[JsonObject]], Collapsed]
    trail: Callable[[Trail], Trail]
    covers: tuple[str, ...]


def _session_items(schedule: JsonObject, document: JsonObject) -> list[JsonObject]:
    sessions = {
        session.get("occurrenceDate"): session
        for session in document.get("sessions", ())
        if session.get("scheduleId") == schedule.get("id")
    }
    items: list[JsonObject] = []
    for occurrence in recurrence_of(schedule):
        item: JsonObject = {
            "date": occurrence.date,
            "start": occurrence.start.isoformat(),
            "end": occurrence.end.isoformat(),
            "schedule": schedule,
        }
        session = sessions.get(occurrence.date)
        if session is not None:
            item["session"] = session
        items.append(item)
    return items


def _session_collapse(schedule: JsonObject, found: Sequence[JsonObject]) -> Collapsed:
    expected = {occurrence.date: occurrence for occurrence in recurrence_of(schedule)}
    sessions: list[JsonObject] = []
    issues: list[Issue] = []
    seen: set[str] = set()
    for item in found:
        date = item.get("date")
        if not isinstance(date, str) or date not in expected or date in seen:
            issues.append(_odd("An appointment is not an occurrence of its series."))
            continue
        seen.add(date)
        occurrence = expected[date]
        for name, planned in (("start", occurrence.start), ("end", occurrence.end)):
            if item.get(name) not in (None, planned.isoformat()):
                issues.append(_odd(f"The {name} of an appointment differs from its series."))
        if item.get("session"):
            sessions.append(
                {"scheduleId": schedule.get("id"), "occurrenceDate": date, **item["session"]}
            )
    missing = len(expected) - len(seen)
    if missing:
        text = f"{missing} occurrences of a series have no appointment here."
        issues.append(Issue("incomplete", text, "information", ("Appointment",)))
    return Collapsed({"sessions": sessions}, tuple(issues))


# Sessions that took place: domain.md 4.5 (a no-show has no Encounter).
_VISITED = frozenset(
    ["arrived", "checked-in", "in-progress", "attended", "attended-late", "left-early"]
)


def _visit_items(schedule: JsonObject, document: JsonObject) -> list[JsonObject]:
    return [
        {**item, "occurrence": f"{schedule.get('id')}/{item['date']}"}
        for item in _session_items(schedule, document)
        if _was_visited(item.get("session", {}))
    ]


def _was_visited(session: JsonObject) -> bool:
    return session.get("status") in _VISITED or "actualStart" in session or "actualEnd" in session


def _visit_collapse(schedule: JsonObject, found: Sequence[JsonObject]) -> Collapsed:
    expected = {occurrence.date for occurrence in recurrence_of(schedule)}
    known = [item for item in found if item.get("date") in expected]
    sessions = [
        {"scheduleId": schedule.get("id"), "occurrenceDate": item["date"], **item["session"]}
        for item in known
        if item.get("session")
    ]
    odd = [_odd("A visit is not an occurrence of its series.", "Encounter")]
    return Collapsed({"sessions": sessions}, tuple(odd * (len(found) - len(known))))


def _odd(text: str, resource_type: str = "Appointment") -> Issue:
    return Issue("business-rule", text, "warning", (resource_type,))


def _session_trail(steps: Trail) -> Trail:
    if steps[:1] == ("session",):
        return ("sessions", "[]", *steps[1:])
    if steps[:1] == ("schedule",):
        return ("schedule", "[]", *steps[1:])
    return ("schedule", "[]", *(f"({step})" for step in steps))


EXPANDERS: Mapping[str, Expander] = {
    "occurrences": Expander(
        items=_session_items,
        collapse=_session_collapse,
        trail=_session_trail,
        covers=("sessions[].scheduleId", "sessions[].occurrenceDate"),
    ),
    "visits": Expander(
        items=_visit_items,
        collapse=_visit_collapse,
        trail=_session_trail,
        covers=(),
    ),
}
