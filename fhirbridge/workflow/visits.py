"""Visits: what Appointments say about a referral, and when it counts as closed. Pure.

Source: domain.md 4.4 (Appointment column of vocabulary 3); design.md section 10
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.workflow.words import ReferralState, Word

_S = ReferralState

# R4 Appointment.status -> the state of the referral it is about; the others say nothing of it
STATES: Mapping[str, ReferralState] = {
    "booked": _S.SCHEDULED,
    "pending": _S.SCHEDULED,
    "noshow": _S.NO_SHOW,
    "cancelled": _S.APPT_CANCELLED,
    "arrived": _S.IN_SERVICE,
    "checked-in": _S.IN_SERVICE,
    "fulfilled": _S.IN_SERVICE,
    "waitlist": _S.WAITLISTED,
}
_LAST = datetime(9000, 1, 1, tzinfo=UTC)  # some write the end of time where none is known yet
ATTENDED = frozenset({"arrived", "checked-in", "fulfilled"})

NOT_SEEN = Word(
    "Reported done, no visit seen",
    "sender",
    "Ask whether the client came; enter the visit, or close it for a stated reason.",
)


NOT_ENTERED = Word(
    "Reported done, no visit seen",
    "receiver",
    "Enter the visit, or close it for a stated reason.",
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One Appointment as it was seen last. `start` is an instant, "" if it has none."""

    reference: str
    status: str
    start: str
    version: str = ""

    @property
    def is_attended(self) -> bool:
        """True if the client came."""
        return self.status in ATTENDED

    def to_json(self) -> JsonObject:
        """The visit as it is kept."""
        return {"status": self.status, "start": self.start, "version": self.version}


def visit_of(appointment: Resource, reference: str) -> Visit:
    """Read an Appointment."""
    return Visit(
        reference,
        str(appointment.get("status") or ""),
        # a leap second has no place in Python's time; ":60" can stand nowhere else in an instant
        str(appointment.get("start") or "").replace(":60", ":59"),
        str((appointment.get("meta") or {}).get("versionId") or ""),
    )


def visits_in(details: JsonObject) -> list[Visit]:
    """The visits that a handoff knows of, by start."""
    kept: Json = details.get("visits") or {}
    visits = [
        Visit(reference, one["status"], one["start"], one.get("version", ""))
        for reference, one in kept.items()
    ]
    return sorted(visits, key=lambda one: (one.start, one.reference))


def next_visit(details: JsonObject) -> datetime | None:
    """When the visit that is booked last begins; None if none is known."""
    booked = [one.start for one in visits_in(details) if STATES.get(one.status) is _S.SCHEDULED]
    starts = [datetime.fromisoformat(one) for one in booked if len(one) > len("2026-01-01")]
    return min(max(starts), _LAST) if starts else None


def first_attended(details: JsonObject) -> str:
    """When the first attended visit began, "" if none is known."""
    entered = str(details.get("visitEntered") or "")
    starts = [one.start for one in visits_in(details) if one.is_attended and one.start]
    return min([*starts, *([entered] if entered else [])], key=_at, default="")


def is_expected(details: JsonObject) -> bool:
    """False once somebody entered that the client came, unless a later visit is known."""
    entered = str(details.get("visitEntered") or "")
    if not entered:
        return True
    came = datetime.fromisoformat(entered)
    starts = [one.start for one in visits_in(details) if len(one.start) > len("2026-01-01")]
    return any(datetime.fromisoformat(start) > came for start in starts)


def is_closed(state: ReferralState, details: JsonObject) -> bool:
    """True if nothing is owed: done with a first attended visit or a stated reason, or ended."""
    if state is _S.COMPLETED:
        return bool(first_attended(details) or details.get("closedFor"))
    return state in (_S.CANCELLED, _S.ENTERED_IN_ERROR) or is_settled(details)


def is_settled(details: JsonObject) -> bool:
    """True if a person closed it for a reason, or sent it elsewhere after it was declined."""
    return bool(details.get("closedFor") or details.get("sentOnTo"))


def missed_in_a_row(visits: Iterable[Visit], *, before: datetime) -> int:
    """How many of the latest visits were missed one after the other."""
    count = 0
    dated = [one for one in visits if one.start]
    for one in sorted(dated, key=lambda one: _at(one.start), reverse=True):
        if _at(one.start) > before:
            continue
        if one.status == "noshow":
            count += 1
        elif one.is_attended:
            break
    return count


def days_between(last: str, first: str) -> int | None:
    """Days between two instants, as the calendar counts where the earlier one was; None if one is
    missing."""
    if not last or not first:
        return None
    began = _at(last)
    return (_at(first).astimezone(began.tzinfo).date() - began.date()).days


def _at(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
