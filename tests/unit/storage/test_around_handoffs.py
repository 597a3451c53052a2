"""Around handoffs, on both databases: alerts, quarantine, circuits, keys, clocks and the feed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.handoffs.tasks import circumstances
from fhirbridge.storage import (
    alerts,
    changes,
    circuits,
    handoff_keys,
    handoffs,
    partners,
    quarantine,
    resources,
    writers,
)
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.handoff_keys import Clock
from fhirbridge.storage.handoffs import HandoffRow, put
from fhirbridge.storage.partners import PartnerRow
from fhirbridge.storage.quarantine import Kept
from fhirbridge.storage.session import Session

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TYPES = ("Task", "Appointment", "ServiceRequest")


@pytest.fixture
def bridge(database_url: str) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=database_url), now=lambda: NOW)
    yield built
    built.close()


@pytest.fixture
def session(bridge: Bridge) -> Iterator[Session]:
    with bridge.database.transaction() as opened:
        yield opened


def test_an_alert_is_raised_once_and_counted_until_it_is_closed(
    bridge: Bridge, session: Session
) -> None:
    mine = bridge.custodian.id
    alert = Alert("down ehr", "partner-down", NOW, partner="ehr")

    raised = [alerts.raise_once(session, mine, alert) for _ in range(3)]
    counted = alerts.list_alerts(session, mine)[0].count
    closed = [alerts.close(session, mine, "down ehr", now=NOW) for _ in range(2)]

    assert (raised, counted, closed) == ([True, False, False], 3, [True, False])
    assert alerts.list_alerts(session, mine) == []
    assert len(alerts.list_alerts(session, mine, with_closed=True)) == 1


def test_the_same_event_is_set_aside_once(bridge: Bridge, session: Session) -> None:
    mine = bridge.custodian.id
    kept = Kept("ehr", "rest", "Task/1", "2", "unknown-referral", "Why.", b"{}", NOW)

    fresh = [quarantine.keep(session, mine, kept) for _ in range(2)]
    found = quarantine.list_kept(session, mine)
    settled = quarantine.settle(session, mine, found[0].id, by="ana", now=NOW)

    assert (fresh, settled) == ([True, False], True)
    assert quarantine.list_kept(session, mine) == []


def test_what_is_about_one_handoff_is_open_until_all_of_it_is_settled(
    bridge: Bridge, session: Session
) -> None:
    mine = bridge.custodian.id
    put(session, mine, HandoffRow("h1", "referral", "s", "r", 1, "ehr", 7, "sent", NOW, NOW))
    for version in ("2", "3", "3"):
        kept = Kept("ehr", "polling", "Task/1", version, "gone", "Why.", b"", NOW, "h1")
        quarantine.keep(session, mine, kept)
    for text in (b"<1>", b"<2>"):
        kept = Kept("ehr", "polling", "Task/2", "", "unreadable", "Why.", text, NOW)
        quarantine.keep(session, mine, kept, is_same_each_time=True)

    unread, *about = quarantine.list_kept(session, mine)
    still_open = []
    for one in about:
        quarantine.settle(session, mine, one.id, by="ana", now=NOW)
        still_open.append(quarantine.has_open(session, mine, like=one))

    assert (unread.body, len(about), still_open) == (b"<1>", 2, [True, False])
    assert quarantine.get(session, mine, about[0].id) is None
    assert quarantine.has_open(session, mine, like=unread)


def test_who_wrote_a_version_is_known_until_it_is_taken_in(
    bridge: Bridge, session: Session
) -> None:
    mine, task = bridge.custodian.id, {"resourceType": "Task"}
    written = resources.create(session, circumstances(bridge), task, resource_id="t1")
    clinic = Recipient("Clinic", (("urn:npi", "1"),))

    writers.note(session, mine, written, clinic)

    assert writers.writer_of(session, mine, "Task/t1", "1") == clinic
    assert writers.writer_of(session, mine, "Task/t1", "2") is None
    writers.forget(session, mine, "Task/t1", "1")
    assert writers.writer_of(session, mine, "Task/t1", "1") is None


def test_handoffs_under_a_key_have_their_turn(bridge: Bridge, session: Session) -> None:
    mine = bridge.custodian.id
    for name in ("h1", "h2"):
        put(session, mine, HandoffRow(name, "referral", "s", name, 1, "ehr", 7, "sent", NOW, NOW))
        handoff_keys.note(session, mine, name, ["due"])
    handoffs.follow_again(session, mine, "h1", at=NOW + timedelta(seconds=5))

    first = handoffs.next_known_as(session, mine, "due", now=NOW)
    handoff_keys.forget(session, mine, "due", handoff_id="h2")
    second = handoffs.next_known_as(session, mine, "due", now=NOW)
    later = handoffs.next_known_as(session, mine, "due", now=NOW + timedelta(seconds=5))

    assert [one and one.id for one in (first, second, later)] == ["h2", None, "h1"]
    assert [one.id for one in handoffs.of_patient(session, mine, 7)] == ["h1", "h2"]


def test_a_circuit_opens_after_failures_in_a_row_and_closes_with_an_answer(
    bridge: Bridge, session: Session
) -> None:
    mine = bridge.custodian.id

    opened = [
        circuits.failed(session, mine, "ehr", pause_seconds=5, now=NOW)
        for _ in range(circuits.TRIPS_AT + 1)
    ]
    until = circuits.get(session, mine, "ehr").open_until
    closed = circuits.answered(session, mine, "ehr", now=NOW)

    assert opened == [False, False, True, False]
    assert until == NOW + timedelta(seconds=5)
    assert closed
    assert circuits.tripped(session, mine) == []


def test_a_handoff_is_known_under_its_keys_and_rings_when_it_is_due(
    bridge: Bridge, session: Session
) -> None:
    mine = bridge.custodian.id
    put(session, mine, HandoffRow("h1", "referral", "s", "r", 1, "ehr", 7, "sent", NOW, NOW))

    handoff_keys.note(session, mine, "h1", ["Task/1", "", "Task/1"])
    handoff_keys.note(session, mine, "h1", ["Task/1", "ehr Task/9"])
    handoff_keys.set_clock(session, mine, Clock("h1", "sent", NOW, 0, NOW))

    assert handoff_keys.known_as(session, mine, ["ehr Task/9", "other"]) == ["h1"]
    ringing = handoff_keys.next_ringing(session, mine, now=NOW)
    assert ringing is not None
    assert ringing.handoff_id == "h1"
    assert handoff_keys.next_ringing(session, mine, now=NOW - timedelta(seconds=1)) is None


def test_the_feed_gives_versions_in_order_to_one_reader_at_a_time(
    bridge: Bridge, session: Session
) -> None:
    mine = bridge.custodian.id
    for kind, name in (("Task", "t1"), ("Patient", "p1"), ("Appointment", "a1"), ("Task", "t2")):
        resource = {"resourceType": kind}
        resources.create(session, circumstances(bridge), resource, resource_id=name)

    found = changes.after(session, mine, 0, types=TYPES)
    first = changes.advance(session, mine, "referrals", known=0, seq=found[0].seq)
    late = changes.advance(session, mine, "referrals", known=0, seq=found[1].seq)

    assert [one.reference for one in found] == ["Task/t1", "Appointment/a1", "Task/t2"]
    assert (first, late) == (True, False)
    assert changes.position(session, mine, "referrals") == found[0].seq


def test_settings_and_capabilities_of_a_partner_change_apart(
    bridge: Bridge, session: Session
) -> None:
    mine = bridge.custodian.id
    row = PartnerRow("ehr", "https://ehr.example", {"profile": "bser"}, None, None, NOW, NOW)
    partners.put(session, mine, row)

    partners.note_capability(session, mine, "ehr", capability={"status": "active"}, at=NOW)
    changed = [
        partners.note_settings(session, mine, name, {"subscription": {"days": 3}}, now=NOW)
        for name in ("ehr", "nobody")
    ]
    found = partners.get(session, mine, "ehr", locked=True)

    assert changed == [True, False]
    assert found is not None
    assert found.settings == {"profile": "bser", "subscription": {"days": 3}}
    assert (found.capability, found.capability_at) == ({"status": "active"}, NOW)


def test_tasks_are_looked_at_sooner_or_later_by_partner(bridge: Bridge, session: Session) -> None:
    mine, closed = bridge.custodian.id, ("completed",)
    for number, partner in enumerate(("ehr", "ehr", "ehr", "other")):
        status = "completed" if number == 2 else "sent"
        row = HandoffRow(str(number), "referral", "iop", "r", 1, partner, 7, status, NOW, NOW)
        put(session, mine, row)
        at = NOW + timedelta(hours=number)
        handoffs.note_places(
            session,
            mine,
            row.id,
            task_reference=f"Task/{number}",
            order_reference=None,
            details={},
            now=at,
        )

    handoffs.follow_later(session, mine, "ehr", until=NOW + timedelta(minutes=5))
    paused = handoffs.follow_due_at(session, mine, closed)
    count = handoffs.follow_all_by(session, mine, "ehr", closed, at=NOW)
    due = handoffs.next_to_follow(session, mine, closed, now=NOW)

    assert paused == NOW + timedelta(minutes=5)
    assert count == 2
    assert due is not None
    assert due.id == "0"
