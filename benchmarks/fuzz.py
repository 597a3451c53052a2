"""Generated requests against the FHIR API: nothing may break, hang or grow.

    python -m benchmarks.fuzz --requests 100000 --seed 1
    python -m benchmarks.fuzz --requests 1000 --url http://127.0.0.1:8080
    python -m benchmarks.fuzz --replay LINE

Without `--url` the WSGI application is called in this process, over two SQLite files: one with
referential integrity, one without. Each finding is printed with a line that repeats the request.
"""

import argparse
import http.client
import io
import logging
import resource as process
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit
from uuid import UUID

from benchmarks.fuzz_requests import PREFIX, Asked, Requests
from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge import telemetry
from fhirbridge.config import Settings
from fhirbridge.errors import BridgeError
from fhirbridge.fhir import wire, xml
from fhirbridge.fhir.validation import check
from fhirbridge.web.app import create_app, warm_up
from tests import official_examples

HANG_SECONDS = 10.0
# What a process may grow after its first fifth: caches of the interpreter and of SQLite.
MAX_GROWTH_MB = 60
_WARM_UP = 0.2
_CHECKED_ANSWERS = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in lower case, body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """What a request must not do; `number` is its place in the run."""

    number: int
    asked: Asked
    words: str

    def __str__(self) -> str:
        return f"request {self.number}: {self.words}\n  --replay '{self.asked.to_text()}'"


@dataclass(slots=True)
class Report:
    """What a run found."""

    findings: list[Finding] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: list[tuple[float, Asked]] = field(default_factory=list)
    growth_mb: float = 0.0
    seconds: float = 0.0


Send = Callable[[Asked], Answer]


class _Hang(Exception):
    """The watchdog ran out."""


class Application:
    """The WSGI application in this process, called without a server."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.faults: list[str] = []
        self._random = Random(seed)
        self._bridges = [
            bridges.build(
                Settings(
                    auth="none",
                    database_url=f"sqlite:///{folder}/{name}.db",
                    max_body_bytes=200_000,
                    referential_integrity=name == "strict",
                ),
                new_id=self._new_id,
            )
            for name in ("strict", "loose")
        ]
        self._apps = [create_app(bridge) for bridge in self._bridges]
        for bridge in self._bridges:  # as a server process does before it is asked
            _ = bridge.mappings
        warm_up()
        self._turn = 0

    def close(self) -> None:
        """Release the databases."""
        for bridge in self._bridges:
            bridge.close()

    def _new_id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def send(self, asked: Asked) -> Answer:
        """Call the application whose turn it is."""
        self._turn += 1
        app = self._apps[self._turn % len(self._apps)]
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _info: Any = None) -> Any:
            started[:] = [int(status[:3]), headers]
            return lambda _data: None

        parts: Iterable[bytes] = app.wsgi_app(_environ(asked), start_response)
        try:
            body = b"".join(parts)
        finally:
            close = getattr(parts, "close", None)
            if close is not None:
                close()
        return Answer(started[0], {name.lower(): value for name, value in started[1]}, body)


def _environ(asked: Asked) -> dict[str, Any]:
    path, _, query = asked.target.partition("?")
    headers = dict(asked.headers)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.encode("utf-8", "surrogatepass").decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(asked.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if asked.body:
        environ["CONTENT_LENGTH"] = str(len(asked.body))
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
        environ[key] = value.encode().decode("latin-1")
    return environ


def over_http(url: str) -> Send:
    """Requests to a running server, on one connection that is made again when it breaks."""
    parts = urlsplit(url)
    held: list[http.client.HTTPConnection] = []

    def send(asked: Asked) -> Answer:
        if not held:
            held.append(http.client.HTTPConnection(parts.netloc, timeout=HANG_SECONDS))
        connection = held[0]
        target = "".join(c if "!" <= c <= "~" else "%20" for c in asked.target)
        # What is no HTTP the server in front refuses in words of its own.
        headers = {
            name: value
            for name, value in asked.headers.items()
            if name not in ("Content-Length", "Transfer-Encoding", "Host", "Expect")
            and value.isprintable()
        }
        try:
            connection.putrequest(asked.method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value.encode())
            connection.putheader("Content-Length", str(len(asked.body)))
            connection.endheaders(asked.body)
            response = connection.getresponse()
            body = response.read()
        except (ValueError, http.client.HTTPException, OSError) as exc:
            connection.close()
            held.clear()
            if isinstance(exc, TimeoutError):
                raise _Hang from exc
            # The server in front may refuse what is no HTTP by closing the connection.
            return Answer(0, {}, b"")
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, body)

    return send


def run(send: Send, requests: Requests, count: int, *, faults: list[str], watched: bool) -> Report:
    """Send `count` requests and judge every answer."""
    report = Report()
    judge = Random(0)
    started = time.perf_counter()
    baseline = 0.0
    for number in range(count):
        asked = requests.next()
        begun = time.perf_counter()
        answer, words = _ask(send, asked, watched=watched)
        taken = time.perf_counter() - begun
        words += [f"raised {fault}" for fault in faults]
        faults.clear()
        if answer is not None:
            report.statuses[answer.status] += 1
            words += judged(asked, answer, thoroughly=judge.random() < _CHECKED_ANSWERS)
            if answer.status == 200 and b'"relation":"next"' in answer.body:
                _learn(requests, answer)
        report.findings += [Finding(number, asked, each) for each in words]
        report.slowest = sorted([*report.slowest, (taken, asked)], key=lambda s: -s[0])[:5]
        if number == int(count * _WARM_UP):
            baseline = _resident_mb()
        if number % 1000 == 999:
            print(f"\r{number + 1} requests, {len(report.findings)} findings", end="", flush=True)
    report.growth_mb = _resident_mb() - baseline
    report.seconds = time.perf_counter() - started
    return report


def _ask(send: Send, asked: Asked, *, watched: bool) -> tuple[Answer | None, list[str]]:
    try:
        with _watchdog() if watched else _nothing():
            return send(asked), []
    except _Hang:
        return None, [f"no answer within {HANG_SECONDS:g} s"]
    except Exception:  # whatever escapes is what is looked for
        return None, [f"escaped: {traceback.format_exc(limit=-6)}"]


def judged(asked: Asked, answer: Answer, *, thoroughly: bool) -> list[str]:
    """What is wrong with an answer."""
    if answer.status == 0:
        return []
    if answer.status >= 500:
        return [f"status {answer.status}"]
    if b'"status":"500' in answer.body:
        return ["status 500 in an entry"]
    if not asked.target.startswith(PREFIX) or not answer.body:
        is_bare = answer.status >= 400 and asked.method != "HEAD" and not answer.body
        return ["an error without a body"] if is_bare else []
    if answer.headers.get("content-encoding"):
        return []
    is_xml = "xml" in answer.headers.get("content-type", "")
    try:
        if is_xml:
            resource = xml.parse(answer.body, max_bytes=len(answer.body))
        else:
            resource = wire.parse(answer.body, max_bytes=len(answer.body))
    except BridgeError as exc:
        return [f"the body cannot be read: {exc}"]
    if answer.status >= 400:
        if resource.get("resourceType") != "OperationOutcome":
            return [f"status {answer.status} without an OperationOutcome"]
        thoroughly = True
    if thoroughly and resource.get("resourceType") in ("OperationOutcome", "Bundle"):
        return [f"the answer is no valid R4: {i}" for i in check(_own(resource)) if i.is_error]
    return []


def _own(resource: Any) -> Any:
    """What this server is to blame for: a Bundle without the resources in it.

    A part of a resource (`_elements`, `_summary`) need not hold its invariants.
    """
    if resource["resourceType"] != "Bundle" or resource.get("type") == "document":
        return resource
    entries = [
        {
            **entry,
            **({"resource": _stub(entry["resource"])} if "resource" in entry else {}),
        }
        for entry in resource.get("entry", ())
    ]
    return {**resource, "entry": entries} if entries else resource


def _stub(resource: Any) -> Any:
    if resource["resourceType"] == "OperationOutcome":
        return resource
    return {"resourceType": "Basic", "code": {"text": "in place of what is stored"}}


def _learn(requests: Requests, answer: Answer) -> None:
    for link in wire.parse(answer.body, max_bytes=len(answer.body)).get("link", ()):
        if link.get("relation") == "next":
            parts = urlsplit(link["url"])
            requests.learn(f"{parts.path}?{parts.query}")


@contextmanager
def _watchdog() -> Iterator[None]:
    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise _Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * process.getpagesize() / 1_000_000


@contextmanager
def recorded(faults: list[str]) -> Iterator[None]:
    """Keep what the server logs as unexpected, with its stack."""
    before = telemetry.unexpected

    def keep(error: BaseException, _what: str) -> None:
        stack = "".join(traceback.format_exception(error, limit=-4))
        faults.append(stack)

    telemetry.unexpected = keep  # type: ignore[assignment]
    try:
        yield
    finally:
        telemetry.unexpected = before


def examples() -> list[bytes]:
    """The committed official examples."""
    return list(official_examples.sample().values())


def in_process(count: int, seed: int) -> Report:
    """A run against the application in this process."""
    with tempfile.TemporaryDirectory() as folder:
        application = Application(Path(folder), seed)
        try:
            with recorded(application.faults):
                return run(
                    application.send,
                    Requests(seed, examples()),
                    count,
                    faults=application.faults,
                    watched=True,
                )
        finally:
            application.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--url", default="")
    parser.add_argument("--replay", default="")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.replay:
        return _replay(options.replay, options.url)
    if options.url:
        requests = Requests(options.seed, examples())
        send = over_http(options.url)
        report = run(send, requests, options.requests, faults=[], watched=False)
        report.growth_mb = 0.0
    else:
        report = in_process(options.requests, options.seed)
    print()
    for finding in report.findings[:50]:
        print(finding)
    listed = ", ".join(f"{status}: {n}" for status, n in sorted(report.statuses.items()))
    print(f"seed {options.seed}, {options.requests} requests in {report.seconds:.0f} s, {listed}")
    for taken, asked in report.slowest:
        print(f"slow: {taken * 1000:.0f} ms {asked.method} {asked.target[:150]}")
    print(f"memory grew by {report.growth_mb:.1f} MB; {len(report.findings)} findings")
    print(f"commit {commit()}, {machine()}")
    return 1 if report.findings or report.growth_mb > MAX_GROWTH_MB else 0


def _replay(line: str, url: str) -> int:
    asked = Asked.from_text(line)
    if url:
        answer = over_http(url)(asked)
        print(answer.status, answer.body.decode(errors="replace")[:2000])
        return 0
    with tempfile.TemporaryDirectory() as folder:
        application = Application(Path(folder), 1)
        faults: list[str] = []
        with recorded(faults):
            answer = application.send(replace(asked))
        application.close()
    print(answer.status, answer.body.decode(errors="replace")[:2000], *faults, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
