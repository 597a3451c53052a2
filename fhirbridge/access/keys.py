"""Public keys of clients: inline, or behind a registered address that is asked now and then.

Source: SMART App Launch 2.2, Client Authentication: Asymmetric; RFC 7517
"""

import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from fhirbridge import telemetry
from fhirbridge.errors import BridgeError, InvalidContent, Issue
from fhirbridge.jsontypes import JsonObject

Algorithm = Literal["RS384", "ES384"]
ALGORITHMS: tuple[Algorithm, ...] = ("RS384", "ES384")

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_KEYS = 20

# How long fetched keys are used, and how soon an unknown `kid` makes us ask again.
KEEP_FOR = timedelta(minutes=15)
ASK_AGAIN_AFTER = timedelta(seconds=20)
_NEVER = datetime.min.replace(tzinfo=UTC)

Fetch = Callable[[str], JsonObject]


def read_jwks(jwks: JsonObject) -> tuple[Key, ...]:
    """The keys that can verify RS384 or ES384, each with its `kid`.

    Raises InvalidContent if there is none, if one is private, or if the form is wrong.
    """
    listed = jwks.get("keys")
    if not isinstance(listed, list) or not 0 < len(listed) <= MAX_KEYS:
        raise _fault(f"A JWKS has a list 'keys' of 1 to {MAX_KEYS} keys.")
    if not all(isinstance(each, dict) for each in listed):
        raise _fault("Each key of a JWKS is an object.")
    if any(name in each for each in listed for name in ("d", "p", "q", "k")):
        raise _fault("The JWKS holds a private key; register the public keys only.")
    found = [key for each in listed if (key := _read(each)) is not None]
    if not found:
        raise _fault(
            f"No key of the JWKS can be used: each needs a 'kid', and must be RSA of {MIN_RSA_BITS}"
            f" to {MAX_RSA_BITS} bits (RS384) or EC on the curve P-384 (ES384)."
        )
    return tuple(found)


def _read(data: JsonObject) -> Key | None:
    """The key, or None where it is none that we could use (RFC 7517: such are ignored)."""
    if data.get("use", "sig") != "sig" or not isinstance(data.get("kid"), str) or not data["kid"]:
        return None
    try:
        if data.get("kty") == "RSA":
            bits = int.from_bytes(urlsafe_b64decode(data["n"] + "==")).bit_length()
            return RSAKey.import_key(data) if MIN_RSA_BITS <= bits <= MAX_RSA_BITS else None
        if data.get("kty") == "EC" and data.get("crv") == "P-384":
            return ECKey.import_key(data)
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return None


def pick(keys: tuple[Key, ...], kid: str, algorithm: Algorithm) -> Key | None:
    """The key with this id that can verify this algorithm."""
    kind = RSAKey if algorithm == "RS384" else ECKey
    for key in keys:
        if key.kid == kid and isinstance(key, kind) and key.get("alg") in (None, algorithm):
            return key
    return None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key pair made for a developer: the private JWK, and the JWKS to register."""

    private: JsonObject
    jwks: JsonObject


def new_key() -> NewKey:
    """A fresh ES384 key pair."""
    key = ECKey.generate_key("P-384", {"use": "sig", "alg": "ES384"}, auto_kid=True)
    public = dict(KeySet([key]).as_dict())
    return NewKey(dict(key.as_dict(private=True)), public)


@dataclass(slots=True)
class _Place:
    """What one address has given, and when."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    keys: tuple[Key, ...] = ()
    fetched_at: datetime = _NEVER
    asked_at: datetime = _NEVER


class KeysByUrl:
    """Keys fetched from registered addresses, shared by the threads of one process."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._places: dict[str, _Place] = {}

    def find(self, url: str, kid: str, algorithm: Algorithm, *, now: datetime) -> Key | None:
        """The key of this id behind the address, which is asked again if it is not known.

        An address that does not answer is not asked again for a while; keys fetched before
        are used until they are too old.
        """
        place = self._places.setdefault(url, _Place())
        key = self._known(place, kid, algorithm, now)
        if key is not None:
            return key
        with place.lock:
            if now - place.asked_at >= ASK_AGAIN_AFTER:
                place.asked_at = now
                self._ask(place, url, now)
            return self._known(place, kid, algorithm, now)

    def _known(self, place: _Place, kid: str, algorithm: Algorithm, now: datetime) -> Key | None:
        is_fresh = now - place.fetched_at < KEEP_FOR
        return pick(place.keys, kid, algorithm) if is_fresh else None

    def _ask(self, place: _Place, url: str, now: datetime) -> None:
        try:
            place.keys = read_jwks(self._fetch(url))
        except BridgeError as exc:
            telemetry.unexpected(exc, "Fetching the keys of a client")
            return
        place.fetched_at = now


def _fault(text: str) -> InvalidContent:
    return InvalidContent(Issue("value", text))
