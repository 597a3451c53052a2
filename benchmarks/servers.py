"""The servers that `python -m benchmarks --only rest` compares, each as processes of its own."""

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

from benchmarks import floor
from benchmarks.timing import ROOT

WORKERS = floor.WORKERS
_START_SECONDS = 90
_PORTS = range(20_000, 32_000)
_SEKMET = """\
base_url: http://127.0.0.1:{port}/fhir
host: 127.0.0.1
port: {port}
log_inbound: false
db_path: {folder}/sekmet.db
data_dir: {folder}
simulator: {{enabled: false}}
"""


@dataclass(frozen=True)
class Server:
    """A server that runs: where its FHIR base is, and the process that was started."""

    name: str
    base: str
    pid: int

    def memory(self) -> float:
        """Resident megabytes of the largest process of the server: a worker."""
        return max(_resident(pid) for pid in [self.pid, *_below(self.pid)])

    def cpu(self) -> float:
        """Seconds of processor time that all processes of the server have taken so far."""
        return sum(_taken(pid) for pid in [self.pid, *_below(self.pid)])


@contextlib.contextmanager
def floor_server(folder: Path, *, audit: bool = False) -> Iterator[Server]:
    """Bare WSGI over SQLite."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.floor", str(folder / "floor.db"), str(port)]
    base = f"http://127.0.0.1:{port}/fhir"
    with _running("floor", base, [*command, *(["--audit"] if audit else [])], {}) as server:
        yield server


@contextlib.contextmanager
def ours(url: str, settings: Mapping[str, str]) -> Iterator[Server]:
    """`fhirbridge serve` on a database."""
    port = free_port()
    environ = {f"FHIRBRIDGE_{name}": value for name, value in settings.items()}
    environ["FHIRBRIDGE_DATABASE_URL"] = url
    command = [sys.executable, "-m", "fhirbridge", "serve", "--no-deliver"]
    command += ["--port", str(port), "--workers", str(WORKERS)]
    base = f"http://127.0.0.1:{port}/fhir"
    with _running("fhirbridge", base, command, environ, at="/metadata") as server:
        yield server


@contextlib.contextmanager
def sekmet(python: str, folder: Path) -> Iterator[Server]:
    """sekmet-fhir, with its SQLite at full durability, as it comes."""
    port = free_port()
    settings = folder / "sekmet.yaml"
    settings.write_text(_SEKMET.format(port=port, folder=folder))
    command = [python, "-W", "ignore", "-m", "sekmet.cli", "serve", "-c", str(settings)]
    base = f"http://127.0.0.1:{port}/fhir"
    with _running("sekmet-fhir", base, command, {}, at="/metadata") as server:
        yield server


@contextlib.contextmanager
def starter(python: str, folder: Path) -> Iterator[Server]:
    """fhirstarter, with a store of one table."""
    port = free_port()
    script = str(ROOT / "benchmarks/peer_starter.py")
    command = [python, "-W", "ignore", script, str(folder / "starter.db"), str(port)]
    with _running("fhirstarter", f"http://127.0.0.1:{port}", command, {}, at="/metadata") as server:
        yield server


def has(python: str, *modules: str) -> bool:
    """True if this Python can import the modules."""
    code = "import importlib.util, sys;"
    code += "sys.exit(not all(importlib.util.find_spec(name) for name in sys.argv[1:]))"
    done = subprocess.run([python, "-c", code, *modules], check=False, capture_output=True)
    return done.returncode == 0


def free_port() -> int:
    """A port of the loopback that nobody listens on, outside those that systems give away."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextlib.contextmanager
def _running(
    name: str, base: str, command: Sequence[str], environ: Mapping[str, str], *, at: str = ""
) -> Iterator[Server]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")}
    process = subprocess.Popen(
        command,
        env={**own, "PYTHONPATH": str(ROOT), **environ},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _wait(process, base + at)
        yield Server(name, base, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _wait(process: "subprocess.Popen[bytes]", url: str) -> None:
    """Wait for any answer of the server. Raises RuntimeError with its words if it ends."""
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = process.stderr.read() if process.stderr is not None else b""
            raise RuntimeError(f"{process.args} ended: {said.decode()[-2000:]}")
        try:
            with opener.open(url, timeout=2):
                return
        except HTTPError:
            return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"{process.args} did not answer in {_START_SECONDS} s.")


def _below(pid: int) -> list[int]:
    """Process ids of all children and their children (Linux; none elsewhere)."""
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [found for child in map(int, listed) for found in (child, *_below(child))]


def _resident(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(one.split()[1]) / 1024 for one in lines if one.startswith("VmRSS")), 0.0)


def _taken(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
