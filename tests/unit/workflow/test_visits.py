"""Visits as they are read from Appointments, whatever a partner writes."""

from datetime import UTC, datetime

from fhirbridge.jsontypes import Resource
from fhirbridge.workflow.visits import missed_in_a_row, next_visit, visit_of


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
