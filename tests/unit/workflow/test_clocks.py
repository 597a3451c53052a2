"""Reminders and escalations: business hours in the partner's zone, each clock in its turn."""

from datetime import UTC, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhirbridge.errors import Misconfigured
from fhirbridge.workflow.clocks import (
    Calendar,
    after_business_hours,
    calendar_of,
    load_clocks,
    ringing,
)
from fhirbridge.workflow.visits import (
    Visit,
    days_between,
    first_attended,
    is_closed,
    missed_in_a_row,
)
from fhirbridge.workflow.words import ReferralState

DENVER = ZoneInfo("America/Denver")
OFFICE = Calendar(frozenset(range(5)), time(8), time(17))


def denver(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=DENVER)


@pytest.mark.parametrize(
    ("since", "hours", "at"),
    [
        ("2026-03-02T09:00", 4, "2026-03-02T13:00"),
        ("2026-03-02T15:00", 4, "2026-03-03T10:00"),
        ("2026-03-06T16:00", 2, "2026-03-09T09:00"),  # over a weekend and a change of the clock
        ("2026-03-07T12:00", 1, "2026-03-09T09:00"),
        ("2026-03-02T06:00", 1, "2026-03-02T09:00"),
    ],
    ids=["same day", "next day", "over a weekend", "from a Saturday", "before opening"],
)
def test_business_hours_are_counted_where_the_partner_works(
    since: str, hours: float, at: str
) -> None:
    found = after_business_hours(denver(since), hours, zone=DENVER, calendar=OFFICE)

    assert found == denver(at)


def test_a_holiday_does_not_count() -> None:
    calendar = calendar_of({"holidays": ["2026-03-03"]}, OFFICE)

    found = after_business_hours(denver("2026-03-02T16:00"), 2, zone=DENVER, calendar=calendar)

    assert found == denver("2026-03-04T09:00")


def test_clocks_ring_in_turn_and_urgent_ones_do_not_wait_for_office_hours() -> None:
    clocks = load_clocks()
    since = datetime(2026, 3, 7, 12, tzinfo=UTC)  # a Saturday

    routine = ringing(clocks, ReferralState.SENT, since, zone=DENVER, calendar=OFFICE)
    urgent = ringing(clocks, ReferralState.SENT, since, zone=DENVER, calendar=OFFICE, urgent=True)
    own = ringing(clocks, ReferralState.SENT, since, zone=DENVER, calendar=OFFICE, sla_hours=1)

    assert [one.clock.step for one in routine] == ["remind", "escalate"]
    assert (urgent[0].at - since).total_seconds() == 4 * 3600
    assert own[0].clock.name == "not-answered"


def test_every_clock_of_ours_is_for_a_state_that_somebody_owes() -> None:
    clocks = load_clocks()

    assert clocks.edition
    assert all(one.business_hours > 0 and one.why for one in clocks.clocks)


def test_a_file_that_holds_no_clocks_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clocks.yaml"
    path.write_text("clocks: [{name: x}]")

    with pytest.raises(Misconfigured):
        load_clocks(path)


def test_whatever_time_a_referral_grants_its_clock_can_be_set() -> None:
    since = datetime(2026, 3, 7, 12, tzinfo=UTC)

    rings = ringing(
        load_clocks(), ReferralState.SENT, since, zone=DENVER, calendar=OFFICE, sla_hours=10**15
    )

    assert rings[-1].at.year == 2027


def test_missed_sessions_count_until_one_that_was_attended() -> None:
    now = datetime(2026, 3, 9, tzinfo=UTC)
    sessions = [
        Visit("a", "fulfilled", "2026-03-02T15:00:00Z"),
        Visit("b", "noshow", "2026-03-04T15:00:00Z"),
        Visit("c", "noshow", "2026-03-06T15:00:00Z"),
        Visit("d", "booked", "2026-03-11T15:00:00Z"),
    ]

    assert missed_in_a_row(sessions, before=now) == 2
    assert missed_in_a_row(sessions[:2], before=now) == 1
    assert days_between("2026-03-02T15:00:00Z", "2026-03-09T15:00:00Z") == 7


def test_days_between_are_counted_where_the_program_is() -> None:
    entered = {"visitEntered": "2026-03-09T23:30:00-06:00"}
    came = {"status": "fulfilled", "start": "2026-03-10T05:00:00Z"}

    first = first_attended({**entered, "visits": {"Appointment/1": came}})

    assert first == "2026-03-10T05:00:00Z"
    assert days_between("2026-03-02T18:00:00-06:00", first) == 7


def test_done_needs_a_visit_or_a_reason() -> None:
    came = {"visits": {"Appointment/1": {"status": "fulfilled", "start": "2026-03-02T15:00:00Z"}}}

    assert not is_closed(ReferralState.COMPLETED, {})
    assert is_closed(ReferralState.COMPLETED, came)
    assert is_closed(ReferralState.COMPLETED, {"closedFor": "moved away"})
    assert not is_closed(ReferralState.SCHEDULED, came)
