"""The commands of README.md connect an EHR, and client libraries of others work unmodified.

All of it against a server as it is deployed, with two workers.
"""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from fhirclient.client import FHIRClient
from fhirclient.models.humanname import HumanName
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRPermissionDeniedException, FHIRUnauthorizedException
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, OperationOutcome, ResourceNotFound
from joserfc import jwt
from joserfc.jwk import ECKey

from fhirbridge import bridge as bridges
from fhirbridge.access import clients, keys
from fhirbridge.access.clients import Client
from fhirbridge.config import Settings
from tests.served import Server
from tests.test_container import of_last_stage

README = Path(__file__).parents[2] / "README.md"
COMMANDS = re.compile(r"^## Connect an EHR$.*?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Registered:
    """A server with two workers, and a system that may call it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.pair = keys.new_key()
        self.bridge = bridges.build(Settings(database_url=f"sqlite:///{folder}/fhirbridge.db"))
        wanted = Client(name="Own", scopes=("system/*.cruds",), jwks=self.pair.jwks)
        self.client_id = clients.add(self.bridge, wanted).client_id

    def assertion(self) -> str:
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": f"{self.url}/auth/token",
            "exp": int(time.time()) + 200,
            "jti": str(uuid4()),
        }
        header = {"typ": "JWT", "alg": "ES384", "kid": self.pair.private["kid"]}
        return jwt.encode(header, claims, ECKey.import_key(self.pair.private), ["ES384"])

    def token(self, scope: str = "system/*.cruds") -> str:
        answer = requests.post(
            f"{self.url}/auth/token",
            data={
                "grant_type": "client_credentials",
                "scope": scope,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self.assertion(),
            },
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    folder = tmp_path_factory.mktemp("libraries")
    with Server(folder, "--workers", "2", FHIRBRIDGE_AUTH="smart") as running:
        registered = Registered(running.url, folder)
        yield registered
        registered.bridge.close()


def test_fhirclient_gets_a_token_and_uses_it(served: Registered) -> None:
    smart = FHIRClient(
        settings={
            "app_id": served.client_id,
            "api_base": f"{served.url}/fhir/",
            "jwt_token": served.assertion(),
            "scope": "system/Patient.cruds",
        }
    )
    with pytest.raises(FHIRUnauthorizedException):
        list(Patient.where({}).perform_resources_iter(smart.server))
    smart.prepare()
    smart.server.authorize()
    patient = Patient()
    patient.name = [HumanName({"family": "Roe", "given": ["Ana"]})]

    created = patient.create(smart.server)
    read = Patient.read(created["id"], smart.server)
    read.active = True
    read.update(smart.server)
    found = list(Patient.where({"family": "roe"}).perform_resources_iter(smart.server))

    assert [each.id for each in found] == [created["id"]]
    assert found[0].active is True
    with pytest.raises(FHIRPermissionDeniedException):
        smart.server.request_json("Goal")
    found[0].delete()
    assert not list(Patient.where({"family": "roe"}).perform_resources_iter(smart.server))


def test_fhirpy_works_on_resources(served: Registered) -> None:
    client = SyncFHIRClient(f"{served.url}/fhir", authorization=f"Bearer {served.token()}")
    patient = client.resource("Patient", name=[{"family": "Poe"}], birthDate="1990-02-03")
    patient.save()
    goals = [
        client.resource(
            "Goal",
            lifecycleStatus="active",
            description={"text": f"Step {number}"},
            subject=patient.to_reference(),
        )
        for number in range(5)
    ]
    for goal in goals:
        goal.save()

    of_patient = client.resources("Goal").search(subject=patient.to_reference())
    patient["active"] = True
    patient.save()
    patient.refresh()

    assert patient["active"] is True
    assert len(of_patient.limit(2).fetch_all()) == 5
    # It counts with a parameter of another server, which only a lenient search ignores.
    lenient = SyncFHIRClient(
        client.url, client.authorization, extra_headers={"Prefer": "handling=lenient"}
    )
    assert lenient.resources("Goal").search(subject=patient.to_reference()).count() == 5
    assert client.resources("Patient").search(birthdate__lt="1991-01-01").first() == patient
    assert goals[0]["subject"].to_resource()["name"][0]["family"] == "Poe"
    with pytest.raises(OperationOutcome):
        client.resources("Patient").search(nothing="a").fetch()
    goals[0].delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Goal", goals[0]["id"]).to_resource()


def test_fhirpy_without_a_token_is_told_so(served: Registered) -> None:
    async def ask() -> None:
        await AsyncFHIRClient(f"{served.url}/fhir").resources("Patient").fetch()

    with pytest.raises(AuthorizationError, match="login"):
        asyncio.run(ask())


def test_revoked_client_is_out_at_once_in_all_workers(served: Registered) -> None:
    wanted = Client(name="Leaving", scopes=("system/*.rs",), jwks=served.pair.jwks)
    kept, served.client_id = served.client_id, clients.add(served.bridge, wanted).client_id
    token = served.token("system/*.rs")
    headers = {"Authorization": f"Bearer {token}", "Connection": "close"}

    def statuses() -> set[int]:
        url = f"{served.url}/fhir/Patient"
        return {requests.get(url, headers=headers, timeout=10).status_code for _ in range(12)}

    assert statuses() == {200}
    clients.revoke(served.bridge, served.client_id)
    served.client_id = kept

    assert statuses() == {401}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_commands_of_the_readme_connect_an_ehr(served: Registered) -> None:
    found = COMMANDS.search(README.read_text())
    assert found is not None
    (served.folder / "fixtures").symlink_to(README.parent / "fixtures")

    done = subprocess.run(
        ["bash", "-e", "-c", found[1].replace("http://127.0.0.1:8080", served.url)],
        cwd=served.folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")},
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert '"resourceType":"Bundle"' in done.stdout
    assert "Registered for Mercy Health" in done.stderr
    assert "Revoked since" in done.stderr
    assert len((served.folder / "token").read_text().strip()) >= 40


def test_health_check_of_the_container_tells_ready_from_not(served: Registered) -> None:
    command = json.loads(of_last_stage()["HEALTHCHECK"].partition("CMD ")[2])
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))

        def check(port: str) -> int:
            return subprocess.run(
                [sys.executable, *command[1:]],
                env={**os.environ, "FHIRBRIDGE_PORT": port},
                capture_output=True,
                timeout=60,
                check=False,
            ).returncode

        assert check(served.url.rpartition(":")[2]) == 0
        assert check(str(closed.getsockname()[1])) != 0
