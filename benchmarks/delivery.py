"""Many handoffs to many partners, of which some are down and some are slow.

`python -m benchmarks.delivery --handoffs 10000 --partners 20 --down 5 --slow 1 --seed 1` measures
how fast the healthy partners are served while the others are not, lets the others return, and asks
every partner for what it holds. Exit code 0 if everything arrived exactly once and people were
told at most five times per partner.
"""

import argparse
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import Crew, work
from fhirbridge.partners.http import Answer, PartnerSession
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import outbox_rows
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import DeliveryState

POLICY = Policy(
    first_wait_seconds=0.5,
    factor=2,
    longest_wait_seconds=5,
    max_age_seconds=72 * 3600,
    lease_seconds=30,
    read_timeout_seconds=10,
)
ALERTS_ALLOWED = 5


class Served:
    """A partner's process on a port of its own, which may be down."""

    def __init__(self, name: str) -> None:
        self.name = name
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.small_partner", str(self.port)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("http")

    def dial(self, fault: str, times: int) -> None:
        with PartnerSession(self.url.removesuffix("/fhir")) as session:
            if fault:
                body = {"fault": fault, "times": times, "method": "POST", "path": "/fhir"}
                session.ask("POST", "_dial", body=json.dumps(body).encode())
            else:
                session.ask("DELETE", "_dial")

    def tasks(self) -> Counter[str]:
        """How many Tasks it holds, by handoff."""
        with PartnerSession(self.url) as session:
            answer = session.ask("GET", "_all")
        assert isinstance(answer, Answer)
        held = json.loads(answer.body)["held"]
        return Counter(
            one["identifier"][0]["value"] for one in held if one["resourceType"] == "Task"
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)


def referral(number: int) -> Outgoing:
    """A small referral about nobody."""

    def entry(kind: str, **body: Any) -> dict[str, Any]:
        key = f"{number}-{kind}"
        return {
            "fullUrl": f"urn:uuid:{key}",
            "resource": {
                "resourceType": kind,
                "id": key,
                "identifier": [{"system": "urn:bench", "value": key}],
                **body,
            },
            "request": {
                "method": "POST",
                "url": kind,
                "ifNoneExist": f"identifier=urn:bench|{key}",
            },
        }

    patient = {"reference": f"urn:uuid:{number}-Patient"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry("Patient"),
            entry("CarePlan", status="active", intent="plan", subject=patient),
            entry("ServiceRequest", status="active", intent="order", subject=patient),
        ],
    }
    return Outgoing("referral", "bench", str(number), 1, bundle)


def run(chosen: argparse.Namespace, directory: Path) -> bool:
    """The whole run; prints a report."""
    chance = random.Random(chosen.seed)
    servers = [Served(f"partner-{number:02}") for number in range(chosen.partners)]
    down, slow = servers[: chosen.down], servers[chosen.down : chosen.down + chosen.slow]
    healthy = servers[chosen.down + chosen.slow :]
    bridge = bridges.build(Settings(database_url=f"sqlite:///{directory}/bench.db", part2=False))
    stop = threading.Event()
    worker = threading.Thread(target=work, args=(bridge, stop), kwargs={"crew": Crew(8, 2)})
    try:
        for server in (*slow, *healthy):
            server.start()
        for server in slow:
            server.dial("slow", 10**9)
        register(bridge, servers)
        began = time.monotonic()
        sent: dict[str, list[str]] = {server.name: [] for server in servers}
        for number in range(chosen.handoffs):
            server = chance.choice(servers)
            outgoing = referral(number)
            receipt = hand_over(bridge, server.name, lambda _session, o=outgoing: o)
            sent[server.name].append(receipt.handoff_id)
        enqueued = time.monotonic() - began
        wanted = {server.name: len(sent[server.name]) for server in servers}
        names = [server.name for server in healthy]
        worker.start()
        began = time.monotonic()
        served = wait(lambda: all(delivered(bridge, n) >= wanted[n] for n in names), chosen.limit)
        healthy_seconds = time.monotonic() - began
        still_waiting = {one.name: wanted[one.name] - delivered(bridge, one.name) for one in down}
        for server in down:
            server.start()
        for server in slow:
            server.dial("", 0)
        began = time.monotonic()
        rest = wait(
            lambda: all(delivered(bridge, one.name) >= wanted[one.name] for one in servers),
            chosen.limit,
        )
        rest_seconds = time.monotonic() - began
        faults = verify(servers, sent)
        told = Counter(one.partner for one in view.list_alerts(bridge, with_closed=True))
        report(
            chosen,
            {
                "healthyDelivered": served,
                "allDelivered": rest,
                "enqueuedPerSecond": round(chosen.handoffs / enqueued, 1),
                "healthyPerSecond": round(sum(wanted[n] for n in names) / healthy_seconds, 1),
                "healthySeconds": round(healthy_seconds, 1),
                "waitingWhileDown": sum(still_waiting.values()),
                "secondsAfterReturn": round(rest_seconds, 1),
                "afterReturnPerSecond": round(sum(still_waiting.values()) / rest_seconds, 1),
                "faults": dict(faults),
                "alertsPerPartner": dict(told),
            },
        )
        return served and rest and not faults and max(told.values(), default=0) <= ALERTS_ALLOWED
    finally:
        stop.set()
        if worker.is_alive():
            worker.join(60)
        for server in servers:
            server.stop()
        bridge.close()


def register(bridge: Bridge, servers: list[Served]) -> None:
    """Register all; those that are down were up when they were registered."""
    known = None
    for server in reversed(servers):
        wanted = Partner(
            server.name, server.url, policy=POLICY, follow_seconds=3600, probe={"lookUp": True}
        )
        if server.process is None and known is not None:
            with bridge.database.transaction() as session:
                partners.save(
                    session,
                    bridge,
                    replace(wanted, capability=known.capability, capability_at=known.capability_at),
                )
        else:
            known = partners.add(bridge, wanted).partner


def delivered(bridge: Bridge, partner: str) -> int:
    with bridge.database.read() as session:
        return outbox_rows.count(
            session, bridge.custodian.id, partner=partner, state=DeliveryState.DELIVERED
        )


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.2)
    return True


def verify(servers: list[Served], sent: dict[str, list[str]]) -> Counter[str]:
    """What is missing at a partner, and what is there twice."""
    faults: Counter[str] = Counter()
    for server in servers:
        held = server.tasks()
        faults["lost"] += sum(held[one] == 0 for one in sent[server.name])
        faults["twice"] += sum(held[one] > 1 for one in sent[server.name])
        faults["astray"] += len(held.keys() - set(sent[server.name]))
    return +faults


def report(chosen: argparse.Namespace, figures: dict[str, Any]) -> None:
    asked = {
        name: getattr(chosen, name) for name in ("handoffs", "partners", "down", "slow", "seed")
    }
    print(json.dumps({**asked, **figures, "commit": commit(), "machine": machine()}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--handoffs", type=int, default=10_000)
    parser.add_argument("--partners", type=int, default=20)
    parser.add_argument("--down", type=int, default=5)
    parser.add_argument("--slow", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=float, default=7200, help="seconds for each half")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fhirbridge-delivery-") as directory:
        return 0 if run(chosen, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
