"""kill -9 at random while documents are handed over: nothing is lost, nothing arrives twice.

`python -m benchmarks.crash --handoffs 200 --seed 1` runs a feeder (it takes documents in and
acknowledges each handoff once it is committed), two delivery processes and an EHR with its own
database, kills one of them every moment and starts it again, and then asks the EHR for every
resource of every acknowledged handoff. Exit code 0 if all is there exactly once.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge import synthetic
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.receive import prepare
from fhirbridge.fhir import bundles, wire
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.send import hand_over
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer, PartnerSession
from fhirbridge.partners.links import links_of
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body
from fhirbridge.storage import outbox_rows
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import DeliveryState

POLICY = Policy(
    first_wait_seconds=0.1,
    factor=2,
    longest_wait_seconds=1,
    max_age_seconds=3600,
    lease_seconds=4,
    read_timeout_seconds=8,
)


class Victim:
    """A process that is killed and started again; `lines` are what it acknowledged."""

    def __init__(self, name: str, arguments: list[str], database: Path) -> None:
        self.name = name
        self.kills = 0
        self.lines: list[str] = []
        self.arguments = arguments
        self._environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")},
            "FHIRBRIDGE_DATABASE_URL": f"sqlite:///{database}",
            "FHIRBRIDGE_PART2": "off",  # what a consent withholds would look like a loss
        }
        self.start()

    def start(self) -> None:
        """Start it, and collect what it prints."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.arguments],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self._reader.start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.endswith("\n"):
                self.lines.append(line.strip())

    def kill(self) -> None:
        """kill -9, and start again."""
        self.stop(signal.SIGKILL)
        self.kills += 1
        if self.name == "feeder":
            self.arguments[-1] = str(len({line.split()[0] for line in self.lines}))
        self.start()

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """End it; returns its exit code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(60)
        self._reader.join(10)
        return code


def feed(handoffs: int, seed: int, first: int) -> None:
    """Hand over documents from the first; each is acknowledged by a line once it is committed."""
    settings = Settings(database_url=os.environ["FHIRBRIDGE_DATABASE_URL"], part2=False)
    bridge = bridges.build(settings)
    for number in range(first, handoffs):
        document = synthetic.aftercare_plan(seed * 100_000 + number)
        prepared = prepare(document, bridge.mappings, bridge.custodian.namespace)
        receipt = hand_over(bridge, "ehr", Receiving(bridge, prepared))
        sys.stdout.write(f"{number} {receipt.outbox_id}\n")
        sys.stdout.flush()
    bridge.close()


def run(handoffs: int, seed: int, directory: Path) -> bool:
    """The whole run; prints a report. True if nothing was lost and nothing doubled."""
    chance = random.Random(seed)
    began = time.monotonic()
    provider = directory / "provider.db"
    ehr = Victim("ehr", ["fhirbridge.demo.ehr", "0"], directory / "ehr.db")
    wait(lambda: bool(ehr.lines))
    url = ehr.lines[0]
    ehr.arguments[1] = url.rpartition(":")[2].partition("/")[0]
    bridge = bridges.build(Settings(database_url=f"sqlite:///{provider}", part2=False))
    hospital = Recipient("Example Hospital", classes=("TREATER",), covered_entity=True)
    ehr_partner = Partner("ehr", url, policy=POLICY, recipient=hospital, probe={"lookUp": True})
    assert not partners.add(bridge, ehr_partner).unreachable
    work = ["fhirbridge", "work", "--threads", "2", "--per-partner", "3"]
    feeder = Victim(
        "feeder", ["benchmarks.crash", "--feed", str(handoffs), str(seed), "0"], provider
    )
    workers = [Victim(f"worker-{n}", work, provider) for n in (1, 2)]
    victims = [feeder, ehr, *workers]
    pause = threading.Event()
    try:
        while feeder.process.poll() is None or len(delivered(bridge)) < handoffs:
            # Every kill follows some progress, so that the run ends however slow the machine is.
            goal = progress(feeder, bridge) + chance.randint(1, 2)
            wait(partial(has_come_to, goal, feeder, bridge), seconds=15)
            pause.wait(chance.uniform(0, 0.5))
            victim = chance.choice(victims)
            if victim.process.poll() is None:
                victim.kill()
            if time.monotonic() - began > 120 + 10 * handoffs:
                break
        wait(lambda: feeder.process.poll() is not None, seconds=120)
        wait(lambda: len(delivered(bridge)) >= handoffs, seconds=120)
        wait(partial(is_up, url))  # the last kill may have been the EHR's
        faults = verify(bridge, url, acknowledged(feeder))
    finally:
        codes = [victim.stop() for victim in workers]
        ehr.stop()
        if feeder.process.poll() is None:
            feeder.stop(signal.SIGKILL)
        bridge.close()
    report(handoffs, seed, victims, faults, seconds=time.monotonic() - began)
    # One that was killed last may still be starting, and then SIGTERM ends it as it ends Python.
    return not faults and set(codes) <= {0, -signal.SIGTERM}


def wait(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Ask again and again until the condition holds, or the time is over."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition() and time.monotonic() < deadline:
        pause.wait(0.05)


def progress(feeder: Victim, bridge: Bridge) -> int:
    """How much was acknowledged and delivered so far."""
    return len(acknowledged(feeder)) + len(delivered(bridge))


def has_come_to(goal: int, feeder: Victim, bridge: Bridge) -> bool:
    """True once so much was acknowledged and delivered."""
    return progress(feeder, bridge) >= goal


def is_up(url: str) -> bool:
    """True once the EHR answers."""
    with PartnerClient(PartnerSession(url)) as client:
        answer = client.read("metadata")
    return isinstance(answer, Answer) and answer.status == 200


def acknowledged(feeder: Victim) -> set[int]:
    """The outbox ids that the feeder acknowledged, over all its lives."""
    return {int(line.split()[1]) for line in feeder.lines if len(line.split()) == 2}


def delivered(bridge: Bridge) -> list[view.Delivery]:
    return view.list_deliveries(bridge, states=(DeliveryState.DELIVERED,), limit=10_000)


def verify(bridge: Bridge, url: str, promised: set[int]) -> Counter[str]:
    """What is wrong: acknowledged but not delivered, missing at the EHR, there twice, broken."""
    faults: Counter[str] = Counter()
    rows = {one.row.id: one.row for one in view.list_deliveries(bridge, limit=10_000)}
    known: dict[str, Resource] = {}
    with PartnerClient(PartnerSession(url)) as client:
        for outbox_id in sorted(promised | rows.keys()):
            row = rows.get(outbox_id)
            if row is None or row.state is not DeliveryState.DELIVERED:
                faults["acknowledged, not delivered"] += 1
                continue
            with bridge.database.read() as session:
                body = outbox_rows.body_of(session, bridge.custodian.id, outbox_id)
            for entry in bundles.entries_of(wire.parse(body)):
                url = str(entry.request["url"])
                search = entry.request.get("ifNoneExist")  # a Provenance is placed, not searched
                found = _held(client, f"{url}?{search}" if search else url, known)
                faults["lost"] += not found
                faults["twice"] += len(found) > 1
                for resource in found:
                    faults["broken link"] += sum(
                        not _held(client, reference, known) for reference in _links(resource)
                    )
    return +faults


def _held(client: PartnerClient, reference: str, known: dict[str, Resource]) -> list[Resource]:
    if reference not in known:
        answer = client.read(reference)
        good = isinstance(answer, Answer) and answer.status == 200
        known[reference] = (
            read_body(answer) if good and isinstance(answer, Answer) else None
        ) or {}
    body = known[reference]
    if body.get("resourceType") == "Bundle":
        return bundles.resources_of(body)
    return [body] if body else []


def _links(resource: Resource) -> list[str]:
    return [link for link in links_of(resource) if "/" in link or link.startswith("urn:")]


def report(
    handoffs: int, seed: int, victims: list[Victim], faults: Counter[str], *, seconds: float
) -> None:
    print(
        json.dumps(
            {
                "handoffs": handoffs,
                "seed": seed,
                "acknowledged": len(acknowledged(victims[0])),
                "kills": {victim.name: victim.kills for victim in victims},
                "faults": dict(faults),
                "seconds": round(seconds, 1),
                "commit": commit(),
                "machine": machine(),
            }
        )
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--handoffs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--feed", nargs=3, type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.feed:
        feed(*chosen.feed)
        return 0
    with tempfile.TemporaryDirectory(prefix="fhirbridge-crash-") as directory:
        return 0 if run(chosen.handoffs, chosen.seed, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
