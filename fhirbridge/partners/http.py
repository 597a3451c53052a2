"""The one place that talks HTTP to the outside: one registered partner per session.

Only URLs under the partner's base are asked for, redirects are not followed, every wait has an
end, answers have a largest size, and no cookie or netrc credential is ever sent.
"""

import ipaddress
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase
from requests.structures import CaseInsensitiveDict

from fhirbridge.errors import InvalidContent, Issue

_CHUNK_BYTES = 65_536
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")

ErrorClass = Literal[
    "unreachable",
    "connect-timeout",
    "tls",
    "no-answer",
    "answer-broken-off",
    "answer-too-large",
    "token-endpoint-down",
    "no-token-endpoint",
    "token-refused",
    "no-key",
]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer that arrived whole."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No whole answer. `sent` is False only if the partner certainly got nothing."""

    sent: bool
    error_class: ErrorClass


Exchange = Answer | NoAnswer


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for a partner, in seconds, and how much to read, in bytes."""

    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    answer_seconds: float = 60.0
    max_answer_bytes: int = 50_000_000


class _NoAuth(AuthBase):
    """Stops requests from looking for credentials in ~/.netrc."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


def is_loopback(host: str) -> bool:
    """True for localhost and the loopback addresses."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_base_url(base_url: str, *, allow_http: bool = False) -> str:
    """The base URL without a trailing slash.

    Raises InvalidContent if it is not an https URL without query, fragment and credentials;
    http is accepted on loopback, and elsewhere only when it is allowed.
    """
    url = base_url.rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        host = ""
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidContent(Issue("value", "The partner's address must be an https URL."))
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidContent(
            Issue("value", "The partner's address must have no credentials, query or fragment.")
        )
    if parts.scheme == "http" and not allow_http and not is_loopback(host):
        raise InvalidContent(
            Issue(
                "security",
                "The partner's address must be https; --allow-http permits plain http, which "
                "anyone on the way can read.",
            )
        )
    return url


class NoToken(Exception):
    """No access token is to be had now, so that nothing can be asked; `error_class` says why."""

    def __init__(self, error_class: ErrorClass) -> None:
        super().__init__(error_class)
        self.error_class = error_class


# gives an access token; is told one that was refused, "" at first. Raises NoToken.
Authorise = Callable[[str], str]


class PartnerSession:
    """A session with one partner. Not shared between threads.

    `before_request` is called before each request; what it raises stops the request, so that
    whoever lost the right to send writes nothing to the wire.
    """

    def __init__(
        self,
        base_url: str,
        *,
        limits: Limits | None = None,
        allow_http: bool = False,
        headers: Mapping[str, str] | None = None,
        before_request: Callable[[], None] | None = None,
        authorise: Authorise | None = None,
    ) -> None:
        self._authorise = authorise
        self.base_url = check_base_url(base_url, allow_http=allow_http)
        self._limits = limits or Limits()
        self._before_request = before_request
        self._session = requests.Session()
        self._session.auth = _NoAuth()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": "fhirbridge", "Accept-Encoding": "gzip"})
        self._session.headers.update(dict(headers or {}))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def url_of(self, reference: str) -> str | None:
        """The URL of a relative reference, or of an absolute one under the partner's base.

        None if it would lead anywhere else: to another host, or out of the base by `..`.
        """
        path = reference.partition("?")[0]
        if ".." in path or "\\" in path or path.startswith("/"):
            return None
        if not _ABSOLUTE.match(path):
            return f"{self.base_url}/{reference}" if reference else self.base_url
        inside = path == self.base_url or path.startswith(f"{self.base_url}/")
        return reference if inside else None

    def ask(
        self,
        method: str,
        reference: str = "",
        *,
        params: list[tuple[str, str]] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Exchange:
        """Send one request; what can go wrong on the way is a NoAnswer, never an exception.

        Raises InvalidContent for a reference outside the partner's base.
        """
        url = self.url_of(reference)
        if url is None:
            raise InvalidContent(
                Issue("security", "The partner named an address that is not its own.")
            )
        if self._authorise is None:
            return self._exchange(method, url, params, body, dict(headers or {}))
        try:
            token = self._authorise("")
            bearing = {**(headers or {}), "Authorization": f"Bearer {token}"}
            exchange = self._exchange(method, url, params, body, bearing)
            if isinstance(exchange, Answer) and exchange.status == 401:
                # refused before anything was done: asked again with a fresh token, once
                bearing["Authorization"] = f"Bearer {self._authorise(token)}"
                exchange = self._exchange(method, url, params, body, bearing)
        except NoToken as exc:
            return NoAnswer(sent=False, error_class=exc.error_class)
        return exchange

    def _exchange(
        self,
        method: str,
        url: str,
        params: list[tuple[str, str]] | None,
        body: bytes | None,
        headers: dict[str, str],
    ) -> Exchange:
        if self._before_request is not None:
            self._before_request()  # the last thing: waiting for a token may take long
        limits = self._limits
        deadline = time.monotonic() + limits.answer_seconds
        try:
            with self._session.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers,
                timeout=(limits.connect_timeout_seconds, limits.read_timeout_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                return _read(response, deadline, limits.max_answer_bytes)
        except requests.RequestException as exc:
            return _explain(exc)


def _read(response: requests.Response, deadline: float, max_bytes: int) -> Exchange:
    chunks: list[bytes] = []
    size = 0
    for chunk in response.iter_content(_CHUNK_BYTES):
        size += len(chunk)
        if size > max_bytes:
            return NoAnswer(sent=True, error_class="answer-too-large")
        if time.monotonic() > deadline:
            return NoAnswer(sent=True, error_class="no-answer")
        chunks.append(chunk)
    return Answer(response.status_code, CaseInsensitiveDict(response.headers), b"".join(chunks))


def _explain(error: requests.RequestException) -> NoAnswer:
    """Tell what certainly never reached the partner from what may have."""
    if isinstance(error, requests.exceptions.SSLError):
        return NoAnswer(sent=False, error_class="tls")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NoAnswer(sent=False, error_class="connect-timeout")
    if isinstance(error, requests.exceptions.ProxyError):
        return NoAnswer(sent=False, error_class="unreachable")
    if isinstance(error, requests.exceptions.ReadTimeout):
        return NoAnswer(sent=True, error_class="no-answer")
    if isinstance(
        error,
        requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError,
    ):
        return NoAnswer(sent=True, error_class="answer-broken-off")
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return NoAnswer(sent=False, error_class="unreachable")
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return NoAnswer(sent=False, error_class="unreachable")
    return NoAnswer(sent=True, error_class="no-answer")
