"""Visits as they are read from Appointments, whatever a partner writes."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fhirbridge.jsontypes import Resource
from fhirbridge.workflow.clocks import load_clocks, ringing
from fhirbridge.workflow.visits import missed_in_a_row, next_visit, visit_of
from fhirbridge.workflow.words import ReferralState


def test_a_visit_may_begin_in_a_leap_second() -> None:
    """Or whoever reads the feed of versions would stop at it for ever."""
    booked: Resource = {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2016-12-31T23:59:60Z",
    }
    details = {"visits": {"Appointment/a": visit_of(booked, "Appointment/a").to_json()}}
    missed = visit_of({**booked, "status": "noshow"}, "Appointment/b")

    assert next_visit(details) == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert missed_in_a_row([missed], before=datetime(2017, 1, 2, tzinfo=UTC)) == 1


def test_a_visit_at_the_end_of_time_is_waited_for() -> None:
    """Some write it where no time is known yet."""
    start = "9999-12-31T23:59:59-12:00"
    booked: Resource = {"resourceType": "Appointment", "status": "booked", "start": start}
    details = {"visits": {"Appointment/a": visit_of(booked, "Appointment/a").to_json()}}
    clocks = load_clocks()

    rings = ringing(
        clocks,
        ReferralState.SCHEDULED,
        datetime(2026, 3, 2, 15, tzinfo=UTC),
        zone=ZoneInfo("America/Denver"),
        calendar=clocks.calendar,
        visit_at=next_visit(details),
    )

    assert rings
