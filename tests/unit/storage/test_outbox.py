"""The outbox: leases, order, take-over, replacement, and that only the holder may record."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fhirbridge.storage import handoffs, outbox, outbox_rows
from fhirbridge.storage.database import Custodian, Database
from fhirbridge.storage.outbox import Claim, Ending, Item
from fhirbridge.workflow.words import DeliveryState

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = {"lease_seconds": 60}


class Desk:
    """A database with one custodian, and short names for what the tests do to it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.custodian: Custodian = database.custodian()

    def enqueue(self, handoff: str = "h1", *, partner: str = "ehr", patient: int = 7) -> int:
        with self.database.transaction() as session:
            row = handoffs.HandoffRow(
                handoff, "referral", "s", handoff, 1, partner, patient, "sent", NOW, NOW
            )
            handoffs.put(session, self.custodian.id, row)
            item = Item(handoff, partner, patient, POLICY, b"{}")
            return outbox.enqueue(session, self.custodian.id, item, NOW)

    def claim(self, owner: str = "w1", *, after: float = 0, per_partner: int = 1) -> Claim | None:
        with self.database.transaction() as session:
            moment = NOW + timedelta(seconds=after)
            return outbox.claim(
                session, self.custodian.id, owner, now=moment, per_partner=per_partner
            )

    def record(self, claim: Claim, state: DeliveryState, verdict: str, wait: float = 0) -> bool:
        with self.database.transaction() as session:
            at = NOW + timedelta(seconds=wait)
            ending = Ending(state, verdict, next_attempt_at=at)
            return outbox.record(session, claim, ending, now=NOW)

    def row(self, outbox_id: int) -> outbox_rows.OutboxRow:
        with self.database.read() as session:
            found = outbox_rows.get(session, self.custodian.id, outbox_id)
        assert found is not None
        return found


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    database = Database(database_url)
    database.upgrade()
    database.act_for(database.custodian())
    yield Desk(database)
    database.close()


def taken(claim: Claim | None) -> int:
    assert claim is not None
    return claim.row.id


def test_a_claimed_row_is_leased_and_not_claimed_again(desk: Desk) -> None:
    one = desk.enqueue()

    claim = desk.claim()

    assert taken(claim) == one
    assert desk.row(one).state is DeliveryState.LEASED
    assert desk.claim("w2", per_partner=9) is None


def test_first_attempt_sends_at_once(desk: Desk) -> None:
    desk.enqueue()

    claim = desk.claim()

    assert claim is not None
    assert not claim.look_first


def test_a_lease_that_ran_out_is_taken_over_and_looks_first(desk: Desk) -> None:
    one = desk.enqueue()
    desk.claim("w1")

    claim = desk.claim("w2", after=61)

    assert claim is not None
    assert (claim.row.id, claim.owner, claim.row.attempts) == (one, "w2", 2)
    assert claim.look_first


def test_who_lost_the_lease_records_nothing(desk: Desk) -> None:
    one = desk.enqueue()
    lost = desk.claim("w1")
    held = desk.claim("w2", after=61)
    assert lost is not None
    assert held is not None

    assert not desk.record(lost, DeliveryState.DELIVERED, "delivered")
    assert desk.row(one).state is DeliveryState.LEASED
    assert desk.record(held, DeliveryState.DELIVERED, "delivered")
    assert desk.row(one).state is DeliveryState.DELIVERED


def test_a_row_waits_for_its_next_attempt(desk: Desk) -> None:
    desk.enqueue()
    claim = desk.claim()
    assert claim is not None
    desk.record(claim, DeliveryState.QUEUED, "retry", wait=30)

    assert desk.claim(after=29) is None
    again = desk.claim(after=30)

    assert again is not None
    assert not again.look_first


def test_after_an_unknown_outcome_the_next_attempt_looks_first(desk: Desk) -> None:
    desk.enqueue()
    claim = desk.claim()
    assert claim is not None
    desk.record(claim, DeliveryState.QUEUED, "unknown")

    again = desk.claim()

    assert again is not None
    assert again.look_first


def test_rows_of_one_patient_and_partner_go_in_order(desk: Desk) -> None:
    desk.enqueue("h1")
    second = desk.enqueue("h2")
    first = desk.claim(per_partner=9)
    assert first is not None

    assert desk.claim(per_partner=9) is None
    desk.record(first, DeliveryState.QUEUED, "retry", wait=100)
    assert desk.claim(per_partner=9) is None
    later = desk.claim(after=100)
    assert later is not None
    desk.record(later, DeliveryState.DEAD, "retry")

    assert taken(desk.claim(per_partner=9)) == second


def test_another_patient_of_the_partner_is_not_held_up(desk: Desk) -> None:
    desk.enqueue("h1", patient=7)
    other = desk.enqueue("h2", patient=8)
    desk.claim(per_partner=2)

    assert taken(desk.claim(per_partner=2)) == other


def test_a_stuck_partner_holds_up_nobody_else(desk: Desk) -> None:
    desk.enqueue("h1", partner="slow", patient=1)
    desk.enqueue("h2", partner="slow", patient=2)
    other = desk.enqueue("h3", partner="quick", patient=3)
    desk.claim("w1")

    assert taken(desk.claim("w2")) == other
    assert desk.claim("w3") is None


def test_replacement_spares_what_may_have_been_sent(desk: Desk) -> None:
    fresh = desk.enqueue("h1", patient=1)
    unknown = desk.enqueue("h2", patient=2)
    claims = {taken(c): c for c in (desk.claim(per_partner=9), desk.claim(per_partner=9)) if c}
    desk.record(claims[fresh], DeliveryState.QUEUED, "retry")
    desk.record(claims[unknown], DeliveryState.QUEUED, "unknown")

    with desk.database.transaction() as session:
        for handoff in ("h1", "h2"):
            outbox.replace_unsent(session, desk.custodian.id, handoff, NOW)

    assert desk.row(fresh).state is DeliveryState.REPLACED
    assert desk.row(unknown).state is DeliveryState.QUEUED


def test_progress_is_kept_and_extends_the_lease(desk: Desk) -> None:
    one = desk.enqueue()
    claim = desk.claim()
    assert claim is not None

    with desk.database.transaction() as session:
        moment = NOW + timedelta(seconds=50)
        held = outbox.note_progress(session, claim, {"urn:uuid:a": "Patient/1"}, now=moment)

    assert held
    assert desk.row(one).result == {"urn:uuid:a": "Patient/1"}
    assert desk.claim("w2", after=61) is None


def test_every_attempt_is_written_down_also_one_that_never_ended(desk: Desk) -> None:
    one = desk.enqueue()
    desk.claim("w1")
    second = desk.claim("w2", after=61)
    assert second is not None
    desk.record(second, DeliveryState.DELIVERED, "delivered")

    with desk.database.read() as session:
        attempts = outbox_rows.attempts_of(session, desk.custodian.id, one)

    assert [(a.number, a.finished_at is None, a.verdict) for a in attempts] == [
        (1, True, None),
        (2, False, "delivered"),
    ]
