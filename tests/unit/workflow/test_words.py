"""The status table, its reading, and the moves: domain.md 1.5 and 4.4 row by row."""

import pytest

from fhirbridge.workflow.transitions import (
    BSER,
    INITIATOR,
    RECIPIENT,
    actors_of,
    is_reachable,
    next_states,
)
from fhirbridge.workflow.words import (
    DELIVERY,
    REFERRAL,
    DeliveryState,
    Profile,
    ReferralState,
    read_task,
)

S = ReferralState


def test_every_state_has_a_row_and_every_delivery_state_a_word() -> None:
    assert set(REFERRAL) == set(ReferralState)
    assert set(DELIVERY) == set(DeliveryState)


def task(status: str, code: str = "") -> dict[str, object]:
    body: dict[str, object] = {"resourceType": "Task", "status": status}
    if code:
        body["businessStatus"] = {"coding": [{"system": "https://e.example/bs", "code": code}]}
    return body


@pytest.mark.parametrize("profile", ["base", "bser", "gravity"])
@pytest.mark.parametrize("state", list(ReferralState), ids=str)
def test_a_task_with_its_native_state_reads_back_without_loss(state: S, profile: str) -> None:
    written = task(REFERRAL[state].task_status(profile), state.value)

    reading = read_task(written, profile)

    assert reading is not None
    assert (reading.state, reading.inferred) == (state, False)


@pytest.mark.parametrize(
    ("status", "code", "state", "inferred"),
    [
        ("requested", "", S.SENT, True),
        ("received", "", S.RECEIVED, True),
        ("accepted", "", S.ACCEPTED, True),
        ("in-progress", "", S.SCHEDULED, True),
        ("in-progress", "5.1.2", S.NO_SHOW, False),
        ("in-progress", "5.2", S.CANCEL_REQUESTED, False),
        ("accepted", "fb:waitlisted", S.WAITLISTED, False),
        ("rejected", "", S.DECLINED, True),
        ("accepted", "7.0", S.ACCEPTED, True),
    ],
)
def test_a_foreign_task_reads_as_the_first_row_of_its_status(
    status: str, code: str, state: S, inferred: bool
) -> None:
    reading = read_task(task(status, code))

    assert reading is not None
    assert (reading.state, reading.inferred) == (state, inferred)


def test_received_at_a_bser_partner_reads_as_sent() -> None:
    reading = read_task(task("received", "2.0"), "bser")

    assert reading is not None
    assert reading.state is S.SENT


def test_a_status_without_a_row_says_nothing() -> None:
    assert read_task(task("ready")) is None


def test_every_bser_row_is_an_allowed_move() -> None:
    assert len(BSER) == 30
    for row in BSER:
        assert row.target in next_states(row.source, "bser"), row
        assert actors_of(row.source, row.target, "bser") == {row.actor}


@pytest.mark.parametrize("profile", ["base", "bser", "gravity"])
def test_every_allowed_move_is_somebodys(profile: Profile) -> None:
    for source in S:
        for target in S:
            allowed = target in next_states(source, profile)
            assert bool(actors_of(source, target, profile)) == allowed, (source, target)


@pytest.mark.parametrize("profile", ["base", "bser", "gravity"])
def test_who_sent_it_asks_to_cancel_and_takes_back_what_was_an_error(profile: Profile) -> None:
    for state in set(S) - {S.ENTERED_IN_ERROR}:
        assert actors_of(state, S.ENTERED_IN_ERROR, profile) == INITIATOR
        if S.CANCEL_REQUESTED in next_states(state, profile):
            assert actors_of(state, S.CANCEL_REQUESTED, profile) == INITIATOR


@pytest.mark.parametrize(("profile", "may"), [("base", True), ("bser", False), ("gravity", True)])
def test_a_bser_receiver_confirms_a_withdrawal_that_was_asked_for(
    profile: Profile, may: bool
) -> None:
    for state in (S.SENT, S.ACCEPTED, S.SCHEDULED, S.IN_SERVICE):
        assert is_reachable(state, S.CANCELLED, profile, actors=RECIPIENT) is may
        assert is_reachable(state, S.CANCELLED, profile)
    assert is_reachable(S.CANCEL_REQUESTED, S.CANCELLED, profile, actors=RECIPIENT)


@pytest.mark.parametrize("end", [S.DECLINED, S.CANCELLED, S.COMPLETED, S.FAILED], ids=str)
def test_an_end_leads_nowhere_but_to_entered_in_error(end: S) -> None:
    assert next_states(end) == {S.ENTERED_IN_ERROR}


def test_a_base_partner_may_cancel_directly_a_bser_partner_confirms() -> None:
    assert S.CANCELLED in next_states(S.ACCEPTED, "base")
    assert S.CANCELLED not in next_states(S.ACCEPTED, "bser")


def test_steps_between_two_looks_may_be_skipped() -> None:
    assert is_reachable(S.SENT, S.COMPLETED)
    assert not is_reachable(S.COMPLETED, S.ACCEPTED)
