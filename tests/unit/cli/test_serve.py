"""`fhirbridge serve`: refuses strangers, tells when it is ready, ends with its parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from fhirbridge.cli.serve import _is_loopback
from tests import commands
from tests.served import Server


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104
        ("::", False),
        ("10.0.0.1", False),
        ("fhir.example", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert _is_loopback(host) is loopback


def run(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return commands.run("fhirbridge", *arguments, cwd=tmp_path, env={**os.environ, **environ})


def test_without_authentication_only_loopback_is_served(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", "--host", "0.0.0.0", FHIRBRIDGE_AUTH="none")  # noqa: S104

    assert refused.returncode == 2
    assert "loopback" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_elsewhere_than_on_loopback_the_own_address_must_be_known(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", "--host", "0.0.0.0")  # noqa: S104

    assert refused.returncode == 2
    assert "FHIRBRIDGE_PUBLIC_URL" in refused.stderr
    assert not list(tmp_path.iterdir())


def test_faulty_pack_of_a_site_does_not_start(tmp_path: Path) -> None:
    site = tmp_path / "site" / "codes"
    site.mkdir(parents=True)
    (site / "local.yaml").write_text("edition: ours\ntables: {}\n")

    refused = run(tmp_path, "serve", "--port", "0", FHIRBRIDGE_MAPPINGS=str(site.parent))

    assert refused.returncode == 2
    assert "codes/local.yaml:1: a code file needs edition and date." in refused.stderr


def test_port_in_use_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = run(tmp_path, "serve", "--port", str(port), "--no-deliver")

    assert refused.returncode == 2
    assert "cannot be listened on" in refused.stderr


def test_faulty_setting_is_said_before_anything_starts(tmp_path: Path) -> None:
    refused = run(tmp_path, "serve", FHIRBRIDGE_COLOUR="red")

    assert refused.returncode == 2
    assert "colour" in refused.stderr


def test_serves_until_sigterm(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert requests.get(f"{server.url}/fhir/metadata", timeout=10).status_code == 200
        assert requests.get(f"{server.url}/health/live", timeout=10).json() == {"status": "alive"}

        assert server.stop(signal.SIGTERM) == 0

        with pytest.raises(requests.ConnectionError):
            requests.get(f"{server.url}/health/live", timeout=2)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        children = server.descendants()
        assert len(children) >= 3  # the server and two workers

        server.stop(signal.SIGKILL)

        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in children):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_large_body_without_length_is_refused(tmp_path: Path) -> None:
    def chunks() -> object:
        for _ in range(50):
            yield b"x" * 1_000_000

    with Server(tmp_path) as server:
        answer = requests.post(
            f"{server.url}/fhir/Patient",
            data=chunks(),
            headers={"Content-Type": "application/fhir+json"},
            timeout=60,
        )

        assert answer.status_code == 413
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert requests.get(f"{server.url}/fhir/Patient", timeout=10).json()["total"] == 0
