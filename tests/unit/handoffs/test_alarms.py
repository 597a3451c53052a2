"""Who is told what and when: clocks, missed sessions, deliveries that grew too old."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.handoffs import alarms, partners, view
from fhirbridge.handoffs.alarms import ring_next
from fhirbridge.handoffs.deliver import attempt
from fhirbridge.handoffs.expiry import expire
from fhirbridge.handoffs.feed import read_feed
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.tasks import circumstances
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import handoffs, resources
from fhirbridge.workflow.words import DeliveryState, ReferralState
from tests.journeys.conftest import QUICK, case
from tests.unit.handoffs.test_deliver import Clock
from tests.unit.partners.test_plan import capability

S = ReferralState
NOWHERE = "http://127.0.0.1:9/fhir"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bridge(tmp_path: Path, clock: Clock) -> Iterator[Bridge]:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False)
    built = bridges.build(settings, now=clock)
    policy = replace(QUICK, first_wait_seconds=1, longest_wait_seconds=1, max_age_seconds=60)
    partner = Partner(
        "ehr",
        NOWHERE,
        policy=policy,
        timezone="America/Denver",
        capability=capability("transaction"),
        capability_at=clock(),
    )
    with built.database.transaction() as session:
        partners.save(session, built, partner)
    yield built
    built.close()


def hand(bridge: Bridge, name: str) -> str:
    outgoing = case(name)
    return hand_over(bridge, "ehr", lambda _session: outgoing).handoff_id


def open_kinds(bridge: Bridge) -> list[str]:
    return [one.kind for one in view.list_alerts(bridge)]


def test_clocks_remind_then_escalate_one_alert_at_a_time(bridge: Bridge, clock: Clock) -> None:
    handoff_id = hand(bridge, "clocks")
    with bridge.database.transaction() as session:
        row = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
        assert row is not None
        alarms.wind(bridge, session, row, state=ReferralState.SENT, details=row.details)
    told = []
    for _ in range(4):
        clock.forward(24 * 3600)
        while ring_next(bridge):
            pass
        told.append(open_kinds(bridge))

    with bridge.database.transaction() as session:
        row = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
        assert row is not None
        alarms.moved(bridge, session, row, state=ReferralState.ACCEPTED, details=row.details)

    assert told == [["remind"], ["remind"], ["escalate"], ["escalate"]]
    assert open_kinds(bridge) == []


def session_of(number: int, status: str) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "status": status,
        "start": f"2026-02-{number:02}T15:00:00Z",
        "end": f"2026-02-{number:02}T16:00:00Z",
        "participant": [{"actor": {"reference": "Patient/p"}, "status": "accepted"}],
    }


def test_two_missed_sessions_in_a_row_are_told_until_one_is_attended(bridge: Bridge) -> None:
    def note(number: int, status: str) -> list[str]:
        with bridge.database.transaction() as session:
            resources.create(
                session,
                circumstances(bridge),
                session_of(number, status),
                resource_id=f"s{number}",
            )
        read_feed(bridge)
        return open_kinds(bridge)

    told = [note(1, "fulfilled"), note(3, "noshow"), note(5, "noshow"), note(9, "fulfilled")]

    assert told == [[], [], ["sessions-missed"], []]


def test_what_grew_too_old_while_its_partner_was_left_alone_is_given_up(
    bridge: Bridge, clock: Clock
) -> None:
    ids = [hand(bridge, f"old-{number}") for number in range(5)]
    for _ in range(3):
        attempt(bridge, "worker")
    assert open_kinds(bridge) == ["partner-down"]

    clock.forward(61)
    ended = expire(bridge)

    states = {view.show(bridge, one).row.state for one in ids}
    assert ended == 5
    assert states == {DeliveryState.DEAD}
    counts = {one.kind: one.count for one in view.list_alerts(bridge)}
    assert counts["delivery-dead"] <= 5
    assert max(one.opened_at for one in view.list_alerts(bridge)) - clock() == timedelta(0)


def in_state(bridge: Bridge, handoff_id: str, state: ReferralState, **facts: Any) -> None:
    """Note where a handoff stands, with facts about it."""
    with bridge.database.transaction() as session:
        row = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
        assert row is not None
        details = {**row.details, **facts}
        handoffs.note_state(
            session,
            bridge.custodian.id,
            handoff_id,
            status=state.value,
            version=None,
            details=details,
            now=bridge.now(),
        )
        alarms.moved(bridge, session, replace(row, details=details), state=state, details=details)


def rung(bridge: Bridge) -> list[str]:
    while ring_next(bridge):
        pass
    return [str(one.details.get("clock")) for one in view.list_alerts(bridge)]


def visit(start: str) -> dict[str, Any]:
    return {"visits": {"Appointment/v": {"status": "booked", "start": start, "version": "1"}}}


def test_nobody_saying_whether_the_client_came_is_told_after_the_visit(
    bridge: Bridge, clock: Clock
) -> None:
    handoff_id = hand(bridge, "unheard")
    in_state(bridge, handoff_id, ReferralState.SCHEDULED, **visit("2026-03-04T15:00:00Z"))
    clock.forward(2 * 86_400)  # Wednesday at noon, UTC
    before = rung(bridge)
    in_state(bridge, handoff_id, ReferralState.SCHEDULED, **visit("2026-03-09T15:00:00Z"))
    clock.forward(2 * 86_400)
    put_off = rung(bridge)
    clock.forward(4 * 86_400)  # the Tuesday after
    after = rung(bridge)
    in_state(bridge, handoff_id, ReferralState.SCHEDULED, visitEntered="2026-03-09T15:00:00Z")

    assert (before, put_off, after) == ([], [], ["visit-unknown"])
    assert open_kinds(bridge) == []


def test_our_own_steps_are_counted_on_our_own_days(bridge: Bridge, clock: Clock) -> None:
    """The partner in Denver opens at three in the afternoon of UTC, we at eight in the morning."""
    theirs, ours = hand(bridge, "theirs"), hand(bridge, "ours")
    in_state(bridge, theirs, ReferralState.SENT)
    in_state(bridge, ours, ReferralState.INFO_NEEDED)

    clock.forward(12 * 3600)  # nine hours of theirs, five of ours
    first = rung(bridge)
    clock.forward(11 * 3600)  # three of ours more

    assert sorted(first) == ["None", "not-seen"]
    assert sorted(rung(bridge)) == ["None", "documents-owed", "not-seen"]


def test_what_we_decline_is_no_alert_to_us(bridge: Bridge) -> None:
    handoff_id = hand(bridge, "inbound")
    told = []
    for state in (S.DECLINED, S.INFO_NEEDED, S.CANCEL_REQUESTED, S.NO_SHOW):
        in_state(bridge, handoff_id, state, direction="inbound")
        told.append(open_kinds(bridge))

    assert told == [[], [], ["withdrawal-asked"], ["visit-missed"]]
