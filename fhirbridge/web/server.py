"""The web server process: granian and its workers. `serve` starts it as a child.

`python -m fhirbridge.web.server HOST PORT WORKERS`
"""

import os
import signal
import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.documents.publish import publish
from fhirbridge.processes import end_with_parent
from fhirbridge.web.app import from_settings, warm_up

# Threads that wait for the same commit share it; more of them only contend for the interpreter.
BLOCKING_THREADS = 8


def load() -> Flask:
    """The application of one worker, which ends with its server even when that is killed."""
    end_with_parent(os.getppid(), signal.SIGKILL)
    return from_settings()


def main(host: str, port: int, workers: int) -> None:
    """Serve until SIGTERM; requests under way are finished."""
    bridge = bridges.build(config.load())
    publish(bridge)  # also compiles the mappings, once for all workers
    bridge.close()
    warm_up()
    Granian(
        "fhirbridge.web.server:load",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=BLOCKING_THREADS,
        websockets=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
    ).serve()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
