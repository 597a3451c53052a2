"""The delivery process: it stops in order, and a stuck partner holds up nobody else."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import Crew, work
from fhirbridge.workflow.words import DeliveryState
from tests.journeys.conftest import QUICK, Ehr, case, wait_for


def hand(bridge: Bridge, name: str, partner: str = "ehr") -> str:
    outgoing = case(name)
    return str(hand_over(bridge, partner, lambda _session: outgoing).outbox_id)


def state(bridge: Bridge, outbox_id: str) -> DeliveryState:
    return view.show(bridge, outbox_id).row.state


def start_work(bridge: Bridge, directory: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "fhirbridge", "work"],
        cwd=directory,
        env={
            **os.environ,
            "FHIRBRIDGE_DATABASE_URL": bridge.settings.database_url,
            "FHIRBRIDGE_PART2": "off",
        },
    )


def test_on_sigterm_the_attempt_under_way_finishes(
    bridge: Bridge, ehr: Ehr, tmp_path: Path
) -> None:
    outbox_id = hand(bridge, "sigterm")
    ehr.arm("slow")
    process = start_work(bridge, tmp_path)
    wait_for(lambda: state(bridge, outbox_id) is DeliveryState.LEASED)

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    assert state(bridge, outbox_id) is DeliveryState.DELIVERED


def test_after_kill_9_another_process_takes_over(bridge: Bridge, ehr: Ehr, tmp_path: Path) -> None:
    outbox_id = hand(bridge, "kill")
    ehr.arm("slow")
    process = start_work(bridge, tmp_path)
    wait_for(lambda: state(bridge, outbox_id) is DeliveryState.LEASED)
    process.kill()
    process.wait(10)

    process = start_work(bridge, tmp_path)
    wait_for(lambda: state(bridge, outbox_id) is DeliveryState.DELIVERED)
    process.terminate()

    assert process.wait(20) == 0
    attempts = view.show(bridge, outbox_id).attempts or ()
    assert [one.verdict for one in attempts] == [None, "delivered"]
    assert attempts[1].details["looked"] in ("found", "not-found")
    assert len(ehr.holding("Patient", "kill-Patient")) == 1


@pytest.fixture
def silent() -> Iterator[str]:
    """A partner that takes every connection and never says a word."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/fhir"
    listener.close()


def test_a_stuck_partner_holds_up_nobody_else(bridge: Bridge, ehr: Ehr, silent: str) -> None:
    patient = replace(QUICK, read_timeout_seconds=4, lease_seconds=30)
    with bridge.database.transaction() as session:
        for number in range(3):
            stuck = replace(
                partners.load(session, bridge, "ehr"),
                name=f"stuck-{number}",
                base_url=silent,
                policy=patient,
            )
            partners.save(session, bridge, stuck)
    for number in range(9):
        hand(bridge, f"stuck-{number}", partner=f"stuck-{number % 3}")
    healthy = [hand(bridge, f"healthy-{number}") for number in range(5)]
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(bridge, stop), kwargs={"crew": Crew(4)})

    began = time.monotonic()
    worker.start()
    wait_for(lambda: all(state(bridge, one) is DeliveryState.DELIVERED for one in healthy))
    took = time.monotonic() - began
    stop.set()
    worker.join(30)

    assert took < 4
    assert not worker.is_alive()
