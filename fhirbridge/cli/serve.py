"""`fhirbridge serve`: the web service and one delivery process, watched over together."""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FrameType
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli.work import look_for_faults
from fhirbridge.config import Settings
from fhirbridge.errors import Issue, Misconfigured
from fhirbridge.processes import end_with_parent

_GRACE_SECONDS = 30
_START_SECONDS = 60
_POLL_SECONDS = 0.1
# A delivery process that keeps failing is started again, but not in a tight loop.
_RESTART_SECONDS = 5


@click.command()
@click.option("--host", help="Address to listen on; only loopback without authentication.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 64), help="Web worker processes.")
@click.option("--no-deliver", is_flag=True, help="Start no delivery process.")
def command(host: str | None, port: int | None, workers: int | None, no_deliver: bool) -> None:
    """Serve the FHIR API and deliver handoffs until stopped."""
    settings = config.load()
    host = host or settings.host
    workers = workers or settings.workers
    _refuse_strangers(settings, host)
    port = _free_port(host, settings.port if port is None else port)
    # Children read their settings from the environment, as every process does.
    os.environ.update(
        {
            f"{config.PREFIX}HOST": host,
            f"{config.PREFIX}PORT": str(port),
            f"{config.PREFIX}WORKERS": str(workers),
        }
    )
    _look_for_faults()
    server = [sys.executable, "-m", "fhirbridge.web.server", host, str(port), str(workers)]
    deliverer = [sys.executable, "-m", "fhirbridge", "work"]
    _Supervisor(server, None if no_deliver else deliverer, _url(host, port)).run()


def _look_for_faults() -> None:
    """Faults show here, once, before anything starts: settings, database, packs, policy, clocks."""
    bridge = bridges.build(config.load())
    bridge.close()
    look_for_faults(bridge)


def _refuse_strangers(settings: Settings, host: str) -> None:
    """Without authentication only this machine may ask; with it, our name must be known.

    Raises Misconfigured.
    """
    if _is_loopback(host):
        return
    if settings.auth == "none":
        raise Misconfigured(
            Issue(
                "security",
                f"Without authentication (FHIRBRIDGE_AUTH=none), serve listens on loopback only,"
                f" and {host} is not loopback. Use --host 127.0.0.1.",
            )
        )
    if not settings.public_url:
        raise Misconfigured(
            Issue(
                "security",
                "Clients sign their requests for one address: set FHIRBRIDGE_PUBLIC_URL to the"
                " FHIR base as they see it, e.g. https://fhir.example.org/fhir.",
            )
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _free_port(host: str, port: int) -> int:
    """The port, once it is known that it can be listened on. Raises Misconfigured."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise Misconfigured(
                Issue("exception", f"{host} port {port} cannot be listened on: {exc.strerror}.")
            ) from exc
        return int(probe.getsockname()[1])


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass
class _Supervisor:
    """Starts the children, waits, and takes them down again."""

    server: Sequence[str]
    deliverer: Sequence[str] | None
    url: str
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _restart_at: float = 0.0
    _stopping: bool = False

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises Misconfigured if the web service ends by itself."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        try:
            self._children["web"] = _start(self.server)
            self._wait_until_ready()
            if self.deliverer and not self._stopping:
                self._children["delivery"] = _start(self.deliverer)
            while not self._stopping:
                self._look_after()
                time.sleep(_POLL_SECONDS)
        finally:
            self._end()

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        local = build_opener(ProxyHandler({}))  # a proxy of the environment is for elsewhere
        while not self._stopping:
            self._look_after()
            try:
                with local.open(f"{self.url}/health/ready", timeout=2) as answer:
                    if answer.status == 200:
                        click.echo(f"Ready. FHIR API: {self.url}/fhir", err=True)
                        return
            except (URLError, OSError):
                time.sleep(_POLL_SECONDS)
            if time.monotonic() > deadline:
                raise Misconfigured(
                    Issue("exception", f"The web service did not start in {_START_SECONDS} s.")
                )

    def _look_after(self) -> None:
        if self._children["web"].poll() is not None and not self._stopping:
            raise Misconfigured(Issue("exception", "The web service ended by itself."))
        delivery = self._children.get("delivery")
        if delivery is None or delivery.poll() is None or not self.deliverer:
            return
        now = time.monotonic()
        if not self._restart_at:
            click.echo("The delivery process ended; it is started again.", err=True)
            self._restart_at = now + _RESTART_SECONDS
        elif now >= self._restart_at:
            self._restart_at = 0.0
            self._children["delivery"] = _start(self.deliverer)

    def _end(self) -> None:
        running = [child for child in self._children.values() if child.poll() is None]
        for child in running:
            child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        for child in running:
            try:
                child.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a child that ends with this process; Ctrl-C reaches it through us only."""
    parent = os.getpid()
    return subprocess.Popen(  # noqa: S603
        arguments,
        start_new_session=True,
        preexec_fn=lambda: end_with_parent(parent),
    )
