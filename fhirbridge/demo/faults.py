"""A dial for faults in front of a WSGI application: it loses answers, drops or refuses requests.

`POST /_dial` with `{"fault": "lose-answer", "times": 1, "method": "POST"}` arms a fault for the
next requests with that method; `DELETE /_dial` disarms all; `GET /_dial` tells what was asked for
and what is armed.
"""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

Fault = Literal["lose-answer", "drop", "busy", "fail", "slow", "several"]
FAULTS: tuple[Fault, ...] = get_args(Fault)

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]
_JSON = [("Content-Type", "application/json")]
_SLOW_SECONDS = 1.5


@dataclass(slots=True)
class _Armed:
    fault: Fault
    times: int
    method: str
    path: str


class FaultDial:
    """Wraps an application. The server has to put its socket into `werkzeug.socket`."""

    def __init__(self, app: Wsgi) -> None:
        self._app = app
        self._armed: list[_Armed] = []
        self._seen: Counter[str] = Counter()
        self._lost = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/_dial":
            return self._turn(environ, start_response)
        fault = self._due(environ["REQUEST_METHOD"], environ["PATH_INFO"])
        if fault == "drop":
            return self._hang_up(environ, start_response)
        if fault == "busy":
            start_response("429 Too Many Requests", [*_JSON, ("Retry-After", "1")])
            return [b"{}"]
        if fault == "fail":
            start_response("500 Internal Server Error", _JSON)
            return [b"{}"]
        if fault == "several":  # what If-None-Exist names is there more than once
            start_response("412 Precondition Failed", _JSON)
            return [b"{}"]
        if fault == "slow":
            threading.Event().wait(_SLOW_SECONDS)
        if fault == "lose-answer":
            return self._lose_answer(environ, start_response)
        return self._app(environ, start_response)

    def _due(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self._seen[f"{method} {path}"] += 1
            for armed in self._armed:
                if armed.times > 0 and method == armed.method and path.startswith(armed.path):
                    armed.times -= 1
                    return armed.fault
        return None

    def _lose_answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Let the application do its work and commit, then hang up instead of answering."""
        answer = self._app(environ, lambda *_: lambda _chunk: None)
        for _ in answer:
            pass
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        with self._lock:
            self._lost += 1
        return self._hang_up(environ, start_response)

    def _hang_up(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with suppress(OSError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response("500 Internal Server Error", _JSON)
        return [b"{}"]

    def _turn(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            length = int(environ.get("CONTENT_LENGTH") or 0)
            wanted = json.loads(environ["wsgi.input"].read(length))
            if wanted.get("fault") not in FAULTS:
                start_response("400 Bad Request", _JSON)
                return [json.dumps({"faults": FAULTS}).encode()]
            with self._lock:
                self._armed.append(
                    _Armed(
                        wanted["fault"],
                        int(wanted.get("times", 1)),
                        str(wanted.get("method", "POST")),
                        str(wanted.get("path", "/")),
                    )
                )
        with self._lock:
            if environ["REQUEST_METHOD"] == "DELETE":
                self._armed.clear()
            state = {
                "requests": dict(self._seen),
                "lostAnswers": self._lost,
                "armed": sum(armed.times for armed in self._armed),
            }
        start_response("200 OK", _JSON)
        return [json.dumps(state).encode()]
