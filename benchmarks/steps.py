"""kill -9 after every step of a send, and every answer lost once, at partners of several kinds.

`python -m benchmarks.steps --seed 1` hands a synthetic discharge plan over
again and again: each time the sending process is killed at another request, before it is written
or after the partner carried it out, or the answer is lost. Partners: a small server that takes
transactions, conditional creates, or creates after a search; the same without any look-up; and
sekmet-fhir, as it comes, where it is installed. Exit code 0 if partners with a
look-up hold exactly one of each resource with intact references, the others at most one.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qs

from benchmarks import servers
from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge import synthetic
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.receive import prepare
from fhirbridge.fhir import bundles, wire
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.deliver import attempt
from fhirbridge.handoffs.send import hand_over
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.http import Answer, Exchange, NoAnswer, PartnerSession
from fhirbridge.partners.links import links_of
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import outbox_rows
from fhirbridge.storage.database import Database
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import DeliveryState

How = Literal["kill before", "kill after", "lose"]
POLICY = Policy(
    first_wait_seconds=0.01,
    factor=1,
    longest_wait_seconds=0.02,
    max_age_seconds=3600,
    lease_seconds=0.4,
    read_timeout_seconds=20,
)
_MOST_STEPS = 500
_REGISTERS = ("Organization", "Practitioner", "PractitionerRole", "Location", "HealthcareService")


@dataclass
class Kind:
    """A kind of partner: its address, and what we are to believe that it can do."""

    name: str
    url: str
    system: tuple[str, ...] | None = None  # None: as its CapabilityStatement says
    conditional: bool = True
    looks_up: bool = True
    listed: bool = True  # it tells all that it holds under _all
    figures: Counter[str] = field(default_factory=Counter)


class Sender:
    """Attempts in processes of their own, which die at a request."""

    def __init__(self, bridge: Bridge, url: str) -> None:
        self._bridge = bridge
        self._url = url

    def attempt(self, how: How | None, number: int) -> bool:
        """Try what is due, dying or losing the answer at the request with this number.

        Returns True if the process came so far.
        """
        child = os.fork()
        if child == 0:
            os._exit(self._try(how, number))
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) < 2, "an attempt failed"
        return os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 1

    def _try(self, how: How | None, number: int) -> int:
        try:
            database = Database(self._url)
            bridge = replace(self._bridge, database=database)
            database.act_for(bridge.custodian)
            seen = disturb(how, number)
            attempt(bridge, bridge.new_id())
            database.close()
        except BaseException as exc:
            sys.stderr.write(f"{type(exc).__name__}: {exc}\n")
            return 2
        return int(how is not None and seen[0] >= number)


def disturb(how: How | None, number: int) -> list[int]:
    """Let one request of this process go wrong; returns a list with the requests so far."""
    real = PartnerSession.ask
    seen = [0]

    def ask(self: PartnerSession, method: str, reference: str = "", **more: Any) -> Exchange:
        if reference == "metadata":
            return real(self, method, reference, **more)
        seen[0] += 1
        if how is None or seen[0] != number:
            return real(self, method, reference, **more)
        if how == "kill before":
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(self, method, reference, **more)
        if how == "kill after":
            os.kill(os.getpid(), signal.SIGKILL)
        assert isinstance(answer, Answer)
        return NoAnswer(sent=True, error_class="no-answer")

    PartnerSession.ask = ask  # type: ignore[method-assign]
    return seen


def play(kind: Kind, seed: int, directory: Path, every: int) -> None:
    """All steps of a send to one kind of partner; what is wrong is counted in its figures."""
    url = f"sqlite:///{directory}/{kind.name}.db"
    bridge = bridges.build(Settings(database_url=url, part2=False))
    register(bridge, kind)
    kind.figures["resources"] = 0
    person = seed * 1_000_000
    try:
        for how in get_args(How):
            for number in range(1, _MOST_STEPS, every):
                person += 1
                if not one_send(bridge, kind, url, how, number, person):
                    break
                kind.figures[how] += 1
    finally:
        bridge.close()


def one_send(bridge: Bridge, kind: Kind, url: str, how: How, number: int, person: int) -> bool:
    """Hand one plan over, disturbed at one request. False if there were not so many requests."""
    document = synthetic.aftercare_plan(person)
    prepared = prepare(document, bridge.mappings, bridge.custodian.namespace)
    receipt = hand_over(bridge, kind.name, Receiving(bridge, prepared))
    sender = Sender(bridge, url)
    came = sender.attempt(how, number)
    pause = threading.Event()
    deadline = time.monotonic() + 120
    while (row := view.show(bridge, str(receipt.outbox_id)).row).state in (
        DeliveryState.QUEUED,
        DeliveryState.LEASED,
    ):
        assert time.monotonic() < deadline, f"{kind.name}: {how} at {number} does not end"
        pause.wait(0.05)
        sender.attempt(None, 0)
    with bridge.database.read() as session:
        body = outbox_rows.body_of(session, bridge.custodian.id, row.id)
    kind.figures[f"ended {row.state.value}"] += 1
    faults = verify(kind, wire.parse(body), row.state, row.result)
    kind.figures.update(faults)
    if faults:
        print(kind.name, how, number, dict(faults), file=sys.stderr)
    return came


def verify(
    kind: Kind, body: Resource, state: DeliveryState, places: dict[str, str]
) -> Counter[str]:
    """What is wrong at the partner: lost, twice, broken links."""
    faults: Counter[str] = Counter()
    ended = {DeliveryState.DELIVERED}
    faults["not ended well"] += state not in (
        ended if kind.looks_up else ended | {DeliveryState.NEEDS_PERSON}
    )
    with PartnerSession(kind.url) as session:
        everything = get(session, "_all")["held"] if kind.listed else []
        for entry in bundles.entries_of(body):
            search = str(entry.request.get("ifNoneExist") or "")
            if not search:
                continue
            held = find(session, everything, str(entry.request["url"]), search, kind)
            if entry.full_url in places:
                kind.figures["resources"] += 1
                faults["lost"] += not held
            else:  # not come to yet, or the plan says that the partner has not this type
                kind.figures["not taken"] += state is DeliveryState.DELIVERED
            # Without a look-up nobody can tell whether a facility came with somebody else's plan.
            shared = not kind.looks_up and str(entry.request["url"]) in _REGISTERS
            faults["twice"] += len(held) > 1 and not shared
            for resource in held if kind.looks_up else ():
                faults["broken link"] += sum(
                    not exists(session, everything, link, kind)
                    for link in links_of(resource)
                    if not link.startswith(("#", "http"))
                )
    return +faults


def find(
    session: PartnerSession, everything: list[Resource], kind: str, search: str, partner: Kind
) -> list[Resource]:
    if not partner.listed:
        return bundles.resources_of(get(session, f"{kind}?{search}"), kind)
    system, _, value = parse_qs(search)["identifier"][0].partition("|")
    return [
        one
        for one in everything
        if one["resourceType"] == kind
        and any(
            (each.get("system"), each.get("value")) == (system, value)
            for each in listed(one.get("identifier"))
        )
    ]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def exists(session: PartnerSession, everything: list[Resource], link: str, kind: Kind) -> bool:
    if kind.listed:
        return any(f"{one['resourceType']}/{one['id']}" == link for one in everything)
    answer = session.ask("GET", link)
    return isinstance(answer, Answer) and answer.status == 200


def get(session: PartnerSession, reference: str) -> Any:
    answer = session.ask("GET", reference)
    assert isinstance(answer, Answer)
    assert answer.status == 200, (reference, answer.status)
    return json.loads(answer.body)


def register(bridge: Bridge, kind: Kind) -> None:
    added = partners.add(
        bridge, Partner(kind.name, kind.url, policy=POLICY, probe={"lookUp": True})
    ).partner
    assert added.capability is not None
    if kind.system is None:
        return
    rest = added.capability["rest"][0]
    rest["interaction"] = [{"code": code} for code in kind.system]
    for resource in rest["resource"]:
        resource["conditionalCreate"] = kind.conditional
    with bridge.database.transaction() as session:
        partners.save(session, bridge, added)


@contextlib.contextmanager
def small(*options: str) -> Iterator[str]:
    """A small partner in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.small_partner", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.terminate()
    process.wait(20)


def kinds(stack: contextlib.ExitStack, directory: Path, python: str) -> list[Kind]:
    full = stack.enter_context(small("--whole"))
    single = stack.enter_context(small("--whole", "--single"))
    made = [
        Kind("transaction", full, ("transaction",)),
        Kind("conditional-create", full, ()),
        Kind("search-then-create", full, (), conditional=False),
        Kind("single", single, looks_up=False),
    ]
    if servers.has(python, "sekmet"):
        server = stack.enter_context(servers.sekmet(python, directory))
        made.append(Kind("sekmet-fhir", server.base, listed=False))
    return made


def run(chosen: argparse.Namespace, directory: Path, say: Callable[[str], None]) -> bool:
    """All kinds of partners; prints a line for each."""
    good = True
    with contextlib.ExitStack() as stack:
        for kind in kinds(stack, directory, chosen.peers_python):
            if chosen.only and kind.name != chosen.only:
                continue
            began = time.monotonic()
            play(kind, chosen.seed, directory, chosen.every)
            faults = {
                name: count
                for name, count in kind.figures.items()
                if count and name in ("lost", "twice", "broken link", "not ended well")
            }
            good = good and not faults
            seconds = round(time.monotonic() - began, 1)
            told = {**kind.figures, "faults": faults, "seconds": seconds}
            say(json.dumps({"partner": kind.name, **told}))
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="only every n-th step")
    parser.add_argument("--only", default="", help="one kind of partner")
    parser.add_argument("--peers-python", default=sys.executable, help="one with sekmet-fhir")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fhirbridge-steps-") as directory:
        good = run(chosen, Path(directory), print)
    print(json.dumps({"seed": chosen.seed, "good": good, "commit": commit(), "machine": machine()}))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
