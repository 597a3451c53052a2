"""Load on an HTTP server: `wrk` where it is installed, else keep-alive clients in Python."""

import http.client
import json
import multiprocessing
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_PYTHON_PROCESSES = 2
_SCRIPT = """
local paths = {}
for line in io.lines("%(paths)s") do paths[#paths + 1] = line end
local body = nil
if "%(body)s" ~= "" then
  local file = io.open("%(body)s", "rb")
  body = file:read("*a")
  file:close()
end
local headers = {%(headers)s}
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("%(method)s", paths[at], headers, body)
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n@{"requests": %%d, "seconds": %%f, "p50": %%f, "p95": %%f, "failed": %%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(95) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Asked:
    """What every client asks for, again and again: the paths in turn, all with one body."""

    paths: tuple[str, ...]
    method: str = "GET"
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Load:
    """What came of it: answers a second, milliseconds, and how many answers were no success."""

    rate: float
    p50: float
    p95: float
    failed: int


def tool() -> str:
    """What makes the load."""
    return "wrk" if shutil.which("wrk") else "http.client"


def measure(base: str, asked: Asked, *, connections: int, seconds: float) -> Load:
    """Ask the server at `base` for so many seconds over so many connections."""
    if tool() == "wrk":
        return _wrk(base, asked, connections=connections, seconds=seconds)
    return _python(base, asked, connections=connections, seconds=seconds)


def _wrk(base: str, asked: Asked, *, connections: int, seconds: float) -> Load:
    prefix = urlsplit(base).path
    with tempfile.TemporaryDirectory() as folder:
        paths, body, script = (Path(folder) / name for name in ("paths", "body", "script.lua"))
        paths.write_text("".join(f"{prefix}{path}\n" for path in asked.paths))
        body.write_bytes(asked.body)
        headers = ", ".join(f'["{name}"] = "{value}"' for name, value in asked.headers.items())
        given = {
            "paths": paths,
            "body": body if asked.body else "",
            "method": asked.method,
            "headers": headers,
        }
        script.write_text(_SCRIPT % given)
        done = subprocess.run(
            [  # noqa: S607
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{max(1, round(seconds))}s",
                "--timeout=30s",
                f"-s{script}",
                base,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    line = next(line for line in done.stdout.splitlines() if line.startswith("@"))
    found = json.loads(line[1:])
    return Load(
        found["requests"] / found["seconds"], found["p50"], found["p95"], int(found["failed"])
    )


def _python(base: str, asked: Asked, *, connections: int, seconds: float) -> Load:
    share = max(1, connections // _PYTHON_PROCESSES)
    work = [(base, asked, share, seconds, n) for n in range(min(connections, _PYTHON_PROCESSES))]
    with multiprocessing.get_context("spawn").Pool(len(work)) as pool:
        parts = pool.starmap(_process, work)
    times = sorted(taken for part, _ in parts for taken in part)
    failed = sum(count for _, count in parts)
    if not times:
        return Load(0, 0, 0, failed)
    return Load(
        len(times) / seconds,
        times[len(times) // 2] * 1e3,
        times[int(len(times) * 0.95)] * 1e3,
        failed,
    )


def _process(
    base: str, asked: Asked, clients: int, seconds: float, number: int
) -> tuple[list[float], int]:
    """One process: its clients take turns in threads."""
    with ThreadPoolExecutor(clients) as pool:
        parts = list(
            pool.map(lambda n: _client(base, asked, seconds, number * clients + n), range(clients))
        )
    return [taken for part, _ in parts for taken in part], sum(count for _, count in parts)


def _client(base: str, asked: Asked, seconds: float, number: int) -> tuple[list[float], int]:
    parts = urlsplit(base)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    times: list[float] = []
    failed, at = 0, number * 7
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        path = parts.path + asked.paths[at % len(asked.paths)]
        at += 1
        began = time.monotonic()
        try:
            connection.request(asked.method, path, asked.body or None, dict(asked.headers))
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            failed += 1
            continue
        times.append(time.monotonic() - began)
        failed += answer.status >= 400
    connection.close()
    return times, failed
