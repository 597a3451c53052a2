"""Our own SMART Backend Services client: tokens for partners that ask for them.

A signed assertion is exchanged for an access token, which is kept in memory until shortly before
it expires; a 401 makes us ask once more. Source: SMART App Launch 2.2, Backend Services; RFC 7523
"""

import math
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from fhirbridge.errors import InvalidContent, Issue, Misconfigured, TooLarge
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.http import Answer, Limits, NoToken, PartnerSession
from fhirbridge.partners.token import ASSERTION_TYPE, CONFIGURATION, Credential, assertion

_EARLY_SECONDS = 30.0  # a token is not used so shortly before it expires
_APART_SECONDS = 30.0  # clocks that are further apart are put right
_MAX_BYTES = 1_000_000
_TOKEN = re.compile(r"[\x21-\x7e]+")  # what can stand in a header
_LIMITS = Limits(read_timeout_seconds=15.0, answer_seconds=30.0, max_answer_bytes=_MAX_BYTES)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are at a partner: `key_file` holds our private key as a JWK (RSA, or EC on P-384).

    Without `token_url` the partner is asked for its smart-configuration.
    """

    client_id: str
    key_file: str
    scope: str = "system/*.cruds"
    token_url: str = ""

    def to_json(self) -> JsonObject:
        """As it is stored: the key itself stays in its file."""
        return {
            "clientId": self.client_id,
            "keyFile": self.key_file,
            "scope": self.scope,
            "tokenUrl": self.token_url,
        }

    @classmethod
    def from_json(cls, data: JsonObject | None) -> "Credentials | None":
        """As it was stored."""
        if not data:
            return None
        return cls(
            str(data["clientId"]),
            str(data["keyFile"]),
            str(data.get("scope") or "system/*.cruds"),
            str(data.get("tokenUrl") or ""),
        )


@dataclass(slots=True)
class _Kept:
    token: str
    until: float


class TokenStore:
    """Tokens by partner, in memory, shared by the threads of a process.

    Whoever waits for the token of one partner keeps nobody from those of others.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def token(
        self, credentials: Credentials, base_url: str, *, allow_http: bool, refused: str = ""
    ) -> str:
        """A token for the partner at this base; `refused` is one that it did not take.

        Raises NoToken if none is given.
        """
        name = f"{base_url} {credentials.client_id}"
        with self._lock:
            own = self._locks.setdefault(name, threading.Lock())
        with own:
            kept = self._kept.get(name)
            if kept and kept.until > self._clock() and kept.token != refused:
                return kept.token
            made = _ask(credentials, base_url, allow_http=allow_http, now=self._clock())
            self._kept[name] = made
            return made.token


def read_key(path: str) -> JsonObject:
    """Our private key, a JWK. Raises Misconfigured for a file that holds none that can sign."""
    try:
        key = wire.parse(Path(path).read_bytes(), max_bytes=_MAX_BYTES)
        assertion(Credential("", key), "")
    except (OSError, InvalidContent, TooLarge) as exc:
        words = f"{path} holds no private key as a JWK that we can sign with."
        raise Misconfigured(Issue("exception", words)) from exc
    return key


def _ask(credentials: Credentials, base_url: str, *, allow_http: bool, now: float) -> _Kept:
    url = credentials.token_url or _discover(base_url, allow_http=allow_http)
    try:
        key = read_key(credentials.key_file)  # each time: a new key counts at once
    except Misconfigured as exc:
        raise NoToken("no-key") from exc
    credential = Credential(credentials.client_id, key)
    answer = _request(url, credential, credentials.scope, allow_http=allow_http, at=now)
    apart = _date_of(answer) - now
    if answer.status in (400, 401) and abs(apart) > _APART_SECONDS:
        # one of the two clocks is wrong: theirs is what counts there
        answer = _request(url, credential, credentials.scope, allow_http=allow_http, at=now + apart)
    given = _read(answer)
    token = given.get("access_token")
    if answer.status != 200 or not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise NoToken("token-refused")
    lifetime = given.get("expires_in")
    seconds = float(lifetime) if isinstance(lifetime, int) else 60.0
    return _Kept(token, now + max(seconds - _EARLY_SECONDS, 1.0))


def _request(
    url: str, credential: Credential, scope: str, *, allow_http: bool, at: float
) -> Answer:
    """Ask for a token, signed as of this time. Raises NoToken without an answer that tells."""
    parts = urlsplit(url)
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion(credential, url, at=at),
    }
    try:
        session = PartnerSession(
            f"{parts.scheme}://{parts.netloc}", limits=_LIMITS, allow_http=allow_http
        )
    except InvalidContent as exc:
        raise NoToken("no-token-endpoint") from exc
    with session:
        exchange = session.ask(
            "POST",
            parts.path.lstrip("/"),
            body=urlencode(form).encode(),
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        )
    if not isinstance(exchange, Answer) or exchange.status >= 500 or exchange.status == 429:
        raise NoToken("token-endpoint-down")
    return exchange


def _date_of(answer: Answer) -> float:
    """The time at the server that answered; NaN, which is near any time, if it does not say."""
    try:
        return parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def _discover(base_url: str, *, allow_http: bool) -> str:
    with PartnerSession(base_url, limits=_LIMITS, allow_http=allow_http) as session:
        exchange = session.ask("GET", CONFIGURATION)
    if not isinstance(exchange, Answer) or exchange.status >= 500:
        raise NoToken("token-endpoint-down")
    url = _read(exchange).get("token_endpoint") if exchange.status == 200 else None
    if not isinstance(url, str) or not url:
        raise NoToken("no-token-endpoint")
    return url


def _read(answer: Answer) -> JsonObject:
    try:
        return wire.parse(answer.body, max_bytes=_MAX_BYTES)
    except (InvalidContent, TooLarge):
        return {}
