"""`HttpRequest` and `HttpAnswer`: one exchange over HTTP as WSGI gives it, without a framework.

Flask's views and the door in front of Flask both speak in these, so that an answer does not
depend on the way a request came in. Source: PEP 3333
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

from werkzeug.exceptions import ClientDisconnected
from werkzeug.sansio.utils import get_current_url, get_host

Environ: TypeAlias = dict[str, Any]

_NONE: Mapping[str, str] = MappingProxyType({})
_CONDITIONS = (
    ("if-match", "HTTP_IF_MATCH"),
    ("if-none-match", "HTTP_IF_NONE_MATCH"),
    ("if-none-exist", "HTTP_IF_NONE_EXIST"),
    ("if-modified-since", "HTTP_IF_MODIFIED_SINCE"),
)


@dataclass(slots=True)
class HttpAnswer:
    """Status, headers and body; Content-Length is whoever's who sends it."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def vary(self, name: str) -> None:
        """Say that the answer depends on a header of the request."""
        known = self.headers.get("Vary")
        self.headers["Vary"] = f"{known}, {name}" if known else name


class HttpRequest:
    """A request. `path` is decoded; headers that were not sent are ""."""

    __slots__ = ("_read", "environ", "method", "path")

    def __init__(self, environ: Environ, read: Callable[[], bytes] | None = None) -> None:
        """Wrap a WSGI environ; `read` gives the body where something else has taken it over."""
        self.environ = environ
        self.method: str = environ.get("REQUEST_METHOD", "GET")
        raw: str = environ.get("PATH_INFO", "")
        self.path = "/" + raw.encode("latin1").decode(errors="replace").lstrip("/")
        self._read = read

    @property
    def query_string(self) -> bytes:
        """What follows the question mark."""
        text: str = self.environ.get("QUERY_STRING", "")
        return text.encode("latin1")

    @property
    def accept(self) -> str:
        """The header Accept."""
        return self._header("HTTP_ACCEPT")

    @property
    def accept_encoding(self) -> str:
        """The header Accept-Encoding."""
        return self._header("HTTP_ACCEPT_ENCODING")

    @property
    def authorization(self) -> str:
        """The header Authorization."""
        return self._header("HTTP_AUTHORIZATION")

    @property
    def prefer(self) -> str:
        """The header Prefer; several are joined by commas."""
        return self._header("HTTP_PREFER")

    @property
    def content_encoding(self) -> str:
        """The header Content-Encoding."""
        return self._header("HTTP_CONTENT_ENCODING")

    @property
    def content_type(self) -> str | None:
        """The header Content-Type; None if it was not sent."""
        return self.environ.get("CONTENT_TYPE")

    @property
    def security_context(self) -> str:
        """The header X-Security-Context of a Binary."""
        return self._header("HTTP_X_SECURITY_CONTEXT")

    @property
    def conditions(self) -> Mapping[str, str]:
        """The headers that make an interaction conditional, by their names in lower case."""
        environ = self.environ
        found = {name: environ[key] for name, key in _CONDITIONS if key in environ}
        return found or _NONE

    @property
    def host_url(self) -> str:
        """Scheme and host under which the caller asked, without a slash at the end."""
        environ = self.environ
        return _host_url(
            environ.get("wsgi.url_scheme", "http"),
            environ.get("HTTP_HOST"),
            environ["SERVER_NAME"],
            environ.get("SERVER_PORT"),
        )

    @property
    def content_length(self) -> int:
        """How long the body is said to be; -1 if that is not said in a way that counts."""
        if "HTTP_TRANSFER_ENCODING" in self.environ:
            return -1
        text = self.environ.get("CONTENT_LENGTH") or "0"
        return int(text) if text.isascii() and text.isdigit() else -1

    def _header(self, key: str) -> str:
        text: str = self.environ.get(key, "")
        return text

    def read(self) -> bytes:
        """The body, as it was sent. Raises ClientDisconnected if it ends too early."""
        if self._read is not None:
            return self._read()
        length = self.content_length
        if length <= 0:
            return b""
        body: bytes = self.environ["wsgi.input"].read(length)
        if len(body) < length:
            raise ClientDisconnected
        return body


@lru_cache(maxsize=256)
def _host_url(scheme: str, host: str | None, name: str, port: str | None) -> str:
    try:
        number = int(port) if port else None
    except ValueError:
        number = None
    return get_current_url(scheme, get_host(scheme, host, (name, number))).rstrip("/")
