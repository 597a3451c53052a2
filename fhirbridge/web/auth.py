"""Who asks: every request but those to open addresses needs an access token.

With FHIRBRIDGE_AUTH=none there are no tokens, and this machine itself asks.
Source: RFC 6750; SMART App Launch 2.2, Backend Services
"""

import re

from flask import Flask, g, request

from fhirbridge.access.tokens import Tokens
from fhirbridge.bridge import Bridge
from fhirbridge.disclosure import scopes
from fhirbridge.disclosure.caller import OWN, Caller
from fhirbridge.errors import Forbidden, Issue, NotAuthenticated

# What must be known before one can have a token, what watches over us, and documentation.
OPEN = frozenset(
    {
        "/fhir/metadata",
        "/fhir/.well-known/smart-configuration",
        "/.well-known/smart-configuration",
        "/auth/token",
        "/auth/revoke",
        "/health/live",
        "/health/ready",
        "/api/docs",
        "/api/openapi.json",
    }
)

_BEARER = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)
_LETTERS = {"GET": "r", "HEAD": "r", "POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


def register(app: Flask, bridge: Bridge, tokens: Tokens) -> None:
    """Ask for a token before anything else is looked at."""
    if bridge.settings.auth == "none":
        return

    @app.before_request
    def authenticate() -> None:
        if request.path in OPEN:
            return
        caller = tokens.caller(_token())
        if request.path.startswith("/api/"):
            _check_documents(caller)
        g.caller = caller


def caller() -> Caller:
    """Who makes the request under way."""
    found: Caller = g.get("caller", OWN)
    return found


def challenge() -> str:
    """The header WWW-Authenticate of an answer 401."""
    known = 'Bearer realm="fhirbridge"'
    return f'{known}, error="invalid_token"' if "Authorization" in request.headers else known


def _token() -> str:
    given = request.headers.get("Authorization", "")
    found = _BEARER.fullmatch(given)
    if found is None:
        text = "This address needs an access token, in the header 'Authorization: Bearer …'."
        raise NotAuthenticated(Issue("login", text))
    return found[1]


def _check_documents(caller: Caller) -> None:
    """Documents, handoffs and partners are for the custodian's own systems only."""
    letter = _LETTERS.get(request.method, "")
    held = scopes.scopes_of(caller.scopes or frozenset())
    if caller.recipient is not None or not held.allow(scopes.DOCUMENTS, letter):
        raise Forbidden(
            Issue(
                "forbidden",
                "This address is for the custodian's own systems with the scope"
                f" system/{scopes.DOCUMENTS}.{letter or scopes.LETTERS}.",
            )
        )
