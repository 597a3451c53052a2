"""kill -9 at random while transactions are written: no half of one, and no acknowledged one lost.

`python -m benchmarks.kills --transactions 1000 --seed 1 [--postgresql]` runs a server, writes to it
from several clients, kills its parent process alone or the whole group in turns, and starts it
again, until so many transactions are acknowledged. Then it asks the database itself: is every
acknowledged transaction there as a whole, is the feed without a gap, and would a re-index change a
row? Exit code 0 if all is well. With `--database URL` it writes to an empty database of yours.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import requests
import sqlalchemy as sa

from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import search_index, tables
from fhirbridge.storage.reindex import reindex
from fhirbridge.storage.resources import Circumstances
from tests.conformance.support import entry, goal, identified
from tests.postgresql import Postgres, server
from tests.served import Server

CLIENTS = 6
GOALS = 3
WHO = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
DERIVED = (*search_index.TABLES, tables.resource_patients, tables.local_references)


def bundle(client: int, number: int) -> Resource:
    """A transaction: a new patient, goals about them, and how far this client has come."""
    entries = [entry("POST", "Patient", identified(f"{client}-{number}"), full_url=WHO)]
    entries += [entry("POST", "Goal", goal(WHO)) for _ in range(GOALS)]
    progress = {"resourceType": "Basic", "id": f"client-{client}", "code": {"text": str(number)}}
    entries.append(entry("PUT", f"Basic/client-{client}", progress))
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


class Clients:
    """Clients that write transactions, each numbered; `acknowledged` are those that came back."""

    def __init__(self) -> None:
        self.acknowledged: list[tuple[int, int]] = []
        self._next = [0] * CLIENTS
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._unexpected: list[int] = []

    def start(self, url: str) -> None:
        """Write to a server until it is gone, or until told to stop."""
        self._stop.clear()
        self._threads = [
            threading.Thread(target=self._write, args=(url, client)) for client in range(CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def have_come_to(self, goal: int) -> bool:
        """True once so many transactions are acknowledged."""
        return len(self.acknowledged) >= goal

    def stop(self) -> None:
        """Wait until nobody writes any more. Raises if an answer was neither 200 nor 503."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
        assert not self._unexpected, self._unexpected

    def _write(self, url: str, client: int) -> None:
        with requests.Session() as session:
            while not self._stop.is_set():
                number = self._next[client]
                self._next[client] += 1
                try:
                    answer = session.post(f"{url}/fhir", json=bundle(client, number), timeout=60)
                except requests.RequestException:
                    return
                if answer.status_code == 200:
                    self.acknowledged.append((client, number))
                elif answer.status_code != 503:
                    self._unexpected.append(answer.status_code)


def run(transactions: int, seed: int, url: str, folder: Path, *, most: int = 60) -> Counter[str]:
    """Write and kill; returns counts: what was done, and every kind of fault, 0 if there is none.

    At most `most` transactions are acknowledged between two kills.
    """
    chance = random.Random(seed)
    clients, counts = Clients(), Counter[str]()
    lives = 0
    while len(clients.acknowledged) < transactions or lives < 2:
        lives += 1
        left = max(1, transactions - len(clients.acknowledged))
        goal_of_life = len(clients.acknowledged) + min(left, chance.randint(1, most))
        with Server(folder, "--workers", "2", FHIRBRIDGE_DATABASE_URL=url) as running:
            clients.start(running.url)
            _wait(partial(clients.have_come_to, goal_of_life))
            _kill(running, whole_group=lives % 2 == 0, counts=counts)
            clients.stop()
    counts["acknowledged"] = len(clients.acknowledged)
    bridge = bridges.build(Settings(database_url=url))
    try:
        verify(bridge, set(clients.acknowledged), counts)
    finally:
        bridge.close()
    return counts


def _wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "The server took nothing for two minutes."
        pause.wait(0.01)


def _kill(running: Server, *, whole_group: bool, counts: Counter[str]) -> None:
    children = running.descendants()
    for pid in [running.process.pid, *(children if whole_group else [])]:
        os.kill(pid, signal.SIGKILL)
    running.process.wait(60)
    counts["kills of the group" if whole_group else "kills of the parent"] += 1
    # The workers of a killed parent end by themselves, and take nothing new.
    _wait(lambda: not any(Path(f"/proc/{pid}").exists() and _runs(pid) for pid in children))


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def verify(bridge: Bridge, acknowledged: set[tuple[int, int]], counts: Counter[str]) -> None:
    """Count what is wrong with the database."""
    goals: Counter[str] = Counter()
    people: dict[str, str] = {}
    progress: dict[str, int] = {}
    for reference, resource in _current(bridge):
        match resource["resourceType"]:
            case "Goal":
                goals[resource["subject"]["reference"]] += 1
            case "Patient":
                people[reference] = resource["identifier"][0]["value"]
            case "Basic":
                progress[resource["id"]] = int(resource["code"]["text"])
    known = set(people.values())
    counts["stored"] = len(people)
    counts["lost"] = sum(f"{client}-{number}" not in known for client, number in acknowledged)
    counts["stored twice"] = len(people) - len(known)
    counts["halves"] = sum(goals[person] != GOALS for person in people)
    counts["halves"] += sum(reference not in people for reference in goals)
    counts["steps back"] = sum(
        progress.get(f"client-{client}", -1) < number for client, number in acknowledged
    )
    with bridge.database.read() as session:
        versions = tables.resource_versions.c
        seqs = session.execute(sa.select(versions.seq).order_by(versions.seq)).scalars().all()
    counts["gaps in the feed"] = sum(one != other for one, other in enumerate(seqs, 1))
    before = derived(bridge)
    circumstances = Circumstances(
        custodian_id=bridge.custodian.id,
        now=bridge.now(),
        zone=bridge.settings.zone,
        bases=(bridge.settings.own_base,),
    )
    reindex(bridge.database, circumstances, report=lambda _: None)
    after = derived(bridge)
    counts["index rows"] = sum(before.values())
    counts["index rows that a re-index changes"] = sum(
        ((before - after) + (after - before)).values()
    )


def _current(bridge: Bridge) -> list[tuple[str, Resource]]:
    r, v = tables.resources.c, tables.resource_versions.c
    query = sa.select(r.resource_type, r.resource_id, v.content).join_from(
        tables.resources, tables.resource_versions, v.seq == r.seq
    )
    with bridge.database.read() as session:
        rows = session.execute(query.where(r.deleted.is_(False))).all()
    return [(f"{row[0]}/{row[1]}", wire.parse(bytes(row[2]))) for row in rows]


def derived(bridge: Bridge) -> Counter[tuple[object, ...]]:
    """All rows that are made from resources."""
    found: Counter[tuple[object, ...]] = Counter()
    with bridge.database.read() as session:
        for table in DERIVED:
            found.update((table.name, *row) for row in session.execute(sa.select(table)))
    return found


FAULTS = (
    "lost",
    "stored twice",
    "halves",
    "steps back",
    "gaps in the feed",
    "index rows that a re-index changes",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--most", type=int, default=60, help="transactions between two kills")
    parser.add_argument("--postgresql", action="store_true", help="start one for this run")
    parser.add_argument("--database", default="", help="URL of an empty database")
    chosen = parser.parse_args()
    began = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fhirbridge-kills-")))
        url = chosen.database or f"sqlite:///{folder}/kills.db"
        if chosen.postgresql:
            postgres = Postgres(
                stack.enter_context(server(f"{os.getpid()}")), f"kills_{os.getpid()}"
            )
            stack.callback(postgres.close)
            url = postgres.new_database("_empty")
        counts = run(chosen.transactions, chosen.seed, url, folder, most=chosen.most)
    seconds = round(time.monotonic() - began, 1)
    kind = url.partition(":")[0]
    print(
        json.dumps(
            {"database": kind, "seed": chosen.seed, **counts, "seconds": seconds}
            | {"commit": commit(), "machine": machine()}
        )
    )
    return 1 if any(counts[fault] for fault in FAULTS) else 0


if __name__ == "__main__":
    sys.exit(main())
