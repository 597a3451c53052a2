"""`fhirbridge serve` as a process of its own, for tests that need real HTTP."""

import os
import re
import signal
from pathlib import Path
from types import TracebackType

from tests.commands import Process

_READY = re.compile(r"Ready\. FHIR API: (\S+)/fhir")


class Server:
    """Starts on a free port with a database in `folder`; stops on leaving.

    It answers anybody on this machine, unless the environment says otherwise.
    """

    def __init__(self, folder: Path, *arguments: str, **environ: str) -> None:
        reading, writing = os.pipe()
        self._stderr = open(reading)  # noqa: SIM115
        self.process = Process(
            "fhirbridge",
            *("serve", "--port", "0", "--no-deliver", *arguments),
            cwd=folder,
            env={**os.environ, "FHIRBRIDGE_AUTH": "none", **environ},
            stderr=writing,
        )
        os.close(writing)
        self.url = ""

    def __enter__(self) -> "Server":
        said = ""
        for line in self._stderr:
            said += line
            found = _READY.search(line)
            if found:
                self.url = found[1]
                return self
        self.stop(signal.SIGKILL)
        raise AssertionError(f"The server did not start: {said}")

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop(signal.SIGTERM)

    def stop(self, signal_number: int) -> int:
        """Send the signal, if it still runs, and return the exit code."""
        self.process.send_signal(signal_number)
        code = self.process.wait(60)
        self._stderr.close()
        return code

    def descendants(self) -> list[int]:
        """Process ids of all children and their children (Linux)."""
        found: list[int] = []
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [int(child) for child in listed]
            waiting += [int(child) for child in listed]
        return found
