"""The FHIR REST API under load: `python -m benchmarks --only rest [--peers-python PATH]`.

One run on one machine, two workers under granian. Each figure of ours stands between two of the
floor, its ratio is to their mean. First without authentication (diagnostic), then with the token of
a system of the custodian's own and an audit row for every request, which the floor commits too; and
reads and searches by a system of another organization, for which the gate asks the consents.
Peers are measured where the Python that is named, or this one, has them:
`python -m venv PEERS && PEERS/bin/pip install sekmet-fhir fhirstarter uvicorn`.
"""

import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from benchmarks import rest_consents, servers
from benchmarks.load import Asked, measure
from benchmarks.servers import Server
from benchmarks.timing import Row
from fhirbridge import bridge as bridges
from fhirbridge.access import clients, keys
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.partners.token import ASSERTION_TYPE

PATIENTS = 50
PLANS_OF_A_PATIENT = 10
IN_A_TRANSACTION = 20
SECONDS = 3.0
ROUNDS = 2

GOAL_MEMORY = 200.0
JSON = {"Content-Type": "application/fhir+json"}


# The headers of a request, a token that is still accepted among them.
Speak: TypeAlias = Callable[[], Mapping[str, str]]


@dataclass(frozen=True)
class Work:
    """One kind of request, over how many connections, and the ratio to the floor to reach."""

    name: str
    asked: Callable[["Seeded"], Asked]
    connections: int
    goal: float
    peers: tuple[str, ...] = ("sekmet-fhir", "fhirstarter")


@dataclass(frozen=True)
class Seeded:
    """What a server was given before the clock runs, and how to speak to it."""

    server: Server
    speak: Speak
    patients: tuple[str, ...]
    plans: tuple[str, ...]


def _reads(seeded: Seeded) -> Asked:
    paths = tuple(f"/CarePlan/{one}" for one in seeded.plans)
    return Asked(paths, headers=seeded.speak())


def _searches(seeded: Seeded) -> Asked:
    paths = tuple(f"/CarePlan?subject=Patient/{one}" for one in seeded.patients)
    return Asked(paths, headers=seeded.speak())


def _creates(seeded: Seeded) -> Asked:
    body = json.dumps(plan(f"Patient/{seeded.patients[0]}")).encode()
    return Asked(("/CarePlan",), "POST", body, {**JSON, **seeded.speak()})


def _transactions(seeded: Seeded) -> Asked:
    body = json.dumps(transaction()).encode()
    return Asked(("",), "POST", body, {**JSON, **seeded.speak()})


WORK = (
    Work("read by id", _reads, 16, 0.45),
    Work("search by patient, ten hits", _searches, 16, 0.5),
    Work("transaction of twenty", _transactions, 4, 0.5, peers=("sekmet-fhir",)),
    Work("durable create", _creates, 16, 0.45),
)


def plan(subject: str) -> dict[str, object]:
    """A CarePlan of 2.3 kB, as an intensive outpatient program writes it."""
    system = "https://program.example.org/codes"
    week = ("Mo", "Tu", "We", "Th", "Fr")
    rows = "".join(f"<li>{day}: group from nine to twelve, then lunch.</li>" for day in week)
    return {
        "resourceType": "CarePlan",
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p>Plan</p><ul>{rows}</ul></div>',
        },
        "identifier": [{"system": "https://program.example.org/plans", "value": "P-100200"}],
        "status": "active",
        "intent": "plan",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://hl7.org/fhir/us/core/CodeSystem/careplan-category",
                        "code": "assess-plan",
                    }
                ],
                "text": "Assessment and plan",
            }
        ],
        "title": "Intensive outpatient program, six weeks, mornings",
        "subject": {"reference": subject},
        "period": {"start": "2026-01-05", "end": "2026-02-13"},
        "created": "2026-01-05T15:04:05Z",
        "activity": [
            {
                "detail": {
                    "kind": "ServiceRequest",
                    "code": {"coding": [{"system": system, "code": f"group-{number}"}]},
                    "status": "in-progress",
                    "scheduledTiming": {"repeat": {"count": 6, "period": 1, "periodUnit": "wk"}},
                    "description": "Group therapy, three hours, required, in group room two.",
                }
            }
            for number in range(len(week))
        ],
        "note": [{"text": "Prefers mornings. Takes the bus; no sessions before nine."}],
    }


def transaction() -> dict[str, object]:
    """A Bundle that creates a Patient and plans for it."""
    patient_url = "urn:uuid:6d0f4a2e-0000-4000-8000-000000000000"
    resources = [{"resourceType": "Patient", "active": True}]
    resources += [plan(patient_url) for _ in range(IN_A_TRANSACTION - 1)]
    entries = [
        {
            "fullUrl": f"{patient_url[:-3]}{number:03d}",
            "resource": resource,
            "request": {"method": "POST", "url": resource["resourceType"]},
        }
        for number, resource in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def creator(server: Server, speak: Speak) -> Callable[[Mapping[str, object]], str]:
    """What creates a resource on a server and tells its id."""
    opener = build_opener(ProxyHandler({}))
    headers = speak()

    def create(resource: Mapping[str, object]) -> str:
        request = Request(  # noqa: S310
            f"{server.base}/{resource['resourceType']}",
            json.dumps(resource).encode(),
            {**JSON, **headers},
        )
        with opener.open(request, timeout=60) as answer:
            location = answer.headers.get("Location")
            if location:
                return str(location).partition("/_history")[0].rpartition("/")[2]
            return str(json.load(answer)["id"])

    return create


def seed(server: Server, speak: Speak = dict) -> Seeded:
    """Give a server its patients and plans, by ordinary creates."""
    create = creator(server, speak)
    patients = [create({"resourceType": "Patient", "active": True}) for _ in range(PATIENTS)]
    plans = [
        create(plan(f"Patient/{patient}"))
        for patient in patients
        for _ in range(PLANS_OF_A_PATIENT)
    ]
    return Seeded(server, speak, tuple(patients), tuple(plans))


def rows(peers_python: str = sys.executable) -> list[Row]:
    """All figures of both tables."""
    with tempfile.TemporaryDirectory(prefix="fhirbridge-rest-") as folder:
        plain, audited = Path(folder) / "plain", Path(folder) / "audited"
        plain.mkdir()
        audited.mkdir()
        return [*_table(plain, peers_python), *_table(audited, "")]


def _table(folder: Path, peers_python: str) -> Iterator[Row]:
    """One table; the audited one, with tokens, where no peers are asked for."""
    is_audited = not peers_python
    name = "token and audit" if is_audited else "auth none (diagnostic)"
    yield Row(f"disk, {name}", "durable 4 kB writes, first", probe(folder), "/s")
    with contextlib.ExitStack() as stack:
        floor = seed(stack.enter_context(servers.floor_server(folder, audit=is_audited)))
        url = f"sqlite:///{folder}/bridge.db"
        settings = {"AUTH": "smart" if is_audited else "none"}
        client = Client(url) if is_audited else None
        server = stack.enter_context(servers.ours(url, settings))
        own = seed(server, client.at(server) if client else dict)
        peers = [seed(one) for one in _peers(stack, peers_python, folder)] if peers_python else []
        if client:  # before anything is created
            seen = _by_consent(url, own)
            for work in WORK[:2]:
                yield from _figures(work, "by consent, token and audit", floor, seen, [])
        for work in WORK:
            yield from _figures(work, name, floor, own, peers)
        yield Row(name, "memory of a worker", own.server.memory(), "MB", None, GOAL_MEMORY)
        for peer in peers:
            yield Row(name, f"memory of {peer.server.name}", peer.server.memory(), "MB")
    yield Row(f"disk, {name}", "durable 4 kB writes, last", probe(folder), "/s")


def _by_consent(url: str, own: Seeded) -> Seeded:
    """The same resources, as a clinic sees them by the consent of each patient."""
    create = creator(own.server, own.speak)
    program = create({"resourceType": "Organization", "active": True, "name": "Example Program"})
    made = [create(rest_consents.consent(one, program)) for one in own.patients]
    rest_consents.attest(url, made)
    seen = replace(own, speak=Client(url, rest_consents.CLINIC).at(own.server))
    asked = _searches(seen)
    request = Request(own.server.base + asked.paths[0], headers=dict(asked.headers))  # noqa: S310
    with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
        entries = json.load(answer).get("entry", ())
    found = sum(entry["resource"]["resourceType"] == "CarePlan" for entry in entries)
    if found != PLANS_OF_A_PATIENT:
        raise RuntimeError(f"By consent {found} of {PLANS_OF_A_PATIENT} plans are seen.")
    return seen


class Client:
    """A system, registered in a database, that asks for tokens: the custodian's own, or that of
    another organization.
    """

    def __init__(self, url: str, recipient: Recipient | None = None) -> None:
        self._key = ECKey.import_key(keys.new_key().private)
        jwks = {"keys": [self._key.as_dict(private=False)]}
        wanted = clients.Client(
            name="Benchmark",
            recipient=recipient,
            purposes=("TREAT",),
            scopes=("system/*.cruds",),
            jwks=jwks,
        )
        bridge = bridges.build(Settings(database_url=url))
        self._client_id = clients.add(bridge, wanted).client_id
        bridge.close()

    def at(self, server: Server) -> Speak:
        """What gives the headers for a server, with a fresh token."""
        address = server.base.removesuffix("/fhir") + "/auth/token"

        def speak() -> Mapping[str, str]:
            claims = {
                "iss": self._client_id,
                "sub": self._client_id,
                "aud": address,
                "exp": int(time.time()) + 240,
                "jti": str(uuid4()),
            }
            head = {"typ": "JWT", "alg": "ES384", "kid": self._key.kid}
            registry = JWSRegistry(algorithms=["ES384"])
            form = {
                "grant_type": "client_credentials",
                "scope": "system/*.cruds",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": jwt.encode(head, claims, self._key, registry=registry),
            }
            opener = build_opener(ProxyHandler({}))
            with opener.open(address, urlencode(form).encode(), timeout=60) as answer:
                return {"Authorization": f"Bearer {json.load(answer)['access_token']}"}

        return speak


def _peers(stack: contextlib.ExitStack, python: str, folder: Path) -> Iterator[Server]:
    if servers.has(python, "sekmet"):
        yield stack.enter_context(servers.sekmet(python, folder))
    if servers.has(python, "fhirstarter", "uvicorn"):
        yield stack.enter_context(servers.starter(python, folder))


def _cpu(group: str, name: str, found: list["_Measured"]) -> Row:
    return Row(group, f"{name}, CPU a request", statistics.fmean(one.cpu for one in found), "µs")


def _figures(
    work: Work, table: str, floor: Seeded, own: Seeded, peers: list[Seeded]
) -> Iterator[Row]:
    """Floor, ours, floor, ours, floor; then the peers, and the floor last."""
    group = f"{work.name}, {work.connections} clients, {table}"
    floors = [_load(work, floor)]
    ours: list[_Measured] = []
    for _ in range(ROUNDS):
        ours.append(_load(work, own))
        floors.append(_load(work, floor))
    ratios = [
        one.rate / statistics.fmean((floors[n].rate, floors[n + 1].rate))
        for n, one in enumerate(ours)
    ]
    others = [(peer, _load(work, peer)) for peer in peers if peer.server.name in work.peers]
    last = _load(work, floor) if others else floors[-1]
    yield Row(group, "floor, first", floors[0].rate, "/s", 1.0)
    rate = statistics.fmean(one.rate for one in ours)
    ratio = statistics.fmean(ratios)
    yield Row(group, "fhirbridge", rate, "/s", ratio, work.goal, at_least=True)
    # The same ratio in processor time, which other work on the machine disturbs less.
    yield _cpu(group, "floor", floors)
    own_cpu = _cpu(group, "fhirbridge", ours)
    floor_cpu = statistics.fmean(one.cpu for one in floors)
    yield replace(own_cpu, ratio=floor_cpu / own_cpu.value)
    yield Row(group, "fhirbridge, p50", statistics.fmean(one.p50 for one in ours), "ms")
    yield Row(group, "fhirbridge, p95", statistics.fmean(one.p95 for one in ours), "ms")
    near = statistics.fmean((floors[-1].rate, last.rate))
    for peer, load in others:
        yield Row(group, peer.server.name, load.rate, "/s", load.rate / near)
    yield Row(group, "floor, last", last.rate, "/s", last.rate / floors[0].rate)


@dataclass(frozen=True)
class _Measured:
    """A load, and the processor time of the server for one request, in microseconds."""

    rate: float
    p50: float
    p95: float
    cpu: float


def _load(work: Work, seeded: Seeded) -> _Measured:
    asked = work.asked(seeded)
    before = seeded.server.cpu()
    found = measure(seeded.server.base, asked, connections=work.connections, seconds=SECONDS)
    taken = seeded.server.cpu() - before
    if found.failed:
        raise RuntimeError(f"{seeded.server.name}: {found.failed} failed in '{work.name}'.")
    count = max(1.0, found.rate * SECONDS)
    return _Measured(found.rate, found.p50, found.p95, taken / count * 1e6)


def probe(folder: Path, *, seconds: float = 0.5) -> float:
    """Durable writes of 4 kB that the disk takes a second."""
    page = os.urandom(4096)
    count = 0
    with open(folder / "probe", "wb", buffering=0) as file:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            file.write(page)
            os.fdatasync(file.fileno())
            count += 1
        return count / (time.monotonic() - began)
