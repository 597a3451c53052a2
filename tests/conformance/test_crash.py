"""kill -9 in the middle of writes: what was acknowledged is there, and nothing is half there."""

import os
import signal
import sys
import threading
from pathlib import Path

import pytest
import requests

from tests.conformance.support import entry, goal, identified
from tests.served import Server

ROUNDS = 2
WHO = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"


def bundle(value: str) -> dict[str, object]:
    """A transaction of a Patient and the Goals about them."""
    entries = [entry("POST", "Patient", identified(value), full_url=WHO)]
    entries += [entry("POST", "Goal", goal(WHO)) for _ in range(3)]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_server_loses_nothing_and_leaves_no_half(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(ROUNDS):
        with Server(tmp_path) as server:
            enough = threading.Event()

            def send(worker: int, turn: int = turn, url: str = server.url) -> None:
                number = 0
                while True:
                    value = f"{turn}-{worker}-{number}"
                    try:
                        answer = requests.post(f"{url}/fhir", json=bundle(value), timeout=30)
                    except requests.RequestException:
                        return
                    assert answer.status_code == 200
                    acknowledged.append(value)
                    number += 1
                    if len(acknowledged) >= 30 * (turn + 1):
                        enough.set()  # noqa: B023

            senders = [threading.Thread(target=send, args=(n,)) for n in range(6)]
            for sender in senders:
                sender.start()
            assert enough.wait(60)
            for pid in [*server.descendants(), server.process.pid]:
                os.kill(pid, signal.SIGKILL)
            for sender in senders:
                sender.join(60)

    with Server(tmp_path) as server:
        url = f"{server.url}/fhir"
        for value in acknowledged:
            query = f"Patient?identifier=urn:mrn|{value}&_revinclude=Goal:subject"
            found = requests.get(f"{url}/{query}", timeout=30).json()
            assert found["total"] == 1
            assert len(found["entry"]) == 4
        people = requests.get(f"{url}/Patient?_summary=count", timeout=30).json()["total"]
        goals = requests.get(f"{url}/Goal?_summary=count", timeout=30).json()["total"]
        assert people >= len(acknowledged) == len(set(acknowledged))
        assert goals == 3 * people
