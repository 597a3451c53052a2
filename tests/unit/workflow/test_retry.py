from datetime import UTC, datetime, timedelta

from fhirbridge.workflow.retry import Policy, next_attempt_at, wait_seconds, with_patience

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = Policy(first_wait_seconds=10, factor=2, longest_wait_seconds=60, max_age_seconds=600)


def never() -> float:
    return 0.0


def always() -> float:
    return 1.0


def test_waits_grow_to_the_longest_and_half_is_left_to_chance() -> None:
    assert [wait_seconds(POLICY, n, always) for n in (1, 2, 3, 4, 400)] == [10, 20, 40, 60, 60]
    assert [wait_seconds(POLICY, n, never) for n in (1, 2, 3, 4, 400)] == [5, 10, 20, 30, 30]


def after(seconds: float, **more: float) -> datetime | None:
    return next_attempt_at(
        POLICY,
        attempts=1,
        enqueued_at=NOW,
        now=NOW + timedelta(seconds=seconds),
        chance=always,
        retry_after_seconds=more.get("retry_after"),
    )


def test_retry_after_is_a_lower_bound() -> None:
    assert after(0, retry_after=120) == NOW + timedelta(seconds=120)
    assert after(0, retry_after=1) == NOW + timedelta(seconds=10)


def test_the_last_attempt_is_made_at_the_maximum_age() -> None:
    assert after(595) == NOW + timedelta(seconds=600)
    assert after(0, retry_after=86_400) == NOW + timedelta(seconds=600)


def test_after_the_maximum_age_it_is_given_up() -> None:
    assert after(600) is None


def test_a_stamped_policy_reads_back_and_ignores_what_it_does_not_know() -> None:
    assert Policy.from_json(POLICY.to_json() | {"colour": 3}) == POLICY


def test_who_may_be_silent_longer_keeps_the_lease_longer() -> None:
    usual = Policy()

    patient = with_patience(usual, timeout_seconds=120, max_age_hours=2)

    assert (patient.read_timeout_seconds, patient.max_age_seconds) == (120, 7200)
    assert patient.lease_seconds >= patient.connect_timeout_seconds + patient.read_timeout_seconds
    assert with_patience(usual) == usual
    assert with_patience(usual, timeout_seconds=1).lease_seconds == usual.lease_seconds
