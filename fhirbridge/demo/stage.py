"""The stage of the demo: a folder, the two servers as processes, and commands run as a user would.

Everything is on loopback, on free ports, in a temporary folder, untouched by the settings of
whoever runs it.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.bridge import Bridge
from fhirbridge.errors import Issue, Misconfigured
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.http import Answer, PartnerSession

_START_SECONDS = 60.0
_PAUSE_SECONDS = 0.05


def wait_until(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Ask again and again until a condition holds; False if it does not in this time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(_PAUSE_SECONDS)
    return True


@dataclass(frozen=True, slots=True)
class Stage:
    """Two servers that run: the provider's bridge and the EHR, each with its FHIR base."""

    directory: Path
    provider_url: str
    ehr_url: str
    bridge: Bridge

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which the provider's commands run."""
        return _environment(self.directory / "provider.db")

    def run(self, *arguments: str) -> JsonObject:
        """Run a command of ours for the provider; returns what it prints with --json."""
        done = self._command(*arguments, "--json")
        if done.returncode:
            words = done.stderr.decode(errors="replace").strip()
            raise Misconfigured(Issue("exception", f"`fhirbridge {arguments[0]}` failed: {words}"))
        answer: JsonObject = json.loads(done.stdout)
        return answer

    def hand_over(self, document: JsonObject, partner: str) -> JsonObject:
        """POST a document to the bridge for a partner; returns its answer: a receipt, or why not.

        `issues` has an error if consent or policy refuses it.
        """
        return self._post("api/handoffs", document, partner)

    def preview(self, document: JsonObject, partner: str) -> JsonObject:
        """What handing it over would send, and what would stay: the dry run."""
        return self._post("api/handoffs/$preview", document, partner)

    def _post(self, place: str, document: JsonObject, partner: str) -> JsonObject:
        body = json.dumps({"partner": partner, "document": document}).encode()
        headers = {"Content-Type": "application/json"}
        with PartnerSession(self.provider_url.removesuffix("/fhir")) as session:
            answer = session.ask("POST", place, body=body, headers=headers)
        if not isinstance(answer, Answer) or answer.status not in (200, 202, 403):
            raise Misconfigured(Issue("exception", "The bridge does not take the document."))
        told: JsonObject = json.loads(answer.body)
        return told

    def _command(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        return subprocess.run(  # noqa: S603
            [sys.executable, "-m", "fhirbridge", *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            check=False,
        )

    def dial(self, fault: str = "") -> JsonObject:
        """Arm a fault of the EHR for its next POST; returns what the dial tells."""
        body = json.dumps({"fault": fault, "path": "/fhir"}).encode() if fault else None
        with PartnerSession(self.ehr_url.removesuffix("/fhir")) as session:
            answer = session.ask("POST" if fault else "GET", "_dial", body=body)
        if not isinstance(answer, Answer) or answer.status != 200:
            raise Misconfigured(Issue("exception", "The dial of the EHR does not answer."))
        state: JsonObject = json.loads(answer.body)
        return state


@contextmanager
def stage() -> Iterator[Stage]:
    """Start both servers; stop them and remove the folder at the end.

    Raises Misconfigured if one does not start.
    """
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fhirbridge-")))
        ehr = _Server("ehr", ["fhirbridge.demo.ehr"], directory)
        stack.callback(ehr.stop)
        provider = _Server(
            "provider", ["fhirbridge", "serve", "--port", "0", "--workers", "1"], directory
        )
        stack.callback(provider.stop)
        ehr_url, provider_url = ehr.url(), provider.url()
        settings = config.Settings(database_url=f"sqlite:///{directory}/provider.db")
        bridge = bridges.build(settings)
        stack.callback(bridge.close)
        yield Stage(directory, provider_url, ehr_url, bridge)


class _Server:
    """One of our modules as a process; what it says goes into a file."""

    def __init__(self, name: str, module: list[str], directory: Path) -> None:
        self._name = name
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *module],
                cwd=directory,
                env=_environment(directory / f"{name}.db"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches it through us only
            )

    def url(self) -> str:
        """Its FHIR base, once it has said that it is ready."""

        def is_settled() -> bool:
            return bool(self._said()) or self._process.poll() is not None

        wait_until(is_settled, seconds=_START_SECONDS)
        if not self._said():
            raise Misconfigured(Issue("exception", f"The {self._name} of the demo did not start."))
        return self._said()

    def _said(self) -> str:
        words = self._log.read_text(encoding="utf-8", errors="replace").split()
        ends = [word for word in words if word.startswith("http://") and word.endswith("/fhir")]
        return ends[0] if ends else ""

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment(database: Path) -> dict[str, str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith(config.PREFIX)}
    return {
        **kept,
        "FHIRBRIDGE_DATABASE_URL": f"sqlite:///{database}",
        "FHIRBRIDGE_AUTH": "none",
    }
