"""A crash after every step of a send, and every answer lost once: one of each, or a person asks."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.deliver import attempt
from fhirbridge.handoffs.send import hand_over
from fhirbridge.partners.http import Answer, Exchange, NoAnswer, PartnerSession
from fhirbridge.partners.registry import Partner
from fhirbridge.workflow.words import DeliveryState
from tests.journeys.conftest import QUICK, case, wait_for

REPOSITORY = Path(__file__).parents[2]
POLICY = replace(QUICK, first_wait_seconds=0.01, longest_wait_seconds=0.02, lease_seconds=0.15)
How = Literal["crash before", "crash after", "lose"]


class Killed(BaseException):
    """The process dies here: nothing catches it, nothing is recorded."""


def start(single: bool) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.small_partner", "0", *(["--single"] if single else [])],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.communicate(timeout=20)


@pytest.fixture(scope="module")
def full() -> Iterator[str]:
    yield from start(single=False)


@pytest.fixture(scope="module")
def single() -> Iterator[str]:
    """A server that only does single creates, without conditions, and cannot be searched."""
    yield from start(single=True)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
    yield built
    built.close()


def held(url: str, name: str) -> Counter[str]:
    """How many resources of each type the partner holds for a case."""
    with PartnerSession(url) as session:
        answer = session.ask("GET", "_all")
    assert isinstance(answer, Answer)
    return Counter(
        one["resourceType"]
        for one in json.loads(answer.body)["held"]
        if f'"{name}-' in json.dumps(one.get("identifier", ""))
    )


def disturb(monkeypatch: pytest.MonkeyPatch, how: How, number: int) -> list[int]:
    """Let one request go wrong, counted from the first that is not about capabilities."""
    real = PartnerSession.ask
    seen = [0]

    def ask(self: PartnerSession, method: str, reference: str = "", **more: Any) -> Exchange:
        if reference in ("metadata", "_all"):
            return real(self, method, reference, **more)
        seen[0] += 1
        if seen[0] != number:
            return real(self, method, reference, **more)
        if how == "crash before":
            raise Killed
        answer = real(self, method, reference, **more)
        if how == "crash after":
            raise Killed
        assert isinstance(answer, Answer)
        return NoAnswer(sent=True, error_class="no-answer")

    monkeypatch.setattr(PartnerSession, "ask", ask)
    return seen


def send(bridge: Bridge, name: str) -> view.Delivery:
    """Hand one case over, and let workers try, dying or not, until it has ended."""
    outgoing = case(name)
    outbox_id = str(hand_over(bridge, "partner", lambda _session: outgoing).outbox_id)

    def ended() -> bool:
        try:
            attempt(bridge, bridge.new_id())
        except Killed:
            return False
        state = view.show(bridge, outbox_id).row.state
        return state not in (DeliveryState.QUEUED, DeliveryState.LEASED)

    wait_for(ended, seconds=60)
    return view.show(bridge, outbox_id)


def register(bridge: Bridge, url: str, *system: str, conditional: bool = True) -> None:
    added = partners.add(
        bridge, Partner("partner", url, policy=POLICY, probe={"lookUp": True})
    ).partner
    assert added.capability is not None
    rest = added.capability["rest"][0]
    if rest["interaction"]:
        rest["interaction"] = [{"code": code} for code in system]
        for resource in rest["resource"]:
            resource["conditionalCreate"] = conditional
        with bridge.database.transaction() as session:
            partners.save(session, bridge, added)


@pytest.mark.parametrize("how", ["crash before", "crash after", "lose"])
@pytest.mark.parametrize("rung", ["transaction", "conditional-create", "search-then-create"])
def test_a_partner_with_a_look_up_ends_with_exactly_one_of_each(
    bridge: Bridge, full: str, rung: str, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = ("transaction",) if rung == "transaction" else ()
    register(bridge, full, *system, conditional=rung != "search-then-create")
    wrong = []
    # dying after one request is dying before the next: on long ways the two share the steps
    first, step = (
        (1, 1) if rung == "transaction" or how == "lose" else (1 + (how == "crash after"), 2)
    )
    for number in range(first, 60, step):
        name = f"{rung}-{how}-{number}".replace(" ", "-")
        with monkeypatch.context() as patch:
            seen = disturb(patch, how, number)
            shown = send(bridge, name)
        counts = held(full, name)
        one_of_each = counts == Counter(
            ["Organization", "Patient", "Goal", "CarePlan", "ServiceRequest"]
        )
        if shown.row.state is not DeliveryState.DELIVERED or not one_of_each:
            wrong.append((number, shown.row.state, counts))
        if seen[0] < number:
            break

    assert wrong == []
    assert number > 1


@pytest.mark.parametrize("how", ["crash before", "crash after", "lose"])
def test_a_partner_without_a_look_up_ends_with_at_most_one_and_a_person(
    bridge: Bridge, single: str, how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(bridge, single)
    wrong = []
    states = set()
    for number in range(1, 60):
        name = f"single-{how}-{number}".replace(" ", "-")
        with monkeypatch.context() as patch:
            seen = disturb(patch, how, number)
            shown = send(bridge, name)
        counts = held(single, name)
        states.add(shown.row.state)
        if max(counts.values(), default=0) > 1:
            wrong.append((number, shown.row.state, counts))
        if shown.row.state is DeliveryState.DELIVERED and len(counts) != 5:
            wrong.append((number, shown.row.state, counts))
        if seen[0] < number:
            break

    assert wrong == []
    assert states == {DeliveryState.NEEDS_PERSON, DeliveryState.DELIVERED}
