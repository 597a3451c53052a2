"""The door in front of Flask: requests below /fhir without the cost of its request objects.

It speaks WSGI and calls the very functions that Flask's routes, handlers and hooks call: `auth`,
`fhir_api.respond`, `errors.answer`, `compression.pack`. What is unusual goes on to Flask: other
methods, bodies in chunks or too long, the addresses that are not FHIR.
Source: PEP 3333
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.http import HTTP_STATUS_CODES

from fhirbridge.access.tokens import Tokens
from fhirbridge.bridge import Bridge
from fhirbridge.disclosure.caller import OWN
from fhirbridge.web import auth, compression, errors, fhir_api, request_ids
from fhirbridge.web.exchange import Environ, HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_BELOW = fhir_api.PREFIX + "/"
_NOT_FHIR = (_BELOW + ".well-known/", _BELOW + "/")
_STATUS = {code: f"{code} {words.upper()}" for code, words in HTTP_STATUS_CODES.items()}
_WITHOUT_BODY = frozenset({204, 304})


class Door:
    """A WSGI application that answers what it can and gives the rest to `beyond`."""

    def __init__(self, bridge: Bridge, tokens: Tokens, beyond: "WSGIApplication") -> None:
        self._bridge = bridge
        self._tokens = tokens if bridge.settings.auth != "none" else None
        self._max_bytes = bridge.settings.max_body_bytes
        self.beyond = beyond

    def __call__(self, environ: Environ, start_response: "StartResponse") -> Iterable[bytes]:
        asked = HttpRequest(environ)
        if not self._takes(asked):
            return self.beyond(environ, start_response)
        try:
            caller = auth.caller_of(asked, self._tokens) if self._tokens else OWN
            answer = fhir_api.respond(asked, self._bridge, caller)
        except Exception as exc:  # as Flask does: every error is answered
            answer = errors.answer(exc, asked)
        request_ids.mark(answer, asked)
        compression.pack(answer, asked.accept_encoding)
        return _send(answer, asked.method, start_response)

    def _takes(self, asked: HttpRequest) -> bool:
        path = asked.path
        return (
            (path.startswith(_BELOW) or path == fhir_api.PREFIX)
            and asked.method in _METHODS
            and not path.startswith(_NOT_FHIR)
            and 0 <= asked.content_length <= self._max_bytes
        )


def _send(
    answer: HttpAnswer, method: str, start_response: "Callable[..., object]"
) -> Iterable[bytes]:
    headers = list(answer.headers.items())
    if answer.status not in _WITHOUT_BODY:
        headers.append(("Content-Length", str(len(answer.body))))
    status = _STATUS.get(answer.status) or f"{answer.status} UNKNOWN"
    start_response(status, headers)
    return () if method == "HEAD" or not answer.body else (answer.body,)
