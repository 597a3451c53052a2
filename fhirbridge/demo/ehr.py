"""The flaky EHR: our own FHIR server in a process of its own, behind a dial for faults.

`python -m fhirbridge.demo.ehr [PORT]`; settings come from the environment, as everywhere. It
listens on loopback, prints its FHIR base when it is ready, and ends with its parent.
"""

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from types import FrameType

from werkzeug.serving import WSGIRequestHandler, make_server

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.demo.faults import FaultDial
from fhirbridge.processes import end_with_parent
from fhirbridge.web.app import create_app


class _KeepAlive(WSGIRequestHandler):
    """HTTP/1.1, so that a connection that breaks is seen to break."""

    protocol_version = "HTTP/1.1"


def main(port: int) -> None:
    """Serve until SIGTERM."""
    end_with_parent(os.getppid())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # It listens on this machine only, and plays an EHR that lets its own users in.
    bridge = bridges.build(replace(config.load(), auth="none"))
    server = make_server(
        "127.0.0.1",
        port,
        FaultDial(create_app(bridge).wsgi_app),
        threaded=True,
        request_handler=_KeepAlive,
    )

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/fhir\n")
    sys.stdout.flush()
    server.serve_forever()
    bridge.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
