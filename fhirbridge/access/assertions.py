"""Client assertions: proof, by a signature, that a request comes from a registered client.

Source: SMART App Launch 2.2, Client Authentication: Asymmetric; RFC 7521, RFC 7523
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import CompactSignature, JWSRegistry

from fhirbridge.access.clients import Client, client_of
from fhirbridge.access.keys import ALGORITHMS, KeysByUrl, pick, read_jwks
from fhirbridge.access.refusals import TokenRefused
from fhirbridge.bridge import Bridge
from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import clients as stored

MAX_LIFETIME = timedelta(seconds=300)
SKEW = timedelta(seconds=60)
MAX_BYTES = 16_000
MAX_JTI = 255

_UNKNOWN = (
    "No client with the id in 'iss' and a key with the id in 'kid' is known, or it was revoked."
)


class _Registry(JWSRegistry):
    """Takes the long headers of clients that send a certificate or the address of keys."""

    max_header_length = 8_000
    max_payload_length = 8_000


# Headers that nobody knows are ignored, unless `crit` names them (RFC 7515 section 4).
_REGISTRY = _Registry(algorithms=list(ALGORITHMS), strict_check_header=False)


@dataclass(frozen=True, slots=True)
class Assertion:
    """A verified assertion: who sent it, what makes it unique, what else it says."""

    client: Client
    jti: str
    expires_at: datetime
    extensions: JsonObject


def verify(text: str, bridge: Bridge, keys: KeysByUrl, *, audiences: Collection[str]) -> Assertion:
    """Read an assertion and check everything but whether it was used before.

    `audiences` are the addresses of ours that it may be made for. Raises TokenRefused
    `invalid_client` that says what is wrong with it.
    """
    now = bridge.now()
    signed, claims = _read(text)
    client = _sender(claims, bridge)
    key = _key(client, signed.headers(), keys, now)
    try:
        genuine = jws.validate_compact(signed, key, registry=_REGISTRY)
    except (JoseError, ValueError):
        genuine = False
    if not genuine:
        raise _refused("The signature does not fit the registered key.")
    expires_at = _check_times(claims, now)
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(each in audiences for each in named if isinstance(each, str)):
        raise _refused(f"'aud' must be the address of this endpoint: {min(audiences)}.")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise _refused(f"'jti' must be a text of 1 to {MAX_JTI} characters.")
    extensions = claims.get("extensions", {})
    return Assertion(client, jti, expires_at, extensions if isinstance(extensions, dict) else {})


def _read(text: str) -> tuple[CompactSignature, dict[str, Any]]:
    """Header and claims, not yet verified."""
    try:
        signed = jws.extract_compact(text.encode("ascii"), registry=_REGISTRY)
        claims = wire.parse(signed.payload, max_bytes=MAX_BYTES)
        headers = signed.headers()
    except (JoseError, InvalidContent, ValueError) as exc:
        raise _refused("The assertion is not a signed JWT.") from exc
    if len(text) > MAX_BYTES:
        raise _refused(f"The assertion is longer than {MAX_BYTES} bytes.")
    if headers.get("alg") not in ALGORITHMS:
        raise _refused(f"The assertion must be signed with {' or '.join(ALGORITHMS)}.")
    if str(headers.get("typ", "JWT")).upper() != "JWT":
        raise _refused("The header 'typ' must be JWT.")
    return signed, claims


def _sender(claims: JsonObject, bridge: Bridge) -> Client:
    client_id = claims.get("iss")
    if not isinstance(client_id, str) or not client_id or claims.get("sub") != client_id:
        raise _refused("'iss' and 'sub' must both be the client_id.")
    with bridge.database.read() as session:
        row = stored.get(session, bridge.custodian.id, client_id)
    if row is None or row.revoked_at is not None:
        raise _refused(_UNKNOWN)
    return client_of(row)


def _key(client: Client, headers: dict[str, Any], keys: KeysByUrl, now: datetime) -> Key:
    kid, algorithm = headers.get("kid"), headers["alg"]
    if not isinstance(kid, str) or not kid:
        raise _refused("The header needs a 'kid', the id of the key.")
    if headers.get("jku", client.jwks_url) != client.jwks_url:
        raise _refused("'jku' is not the registered address of the client's keys.")
    if client.jwks is not None:
        key = pick(read_jwks(client.jwks), kid, algorithm)
    else:
        key = keys.find(client.jwks_url, kid, algorithm, now=now)
    if key is None:
        raise _refused(_UNKNOWN)
    return key


def _check_times(claims: JsonObject, now: datetime) -> datetime:
    """When the assertion can be forgotten."""
    present, skew = now.timestamp(), SKEW.total_seconds()
    expiry = _seconds(claims, "exp")
    if expiry is None:
        raise _refused("'exp' is missing: when the assertion expires, in seconds since 1970.")
    if expiry <= present - skew:
        raise _refused("The assertion has expired.")
    if expiry > present + MAX_LIFETIME.total_seconds() + skew:
        raise _refused("'exp' must be at most 300 seconds from now.")
    for name in ("nbf", "iat"):
        since = _seconds(claims, name)
        if since is not None and since > present + skew:
            raise _refused(f"'{name}' is in the future; check the clock.")
    return datetime.fromtimestamp(expiry, UTC) + SKEW


def _seconds(claims: JsonObject, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool):
        raise _refused(f"'{name}' must be a number of seconds since 1970.")
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise _refused(f"'{name}' must be a number of seconds since 1970.") from exc
    return seconds


def _refused(description: str) -> TokenRefused:
    return TokenRefused("invalid_client", description)
