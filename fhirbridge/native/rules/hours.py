"""Planned hours against level of care, schedule and billing code.

Source: domain.md section 4.1; the HCPCS descriptor of H0015 (3 hours a day, 3 days a week).
"""

from collections.abc import Sequence

from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.rules.envelope import age_on
from fhirbridge.native.rules.findings import Findings, entries, member
from fhirbridge.native.rules.series import Series, hours_by_day

IOP = "2.1"
IOP_HOURS = (9, 20)
MINOR_IOP_HOURS = 6
TOLERANCE_HOURS = 0.5
_DAYS = (3, 5)
_HOURS_PER_DAY = (3, 5)
_DAY_HOURS_H0015 = 3
_WEEK_DAYS_H0015 = 3


def check(document: JsonObject, series: Sequence[Series], findings: Findings) -> None:
    """Compare planned hours with the level, with the schedule, and with H0015."""
    planned = document.get("weeklyHoursPlanned")
    by_day = hours_by_day(series)
    level = member(document, "levelOfCare").get("code")
    if planned is not None and level == IOP:
        _check_level(float(planned), _is_minor(document), findings)
    scheduled = sum(by_day.values())
    is_whole = len(series) == len(document.get("schedule") or ())
    if (
        planned is not None
        and by_day
        and is_whole
        and abs(float(planned) - scheduled) > TOLERANCE_HOURS
    ):
        findings.warn(
            ("weeklyHoursPlanned",),
            "The schedule of a usual week does not add up to the planned hours.",
            "weekly-hours-schedule",
        )
    if level == IOP:
        _check_days(document, findings)
    _check_h0015(document, list(by_day.values()), findings)


def _is_minor(document: JsonObject) -> bool:
    birth_date = member(document, "patient").get("birthDate")
    admitted = document.get("admitDate")
    return bool(birth_date and admitted and age_on(birth_date, admitted) < 18)


def _check_level(planned: float, is_minor: bool, findings: Findings) -> None:
    path = ("weeklyHoursPlanned",)
    lowest = MINOR_IOP_HOURS if is_minor else IOP_HOURS[0]
    if planned < lowest:
        findings.warn(
            path,
            f"Level {IOP} has {lowest} hours a week or more; fewer suggest level 1 or 1.5.",
            "weekly-hours-low",
        )
    elif planned > IOP_HOURS[1]:
        findings.warn(
            path,
            f"Level {IOP} has fewer than {IOP_HOURS[1]} hours a week; more suggest level 2.5.",
            "weekly-hours-high",
        )
    elif planned == IOP_HOURS[1]:
        findings.inform(
            path, f"{IOP_HOURS[1]} hours a week are the border to level 2.5.", "weekly-hours-border"
        )


def _check_days(document: JsonObject, findings: Findings) -> None:
    for name, unit, (lowest, highest) in (
        ("daysPerWeek", "days a week", _DAYS),
        ("hoursPerDay", "hours a day", _HOURS_PER_DAY),
    ):
        value = document.get(name)
        if value is not None and not lowest <= value <= highest:
            findings.inform((name,), f"Usual are {lowest} to {highest} {unit}.", f"usual-{name}")


def _check_h0015(document: JsonObject, hours: Sequence[float], findings: Findings) -> None:
    if not hours:
        return
    long_days = sum(1 for of_day in hours if of_day >= _DAY_HOURS_H0015)
    for index, auth in entries(member(document, "benefitsVerification"), "auths"):
        if auth.get("code") == "H0015" and long_days < _WEEK_DAYS_H0015:
            findings.warn(
                ("benefitsVerification", "auths", index, "code"),
                f"H0015 needs {_DAY_HOURS_H0015} hours a day on {_WEEK_DAYS_H0015} days a week; "
                "the schedule has fewer.",
                "h0015",
            )
