"""SMART Backend Services: where to ask for tokens, asking for them, giving them back.

Source: SMART App Launch 2.2, Conformance and Backend Services; RFC 6749, RFC 7009
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from fhirbridge.access.attempts import Attempts, TooManyAttempts
from fhirbridge.access.keys import ALGORITHMS
from fhirbridge.access.refusals import TokenRefused
from fhirbridge.access.tokens import Tokens
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.fhir import wire
from fhirbridge.interactions.messages import parse_query
from fhirbridge.partners.http import is_loopback
from fhirbridge.web import compression, hosts
from fhirbridge.web.exchange import HttpAnswer, HttpRequest
from fhirbridge.web.negotiation import FORM, JSON

TOKEN = "/auth/token"  # noqa: S105
REVOKE = "/auth/revoke"
CONFIGURATION = "/.well-known/smart-configuration"

_MAX_FORM_BYTES = 64_000
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def blueprint(bridge: Bridge, tokens: Tokens) -> Blueprint:
    """The routes of discovery, token and revocation; none without authentication."""
    routes = Blueprint("smart", __name__)
    if bridge.settings.auth == "none":
        return routes
    attempts = Attempts(bridge.now)

    @contextmanager
    def limited() -> Iterator[None]:
        """Who was refused too often lately is refused unseen."""
        address = hosts.peer(HttpRequest(request.environ), bridge.settings.proxies)
        attempts.check(address)
        try:
            yield
        except TokenRefused:
            attempts.note(address)
            raise

    @routes.get(CONFIGURATION)
    @routes.get(f"/fhir{CONFIGURATION}")
    def configuration() -> Response:
        return _say(_configuration(service_url(bridge.settings)), {})

    @routes.post(TOKEN)
    def token() -> Response:
        with limited():
            granted = tokens.grant(_form(), audiences=_audiences(bridge.settings))
        answer = {
            "access_token": granted.token,
            "token_type": "bearer",
            "expires_in": granted.expires_in_seconds,
            "scope": granted.scope,
        }
        return _say(answer, _NO_STORE)

    @routes.post(REVOKE)
    def revoke() -> Response:
        with limited():
            tokens.revoke(_form(), audiences=_audiences(bridge.settings))
        return Response(status=200, headers=_NO_STORE)

    return routes


def service_url(settings: Settings) -> str:
    """The URL under which callers see this service, without the path of the FHIR API.

    Only on this machine it is taken from the request: what a caller says about our name must not
    decide for whom an assertion was made.
    """
    if settings.public_url:
        return settings.public_url.removesuffix("/fhir")
    asked = request.host_url.rstrip("/")
    if is_loopback(urlsplit(asked).hostname or ""):
        return asked
    return settings.own_base.removesuffix("/fhir")


def refuse(error: TokenRefused) -> HttpAnswer:
    """The answer of the token and revocation endpoints to what they do not accept."""
    body = {"error": error.error, "error_description": error.description}
    headers = {"Content-Type": JSON, **_NO_STORE}
    if isinstance(error, TooManyAttempts):
        headers["Retry-After"] = str(error.retry_after_seconds)
    return HttpAnswer(error.http_status, headers, wire.dump(body))


def _configuration(root: str) -> dict[str, Any]:
    return {
        "token_endpoint": f"{root}{TOKEN}",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint": f"{root}{REVOKE}",
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt"],
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["system/*.cruds", "system/*.rs", "system/*.read"],
        "code_challenge_methods_supported": ["S256"],
        "capabilities": ["client-confidential-asymmetric", "permission-v1", "permission-v2"],
    }


def _audiences(settings: Settings) -> tuple[str, ...]:
    root = service_url(settings)
    return (f"{root}{TOKEN}",)


def _form() -> dict[str, str]:
    """The parameters of the form. Raises TokenRefused unless each stands once."""
    if request.mimetype != FORM:
        raise TokenRefused("invalid_request", f"The body must be {FORM}.")
    body = compression.read_body(max_bytes=_MAX_FORM_BYTES)
    if len(body) > _MAX_FORM_BYTES:
        raise TokenRefused("invalid_request", f"The body has more than {_MAX_FORM_BYTES} bytes.")
    pairs = parse_query(body)
    form = dict(pairs)
    if len(form) < len(pairs):
        raise TokenRefused("invalid_request", "A parameter stands twice.")
    return form


def _say(body: dict[str, Any], headers: dict[str, str]) -> Response:
    return Response(wire.dump(body), headers=headers, content_type=JSON)
