"""Asks another server for a token, as SMART Backend Services describe: the client's side.

Source: SMART App Launch 2.2, Backend Services
"""

import time
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from fhirbridge.errors import Forbidden, InvalidContent, Issue, PartnerUnreachable
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.http import Answer, PartnerSession

LIFETIME_SECONDS = 240
CONFIGURATION = ".well-known/smart-configuration"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client has to show: its id at the server, and its private key, a JWK."""

    client_id: str
    private_key: JsonObject


def assertion(
    credential: Credential,
    token_url: str,
    *,
    at: float | None = None,
    extension: JsonObject | None = None,
) -> str:
    """A signed assertion for one request, as of `at` (seconds; now by default).

    `extension` is its `hl7-b2b`: purpose, person, reason. Raises InvalidContent for a key that
    cannot sign.
    """
    key = credential.private_key
    is_rsa = key.get("kty") == "RSA"
    header = {"typ": "JWT", "alg": "RS384" if is_rsa else "ES384", "kid": key.get("kid")}
    claims = {
        "iss": credential.client_id,
        "sub": credential.client_id,
        "aud": token_url,
        "exp": int(time.time() if at is None else at) + LIFETIME_SECONDS,
        "jti": str(uuid4()),
        **({"extensions": {"hl7-b2b": extension}} if extension else {}),
    }
    try:
        loaded = RSAKey.import_key(key) if is_rsa else ECKey.import_key(key)
        return jwt.encode(header, claims, loaded, algorithms=[header["alg"] or ""])
    except (JoseError, ValueError, TypeError, KeyError) as exc:
        words = "The key is no private JWK for RS384 or ES384 with a 'kid'."
        raise InvalidContent(Issue("value", words)) from exc


def request_token(
    base_url: str, credential: Credential, *, scope: str, extension: JsonObject | None = None
) -> str:
    """An access token of the FHIR server at the base, asked for at the address that it names.

    Raises PartnerUnreachable without an answer, Forbidden if it gives none.
    """
    with PartnerSession(base_url) as session:
        found = _answer(session, "GET", CONFIGURATION)
        token_url = found.get("token_endpoint")
        same = urlsplit(str(token_url)).netloc == urlsplit(session.base_url).netloc
    if not isinstance(token_url, str) or not same:
        raise Forbidden(Issue("security", "The server names no token endpoint of its own."))
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(credential, token_url, extension=extension),
    }
    with PartnerSession(token_url) as session:
        answer = _answer(session, "POST", "", urlencode(form).encode())
    token = answer.get("access_token")
    if not isinstance(token, str):
        words = answer.get("error_description") or answer.get("error") or "no reason given"
        raise Forbidden(Issue("security", f"The server gives no token: {words}"))
    return token


def _answer(
    session: PartnerSession, method: str, reference: str, body: bytes | None = None
) -> JsonObject:
    headers = {"Accept": "application/json"}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = session.ask(method, reference, body=body, headers=headers)
    if not isinstance(answer, Answer):
        raise PartnerUnreachable(Issue("transient", "The server does not answer."))
    try:
        return wire.parse(answer.body)
    except InvalidContent as exc:
        words = f"The server answers {answer.status}, and not with JSON."
        raise PartnerUnreachable(Issue("transient", words)) from exc
