"""Consents are revoked while what they permit is being delivered.

`python -m benchmarks.revocation --handoffs 300 --revoke 100 --seed 1` hands plans to partners by
transactions and by many single requests; two delivery processes send them, and meanwhile officers
revoke the consents of some of the patients. The partners note when each request begins. Exit code
0 if for no patient a request began after the effective time that was reported, and every send
that was under way when the fence went up is in the list.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from werkzeug.serving import BaseWSGIServer, make_server

from benchmarks.small_partner import KeepAlive, SmallServer
from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge import synthetic
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.receive import prepare
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.send import hand_over
from fhirbridge.operations.consents import Revocation, revoke
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import consents, outbox_rows
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import UNFINISHED, DeliveryState

POLICY = Policy(first_wait_seconds=0.2, longest_wait_seconds=1, lease_seconds=30)
HOSPITAL = Recipient("Example Hospital", classes=("TREATER",), covered_entity=True)
_LIMIT_SECONDS = 1800


@dataclass(frozen=True)
class Request:
    """A request as a partner saw it: of which attempt, and when it began and ended."""

    request_id: str
    began: datetime
    ended: datetime


class Watched:
    """A small partner that takes its time, and notes when each request begins and ends."""

    def __init__(self, chance: random.Random) -> None:
        self.requests: list[Request] = []
        self._app = SmallServer(single=False)
        self._waits = [chance.uniform(0, 0.15) for _ in range(1000)]
        self.server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, self, threaded=True, request_handler=KeepAlive
        )
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/fhir"

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        began = datetime.now(UTC)
        request_id = environ.get("HTTP_X_REQUEST_ID", "")
        if not environ["PATH_INFO"].endswith("/metadata"):
            wait = self._waits[len(self.requests) % len(self._waits)]
            threading.Event().wait(wait)
        answer = self._app(environ, start)
        if not environ["PATH_INFO"].endswith("/metadata"):
            self.requests.append(Request(request_id, began, datetime.now(UTC)))
        return answer

    def stop(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


@dataclass(frozen=True)
class Revoked:
    """What officers were told for one patient, and when the first fence went up."""

    patient_key: int
    up_at: datetime
    told: tuple[Revocation, ...]

    @property
    def in_flight(self) -> frozenset[int]:
        return frozenset(one for each in self.told for one in each.in_flight)


def run(chosen: argparse.Namespace, directory: Path) -> bool:
    """The whole run; prints a report."""
    chance = random.Random(chosen.seed)
    url = f"sqlite:///{directory}/ours.db"
    bridge = bridges.build(Settings(database_url=url))
    watched = [Watched(chance) for _ in range(chosen.partners)]
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for number, one in enumerate(watched):
            register(bridge, f"partner-{number}", one.url, singly=number % 2 == 1)
        keys = {}
        for number in range(chosen.handoffs):
            document = synthetic.aftercare_plan(chosen.seed * 1_000_000 + number)
            prepared = prepare(document, bridge.mappings, bridge.custodian.namespace)
            name = f"partner-{number % len(watched)}"
            receipt = hand_over(bridge, name, Receiving(bridge, prepared))
            keys[receipt.outbox_id] = key_of(bridge, receipt.outbox_id)
        workers = [start(url) for _ in range(2)]
        revoked = revoke_meanwhile(bridge, chosen.revoke, chance, set(keys.values()))
        wait(lambda: not unfinished(bridge))
        faults, figures = judge(bridge, revoked, [r for one in watched for r in one.requests])
        report(chosen, faults, figures)
        return not faults
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait(60)
        for one in watched:
            one.stop()
        bridge.close()


def register(bridge: Bridge, name: str, url: str, *, singly: bool) -> None:
    added = partners.add(
        bridge, Partner(name, url, policy=POLICY, recipient=HOSPITAL, probe={"lookUp": True})
    ).partner
    assert added.capability is not None
    if singly:
        added.capability["rest"][0]["interaction"] = []
        with bridge.database.transaction() as session:
            partners.save(session, bridge, added)


def start(url: str) -> "subprocess.Popen[bytes]":
    """A delivery process."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("FHIRBRIDGE_")}
    return subprocess.Popen(
        [sys.executable, "-m", "fhirbridge", "work", "--threads", "4", "--per-partner", "2"],
        env={**kept, "FHIRBRIDGE_DATABASE_URL": url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def key_of(bridge: Bridge, outbox_id: int) -> int:
    return view.show(bridge, str(outbox_id)).row.patient_key


def unfinished(bridge: Bridge) -> bool:
    with bridge.database.read() as session:
        return bool(outbox_rows.list_rows(session, bridge.custodian.id, states=UNFINISHED, limit=1))


def revoke_meanwhile(
    bridge: Bridge, count: int, chance: random.Random, keys: set[int]
) -> list[Revoked]:
    """Let officers revoke one patient after the other, most of them while their plan is sent."""
    left = set(keys)
    pending: list[Future[Revoked]] = []
    with ThreadPoolExecutor(6) as officers:
        for number in range(count):
            wait(lambda: bool(leased(bridge) & left) or not unfinished(bridge))
            now = leased(bridge) & left
            key = chance.choice(sorted(now if now and number % 4 else left))
            left.discard(key)
            pending.append(officers.submit(revoke_all, bridge, key))
        return [one.result() for one in pending]


def leased(bridge: Bridge) -> set[int]:
    """The patients whose plans are being sent at this moment."""
    with bridge.database.read() as session:
        rows = outbox_rows.list_rows(
            session, bridge.custodian.id, states=(DeliveryState.LEASED,), limit=100
        )
    return {row.patient_key for row in rows}


def revoke_all(bridge: Bridge, patient_key: int) -> Revoked:
    """Revoke every consent of a patient, one after the other."""
    with bridge.database.read() as session:
        found = consents.of_patient(session, bridge.custodian.id, patient_key)
    names = sorted({each.consent_id for each in found})
    told = tuple(revoke(bridge, name, by="officer", wait_seconds=600) for name in names)
    with bridge.database.read() as session:
        marks = [
            mark
            for name in names
            for mark in consents.marks_of(session, bridge.custodian.id, name)
            if mark.kind == "revoking"
        ]
    return Revoked(patient_key, min(mark.made_at for mark in marks), told)


def judge(
    bridge: Bridge, revoked: list[Revoked], requests: list[Request]
) -> tuple[Counter[str], Counter[str]]:
    """What was not as promised, and how often each case came about."""
    faults: Counter[str] = Counter()
    figures: Counter[str] = Counter(requests=len(requests))
    by_key: dict[int, list[tuple[int, Request]]] = {}
    with bridge.database.read() as session:
        rows = outbox_rows.list_rows(session, bridge.custodian.id, limit=100_000)
        owners: dict[str, outbox_rows.OutboxRow] = {}
        for row in rows:
            figures[f"ended {row.state.value}"] += 1
            for tried in outbox_rows.attempts_of(session, bridge.custodian.id, row.id):
                owners[str(tried.details.get("requestId"))] = row
    for one in requests:
        owner = owners.get(one.request_id)
        if owner is None:
            figures["looks at Tasks"] += 1  # a GET of the partner's own Task tells nothing
        else:
            by_key.setdefault(owner.patient_key, []).append((owner.id, one))
    for each in revoked:
        faults["never effective"] += sum(one.effective_at is None for one in each.told)
        effective = max(one.effective_at for one in each.told if one.effective_at)
        mine = by_key.get(each.patient_key, [])
        figures["had gone before"] += any(one.ended < each.up_at for _, one in mine)
        figures["on the wire at the fence"] += any(
            one.began <= each.up_at <= one.ended for _, one in mine
        )
        figures["waited for"] += bool(each.in_flight)
        figures["not begun"] += not mine
        faults["began after the effective time"] += sum(one.began > effective for _, one in mine)
        faults["not in the list"] += sum(
            one.ended > each.up_at and number not in each.in_flight for number, one in mine
        )
        began = {number for number, one in mine if one.ended < effective}
        faults["holder not named"] += bool(began) and not each.told[-1].holders
    return +faults, figures


def wait(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(_LIMIT_SECONDS * 20):
        if condition():
            return
        pause.wait(0.05)


def report(chosen: argparse.Namespace, faults: Counter[str], figures: Counter[str]) -> None:
    asked = {name: getattr(chosen, name) for name in ("handoffs", "revoke", "partners", "seed")}
    told = {**asked, **figures, "faults": dict(faults), "commit": commit(), "machine": machine()}
    print(json.dumps(told))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--handoffs", type=int, default=300)
    parser.add_argument("--revoke", type=int, default=100)
    parser.add_argument("--partners", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fhirbridge-revocation-") as directory:
        return 0 if run(chosen, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
