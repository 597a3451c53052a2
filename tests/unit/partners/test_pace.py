"""A partner is not asked faster than it allows, whoever asks."""

import threading
import time

import pytest

from fhirbridge.partners.pace import Paces


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, without waiting; the clock stands still."""
    found: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    monkeypatch.setattr(
        threading.Event, "wait", lambda _self, timeout=None: found.append(timeout or 0.0)
    )
    return found


def test_turns_are_counted_from_one_connection_to_the_next(waits: list[float]) -> None:
    paces = Paces()

    for _ in range(4):
        paces.wait("slow", 2.0)
    paces.wait("other", 2.0)
    paces.wait("unlimited", 0.0)

    assert waits == [0.5, 1.0, 1.5]


def test_the_slowest_is_one_request_an_hour(waits: list[float]) -> None:
    paces = Paces()

    for _ in range(2):
        paces.wait("slowest", 1e-320)

    assert waits == [3600.0]
