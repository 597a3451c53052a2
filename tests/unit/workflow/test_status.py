from typing import Any

import pytest

from fhirbridge.workflow.status import is_older, say, see_task
from fhirbridge.workflow.transitions import BOTH, INITIATOR, RECIPIENT, Actor, is_reachable
from fhirbridge.workflow.words import REFERRAL, DeliveryState, Profile, ReferralState

S = ReferralState


def task(status: str, version: str, code: str = "") -> dict[str, Any]:
    body: dict[str, Any] = {"status": status, "meta": {"versionId": version}}
    if code:
        body["businessStatus"] = {"coding": [{"code": code}]}
    return body


def test_a_change_of_the_task_moves_the_state() -> None:
    seen = see_task(task("accepted", "2"), state=S.SENT, version_id="1")

    assert (seen.result, seen.state, seen.version_id) == ("moved", S.ACCEPTED, "2")


def test_the_same_version_tells_nothing_new() -> None:
    assert see_task(task("accepted", "1"), state=S.SENT, version_id="1").result == "same"


def test_an_older_version_is_ignored() -> None:
    seen = see_task(task("accepted", "9"), state=S.SCHEDULED, version_id="10")

    assert (seen.result, seen.state, seen.version_id) == ("stale", S.SCHEDULED, "10")


def test_an_impossible_move_changes_nothing_and_says_why() -> None:
    seen = see_task(task("requested", "5"), state=S.COMPLETED, version_id="4")

    assert (seen.result, seen.state) == ("impossible", S.COMPLETED)
    assert seen.reason


def test_a_coarse_status_does_not_undo_a_finer_state() -> None:
    seen = see_task(task("in-progress", "3"), state=S.NO_SHOW, version_id="2")

    assert (seen.result, seen.state) == ("same", S.NO_SHOW)


@pytest.mark.parametrize(
    ("offered", "known", "history", "older"),
    [
        ("9", "10", (), True),
        ("10", "9", (), False),
        ("abc", "xyz", (), False),
        ("abc", "xyz", ("xyz", "abc"), True),
        ("abc", "xyz", ("abc", "xyz"), False),
    ],
)
def test_order_comes_from_version_history(
    offered: str, known: str, history: tuple[str, ...], older: bool
) -> None:
    assert is_older(offered, known, history) is older


def test_transport_speaks_until_delivery_then_the_task() -> None:
    assert say(DeliveryState.QUEUED, S.SENT, last_verdict=None).text == "Waiting to be sent"
    assert say(DeliveryState.QUEUED, S.SENT, last_verdict="retry").text == "Will be tried again"
    assert say(DeliveryState.QUEUED, S.SENT, last_verdict="unknown").text == "Answer lost"
    assert say(DeliveryState.DELIVERED, S.ACCEPTED, last_verdict="delivered").text == "Accepted"
    assert say(DeliveryState.REFUSED, S.SENT, last_verdict="refused").next_by == "sender"


@pytest.mark.parametrize("actors", [INITIATOR, RECIPIENT, BOTH], ids=["sender", "receiver", "both"])
@pytest.mark.parametrize("profile", ["base", "bser", "gravity"])
def test_every_move_is_taken_if_allowed_moves_lead_there_and_kept_apart_if_not(
    profile: Profile, actors: frozenset[Actor]
) -> None:
    wrong = []
    for source in S:
        for target in S:
            said = task(REFERRAL[target].task_status(profile), "2", target.value)
            seen = see_task(said, state=source, version_id="1", profile=profile, actors=actors)
            allowed = is_reachable(source, target, profile, actors=actors)
            expected = ("moved", target) if allowed else ("impossible", source)
            if source is target:
                expected = ("same", source)
            if (seen.result, seen.state) != expected:
                wrong.append((source, target, seen))

    assert wrong == []
