"""`FhirRequest` and `FhirResponse`: an interaction without HTTP machinery.

A request over HTTP and an entry of a batch or transaction become the same `FhirRequest`.
Source: R4 http.html, bundle.html#Bundle.entry.request
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, unquote

from fhirbridge.clock import to_instant
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.records import record

Pairs: TypeAlias = tuple[tuple[str, str], ...]
Return: TypeAlias = Literal["", "minimal", "representation", "OperationOutcome"]

MAX_PAIRS = 500

_NONE: Mapping[str, str] = MappingProxyType({})


@record()
class Preferences:
    """What `Prefer` asks for. Source: R4 http.html#ops, search.html#errors"""

    returned: Return = ""
    lenient: bool = False


@record(kw_only=True)
class FhirRequest:
    """One interaction. `path` holds the segments below the base; `query` the pairs in order.

    `conditions` has the headers `if-match`, `if-none-match`, `if-none-exist` and
    `if-modified-since`, as far as they were sent, by these names.
    """

    method: str
    path: tuple[str, ...] = ()
    query: Pairs = ()
    body: bytes = b""
    media_type: str = ""  # of the body; "" for FHIR JSON
    resource: Resource | None = None  # already parsed: an entry of a Bundle
    checked: bool = False  # the resource has passed the gate
    assigned_id: str = ""  # the id that a transaction gave to a resource it creates
    # what a transaction makes of references to its entries in a resource that is being patched
    relink: Callable[[Resource], Resource] | None = None
    conditions: Mapping[str, str] = field(default_factory=lambda: _NONE)
    preferences: Preferences = Preferences()

    def content(self, *, max_bytes: int = wire.DEFAULT_MAX_BYTES) -> Resource:
        """The resource in the body. Raises InvalidContent if there is none."""
        if self.resource is not None:
            return self.resource
        if not self.body.strip():
            raise InvalidContent(Issue("required", f"{self.method} needs a resource in the body."))
        return wire.parse(self.body, max_bytes=max_bytes)


@record(kw_only=True)
class FhirResponse:
    """The answer. The body is `resource`, or `content` when its bytes are stored already.

    `entries` are texts of entries of the Bundle in `resource`, which has no others.
    """

    status: int
    resource: Json = None
    content: bytes = b""
    entries: tuple[bytes, ...] = ()
    location: str = ""
    version_id: int = 0  # becomes the ETag; 0 means none
    last_modified: datetime | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE)

    @property
    def etag(self) -> str:
        """The weak ETag, or "" if there is none."""
        return f'W/"{self.version_id}"' if self.version_id else ""

    @property
    def last_updated(self) -> str:
        """Last-Modified as a FHIR instant, or ""."""
        return to_instant(self.last_modified) if self.last_modified else ""

    @property
    def text(self) -> bytes:
        """The body as far as it is text already; empty where only `resource` has it."""
        if self.entries and isinstance(self.resource, dict):
            return bundles.with_entries(self.resource, self.entries)
        return self.content

    def body(self, *, pretty: bool = False) -> bytes:
        """The body as JSON bytes; empty if there is none."""
        if text := self.text:
            return wire.dump(wire.parse(text), pretty=True) if pretty else text
        return b"" if self.resource is None else wire.dump(self.resource, pretty=pretty)


@record()
class Target:
    """A relative URL taken apart."""

    path: tuple[str, ...]
    query: Pairs


def parse_target(url: str) -> Target:
    """Take apart a URL relative to the base, e.g. `Patient/1` or `Patient?identifier=a|b`."""
    path, _, query = url.partition("?")
    segments = tuple(unquote(segment) for segment in path.strip("/").split("/") if segment)
    return Target(segments, parse_query(query))


def parse_query(query: str | bytes) -> Pairs:
    """The pairs of a query string, in order, empty values kept.

    Raises InvalidContent where it is not UTF-8, escaped or not, holds U+0000, which no text of a
    resource can, or has more than MAX_PAIRS pairs.
    """
    if not query:
        return ()
    try:
        text = query.decode() if isinstance(query, bytes) else query
        pairs = tuple(
            parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PAIRS)
        )
    except ValueError as exc:
        raise InvalidContent(Issue("invalid", "The query string cannot be decoded.")) from exc
    if ("%00" in text or "\0" in text) and any("\0" in part for pair in pairs for part in pair):
        raise InvalidContent(Issue("invalid", "The query string holds the character U+0000."))
    return pairs
