"""Rules of a single appointment: what R4 needs to hold it, and the clocks.

Source: R4 appointment.html (app-2, app-3; start is an instant), domain.md section 4.5.
"""

from datetime import datetime, timedelta

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path
from fhirbridge.native.rules.findings import Findings
from fhirbridge.recurrence import InvalidSeries, to_instant

# native states whose Appointment.status is proposed, waitlist or cancelled
UNTIMED = (
    "planned",
    "waitlist",
    "absent-excused",
    "cancelled-patient",
    "cancelled-program",
    "holiday",
    "rescheduled",
)
CANCELLED = ("cancelled-patient", "cancelled-program", "rescheduled", "entered-in-error")


def check(appointment: JsonObject, path: Path, findings: Findings, *, minutes: str) -> None:
    """Check one appointment; `minutes` is the name of its duration field."""
    start = appointment.get("startLocal")
    if start is None:
        if appointment.get("status", "planned") not in UNTIMED:
            findings.error(
                (*path, "startLocal"),
                "An appointment in this status needs a start.",
                "appointment-start",
                code="required",
            )
        return
    for name in ("tz", minutes):
        if name not in appointment:
            findings.error(
                (*path, name),
                f"An appointment with a start needs `{name}`.",
                f"appointment-{name}",
                code="required",
            )
    if "tz" in appointment:
        _check_clock(start, appointment, path, findings, minutes=minutes)
    if "telehealth" in appointment and "address" in appointment:
        findings.warn(
            (*path, "telehealth"),
            "An appointment has both an address and telehealth.",
            "appointment-place",
        )


def _check_clock(
    start: str, appointment: JsonObject, path: Path, findings: Findings, *, minutes: str
) -> None:
    wall = datetime.fromisoformat(start)
    try:
        begins = to_instant(wall, appointment["tz"])
        to_instant(wall + timedelta(minutes=appointment.get(minutes, 0)), appointment["tz"])
    except (InvalidSeries, OverflowError):
        findings.error(
            (*path, "startLocal"),
            "The time in this zone is not one that a FHIR instant can write.",
            "instant",
            code="value",
        )
        return
    if begins.replace(tzinfo=None) != wall:
        findings.warn(
            (*path, "startLocal"),
            "The clocks skip this time; the appointment moves on by the gap.",
            "clock-change",
        )


def normal_start(start: str, tz: str) -> str:
    """A local start moved on where the clocks skip it, in its one written form."""
    moved = to_instant(datetime.fromisoformat(start), tz).replace(tzinfo=None, fold=0)
    text = moved.isoformat(timespec="seconds")
    return text.removesuffix(":00") if text.endswith(":00") else text
