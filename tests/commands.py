"""Python modules run as processes of their own, forked from one that has imported fhirbridge.

`run("fhirbridge", "outbox", "list", cwd=…)` is `python -m fhirbridge outbox list`: its own folder,
environment, streams and exit code. Only the start of Python and the imports, which take longer
than most commands, are made once for all. The processes of `tests/test_readme.py`,
`tests/journeys/test_demo.py` and `tests/unit/cli/test_main.py` start from nothing.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from fhirbridge.config import Settings
from fhirbridge.conversion.mappings import compiled

_LARGEST_ORDER = 200_000


class Process:
    """A module that runs with arguments; its stdout and stderr go to files of its own."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        stdout: IO[str] | int = subprocess.DEVNULL,
        stderr: IO[str] | int = subprocess.DEVNULL,
    ) -> None:
        order = {
            "module": module,
            "arguments": arguments,
            "cwd": str(cwd),
            "env": dict(os.environ if env is None else env),
        }
        self._keeper, theirs = socket.socketpair()
        with theirs, open(os.devnull, "w") as null:
            streams = [null if one == subprocess.DEVNULL else one for one in (stdout, stderr)]
            descriptors = [
                one if isinstance(one, int) else one.fileno() for one in (*streams, theirs)
            ]
            socket.send_fds(_starter(), [json.dumps(order).encode()], descriptors)
        self.returncode: int | None = None
        self._said = self._keeper.makefile("r")
        self.pid = int(self._said.readline())

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it may end at this moment
                os.kill(self.pid, number)

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None and select.select([self._keeper], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float = 60) -> int:
        """The exit code, as of `subprocess`. Raises TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._keeper], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def _end(self) -> None:
        self.returncode = int(self._said.readline())
        self._said.close()
        self._keeper.close()


def run(
    module: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run to the end, at most a minute; stdout and stderr as text."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = Process(module, *arguments, cwd=cwd, env=env, stdout=out, stderr=err)
        try:
            code = process.wait(60)
        finally:
            process.send_signal(signal.SIGKILL)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, code, out.read(), err.read())


@cache
def _starter() -> socket.socket:
    """The socket of the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.commands", str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait(20)

    atexit.register(end)
    return ours


def main(orders: socket.socket) -> None:
    """Fork a keeper for each order, which forks the process and tells its pid and exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the tests end first, and then there is an end
    for name in importlib.import_module("fhirbridge.cli.main").COMMANDS:
        importlib.import_module(f"fhirbridge.cli.{name}")
    for name in ("demo.faults", "web.app", "handoffs.worker"):
        importlib.import_module(f"fhirbridge.{name}")
    settings = Settings()
    compiled(settings.base, settings.mappings)
    gc.collect()
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(orders, _LARGEST_ORDER, 3)
        if not message:
            return
        if os.fork() == 0:
            break
        for one in descriptors:
            os.close(one)
        _reap()
    orders.close()
    out, err, control = descriptors
    pid = os.fork()
    if pid:
        os.close(out)
        os.close(err)
        _keep(pid, control)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.close(control)
    with open(os.devnull) as null:
        for number, one in enumerate((null.fileno(), out, err)):
            os.dup2(one, number)
    os.close(out)
    os.close(err)
    order = json.loads(message)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.argv[1:] = order["arguments"]
    runpy.run_module(order["module"], run_name="__main__", alter_sys=True)


def _reap() -> None:
    """Forget keepers that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _keep(pid: int, control: int) -> None:
    """Tell the pid and, in the end, the exit code; without anybody to tell, end the process."""
    os.write(control, f"{pid}\n".encode())
    handle = os.pidfd_open(pid)
    ready = select.select([handle, control], [], [])[0]
    if handle not in ready:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        os.write(control, f"{code}\n".encode())
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
