"""The delivery process: it stops in order, and a stuck partner holds up nobody else."""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import Crew, work
from fhirbridge.workflow.words import DeliveryState
from tests.commands import Process
from tests.journeys.conftest import QUICK, Ehr, case, wait_for


def hand(bridge: Bridge, name: str, partner: str = "ehr") -> str:
    outgoing = case(name)
    return str(hand_over(bridge, partner, lambda _session: outgoing).outbox_id)


def state(bridge: Bridge, outbox_id: str) -> DeliveryState:
    return view.show(bridge, outbox_id).row.state


Start = Callable[[], Process]


@pytest.fixture
def start_work(bridge: Bridge, tmp_path: Path) -> Iterator[Start]:
    """Starts a delivery process; what still runs at the end is killed."""
    started: list[Process] = []
    environment = {
        **os.environ,
        "FHIRBRIDGE_DATABASE_URL": bridge.settings.database_url,
        "FHIRBRIDGE_PART2": "off",
    }

    def start() -> Process:
        started.append(Process("fhirbridge", "work", cwd=tmp_path, env=environment, stderr=2))
        return started[-1]

    yield start
    for process in started:
        process.send_signal(signal.SIGKILL)
        process.wait(20)


def test_on_sigterm_the_attempt_under_way_finishes(
    bridge: Bridge, ehr: Ehr, start_work: Start
) -> None:
    outbox_id = hand(bridge, "sigterm")
    ehr.arm("slow")
    process = start_work()
    begun = (DeliveryState.LEASED, DeliveryState.DELIVERED)
    wait_for(lambda: state(bridge, outbox_id) in begun, seconds=60)

    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    assert state(bridge, outbox_id) is DeliveryState.DELIVERED


def test_after_kill_9_another_process_takes_over(
    bridge: Bridge, ehr: Ehr, start_work: Start
) -> None:
    outbox_id = hand(bridge, "kill")
    ehr.arm("slow")
    process = start_work()
    wait_for(lambda: state(bridge, outbox_id) is DeliveryState.LEASED, seconds=60)
    process.send_signal(signal.SIGKILL)
    process.wait(10)

    process = start_work()
    wait_for(lambda: state(bridge, outbox_id) is DeliveryState.DELIVERED, seconds=60)
    process.send_signal(signal.SIGTERM)

    assert process.wait(60) == 0
    attempts = view.show(bridge, outbox_id).attempts or ()
    assert [one.verdict for one in attempts] == [None, "delivered"]
    assert attempts[1].details["looked"] in ("found", "not-found")
    assert len(ehr.holding("Patient", "kill-Patient")) == 1


def test_a_stuck_partner_holds_up_nobody_else(bridge: Bridge, ehr: Ehr) -> None:
    """They take every connection and say nothing for longer than the test lasts."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=64)
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"
    patient = replace(QUICK, read_timeout_seconds=300, lease_seconds=600)
    with bridge.database.transaction() as session:
        known = partners.load(session, bridge, "ehr")
        for number in range(3):
            name = f"stuck-{number}"
            partners.save(session, bridge, replace(known, name=name, base_url=url, policy=patient))
    stuck = [hand(bridge, f"stuck-{n}", partner=f"stuck-{n % 3}") for n in range(9)]
    healthy = [hand(bridge, f"healthy-{number}") for number in range(5)]
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(bridge, stop), kwargs={"crew": Crew(4)})

    worker.start()
    try:
        wait_for(lambda: all(state(bridge, one) is DeliveryState.DELIVERED for one in healthy), 120)
        held = {state(bridge, one) for one in stuck}
    finally:
        stop.set()
        silent.close()  # which ends what waits
        worker.join(60)

    assert held <= {DeliveryState.QUEUED, DeliveryState.LEASED}
    assert DeliveryState.LEASED in held
    assert not worker.is_alive()
