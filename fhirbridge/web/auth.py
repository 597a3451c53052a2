"""Who asks: every request but those to open addresses needs an access token.

With FHIRBRIDGE_AUTH=none there are no tokens, and this machine itself asks.
Source: RFC 6750; SMART App Launch 2.2, Backend Services
"""

import re

from flask import Flask, g, request

from fhirbridge.access import hooks
from fhirbridge.access.tokens import Tokens
from fhirbridge.bridge import Bridge
from fhirbridge.disclosure import scopes
from fhirbridge.disclosure.caller import OWN, Caller
from fhirbridge.errors import Forbidden, Issue, NotAuthenticated
from fhirbridge.web import hosts
from fhirbridge.web.exchange import HttpRequest

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
_NOTIFICATIONS = re.compile(r"/notifications/([^/]+)")
_LETTERS = {"GET": "r", "HEAD": "r", "POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}


def register(app: Flask, bridge: Bridge, tokens: Tokens) -> None:
    """Ask for a token before anything else is looked at.

    Where everybody on this machine may ask, they must at least ask for it by a name of its own.
    """
    if bridge.settings.auth == "none":

        @app.before_request
        def check_host() -> None:
            hosts.check(HttpRequest(request.environ), bridge.settings)

        return

    @app.before_request
    def authenticate() -> None:
        asked = HttpRequest(request.environ)
        g.caller = _notifier(asked, bridge) or caller_of(asked, tokens)


def caller_of(asked: HttpRequest, tokens: Tokens) -> Caller:
    """Who makes a request. Raises NotAuthenticated, or Forbidden for documents of others."""
    if asked.path in OPEN:
        return OWN
    found = tokens.caller(_token(asked.authorization))
    if asked.path.startswith("/api/"):
        _check_documents(found, asked.method)
    elif asked.path.startswith("/notifications/"):
        _check_notifications(found)
    return found


def caller() -> Caller:
    """Who makes Flask's request under way."""
    found: Caller = g.get("caller", OWN)
    return found


def challenge(asked: HttpRequest) -> str:
    """The header WWW-Authenticate of an answer 401."""
    known = 'Bearer realm="fhirbridge"'
    return f'{known}, error="invalid_token"' if asked.authorization else known


def _token(given: str) -> str:
    found = _BEARER.fullmatch(given)
    if found is None:
        text = "This address needs an access token, in the header 'Authorization: Bearer …'."
        raise NotAuthenticated(Issue("login", text))
    return found[1]


def _notifier(asked: HttpRequest, bridge: Bridge) -> Caller | None:
    """A partner that notifies us by a Subscription of ours, with the secret that we gave it."""
    found = _BEARER.fullmatch(asked.authorization)
    place = _NOTIFICATIONS.match(asked.path)
    return hooks.notifier(bridge, place[1], found[1]) if found and place else None


def _check_documents(caller: Caller, method: str) -> None:
    """Documents, handoffs and partners are for the custodian's own systems only."""
    letter = _LETTERS.get(method, "")
    held = scopes.scopes_of(caller.scopes or frozenset())
    if caller.recipient is not None or not held.allow(scopes.DOCUMENTS, letter):
        raise Forbidden(
            Issue(
                "forbidden",
                "This address is for the custodian's own systems with the scope"
                f" system/{scopes.DOCUMENTS}.{letter or scopes.LETTERS}.",
            )
        )


def _check_notifications(caller: Caller) -> None:
    """Who tells of changed Tasks may as well change them."""
    if not scopes.scopes_of(caller.scopes or frozenset()).allow("Task", "u"):
        raise Forbidden(Issue("forbidden", "The access token lacks the scope system/Task.u."))
