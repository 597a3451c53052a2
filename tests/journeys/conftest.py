"""A real EHR in a process of its own behind a fault dial, and a bridge that sends to it."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.fhir import wire
from fhirbridge.handoffs import partners
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.http import Answer, PartnerSession
from fhirbridge.partners.registry import Partner
from fhirbridge.storage.database import Database
from fhirbridge.workflow.retry import Policy
from tests.commands import Process

SYSTEM = "https://iop.example/ids"
QUICK = Policy(
    first_wait_seconds=0.05,
    factor=1.5,
    longest_wait_seconds=0.5,
    max_age_seconds=60,
    lease_seconds=3,
    read_timeout_seconds=5,
)


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition holds; fail when it does not."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        pause.wait(0.02)


class Ehr:
    """The process, its FHIR API as seen by its own users, and its dial."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.directory = directory
        database = Database(f"sqlite:///{directory}/ehr.db")
        database.upgrade()  # quicker here, where the schema was made before
        database.close()
        self.start(port)
        self.session = PartnerSession(self.base_url)
        self._dial = PartnerSession(self.base_url.removesuffix("/fhir"))

    def start(self, port: int) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")}
        environment["FHIRBRIDGE_DATABASE_URL"] = f"sqlite:///{self.directory}/ehr.db"
        reading, writing = os.pipe()
        with open(reading) as said:
            self.process = Process(
                "fhirbridge.demo.ehr",
                str(port),
                cwd=self.directory,
                env=environment,
                stdout=writing,
                stderr=2,
            )
            os.close(writing)
            self.base_url = said.readline().strip()
        assert self.base_url, "the EHR did not start"

    def kill(self) -> None:
        """kill -9, and start again on the same port and database."""
        port = int(self.base_url.rpartition(":")[2].partition("/")[0])
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.start(port)

    def stop(self) -> None:
        self.session.close()
        self._dial.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)

    def arm(self, fault: str, *, times: int = 1, method: str = "POST") -> None:
        """Let the next requests with this method go wrong."""
        body = {"fault": fault, "times": times, "method": method, "path": "/fhir"}
        answer = self._dial.ask("POST", "_dial", body=json.dumps(body).encode())
        assert isinstance(answer, Answer)
        assert answer.status == 200

    def calm(self) -> None:
        """Let nothing more go wrong."""
        self._dial.ask("DELETE", "_dial")

    def dial(self) -> dict[str, Any]:
        answer = self._dial.ask("GET", "_dial")
        assert isinstance(answer, Answer)
        state: dict[str, Any] = json.loads(answer.body)
        return state

    def get(self, reference: str) -> Resource:
        answer = self.session.ask("GET", reference)
        assert isinstance(answer, Answer)
        assert answer.status == 200, answer.status
        return wire.parse(answer.body)

    def put(self, resource: Resource) -> None:
        reference = f"{resource['resourceType']}/{resource['id']}"
        answer = self.session.ask(
            "PUT",
            reference,
            body=wire.dump(resource),
            headers={"Content-Type": "application/fhir+json"},
        )
        assert isinstance(answer, Answer)
        assert answer.status in (200, 201), answer.body

    def holding(self, resource_type: str, value: str) -> list[Resource]:
        """What the EHR holds under an identifier value."""
        found = self.get(f"{resource_type}?identifier={value}")
        return [entry["resource"] for entry in found.get("entry", [])]


@pytest.fixture(scope="module")
def ehr(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ehr]:
    started = Ehr(tmp_path_factory.mktemp("ehr"))
    yield started
    started.stop()


@pytest.fixture
def bridge(tmp_path: Path, ehr: Ehr) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/provider.db", part2=False))
    register(built, ehr)
    yield built
    built.close()
    ehr.calm()


def register(bridge: Bridge, ehr: Ehr, *, name: str = "ehr", policy: Policy = QUICK) -> Partner:
    wanted = Partner(name, ehr.base_url, policy=policy, follow_seconds=0.05, probe={"lookUp": True})
    added = partners.add(bridge, wanted)
    assert not added.unreachable
    return added.partner


def case(name: str, *, version: int = 1, goal: str = "active", goals: int = 1) -> Outgoing:
    """A small referral of a synthetic person; `name` makes every identifier unique."""

    def url(kind: str) -> str:
        return f"urn:uuid:{kind.lower()}-{name}"

    def entry(kind: str, label: str = "", **body: Any) -> dict[str, Any]:
        key = f"{name}-{label or kind}"
        return {
            "fullUrl": url(label or kind),
            "resource": {
                "resourceType": kind,
                "id": url(label or kind).removeprefix("urn:uuid:"),
                "identifier": [{"system": SYSTEM, "value": key}],
                **body,
            },
            "request": {
                "method": "POST",
                "url": kind,
                "ifNoneExist": f"identifier={SYSTEM}|{key}",
            },
        }

    def to(kind: str) -> dict[str, str]:
        return {"reference": url(kind)}

    listed = [
        entry(
            "Goal",
            f"Goal{number}",
            lifecycleStatus=goal,
            description={"text": "Stay sober"},
            subject=to("Patient"),
        )
        for number in range(goals)
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            entry("Organization", name="Example IOP"),
            entry("Patient", managingOrganization=to("Organization")),
            *listed,
            entry(
                "CarePlan",
                status="active",
                intent="plan",
                subject=to("Patient"),
                goal=[to(f"Goal{number}") for number in range(goals)],
                activity=[{"reference": to("ServiceRequest")}],
            ),
            entry(
                "ServiceRequest",
                status="active",
                intent="order",
                subject=to("Patient"),
                basedOn=[to("CarePlan")],
            ),
        ],
    }
    return Outgoing("referral", "iop", name, version, bundle)
