"""URI parameters: exact; `:below` and `:above` follow the path.

Source: R4 search.html#uri
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TypeAlias

from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import unescape


@record()
class UriValue:
    """A URI as written."""

    uri: str


UriMatch: TypeAlias = Literal["exact", "above", "below"]


@record()
class UriCriterion:
    """Matches a URI, the ones below it, or the ones above it."""

    uri: str
    match: UriMatch


Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[UriValue]]


def _uri(node: Json, system: str, context: SearchContext) -> Iterator[UriValue]:
    yield UriValue(node)


def _canonical(node: Json, system: str, context: SearchContext) -> Iterator[UriValue]:
    yield UriValue(node)
    url, bar, _ = node.partition("|")
    if bar:
        yield UriValue(url)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("uri", "url", "oid", "uuid"), _uri),
    "canonical": _canonical,
}


def parse(text: str, match: UriMatch = "exact") -> UriCriterion:
    """Read a search value. `:above` and `:below` need a URL with a path; raises ValueError."""
    uri = unescape(text)
    if match != "exact" and uri.startswith("urn:"):
        raise ValueError("expected a URL, because a URN has no path")
    return UriCriterion(uri, match)


def ancestors(uri: str) -> tuple[str, ...]:
    """A URL and all that it is below of: `http://a/b/c`, `http://a/b/`, `http://a/b`…"""
    scheme, mark, rest = uri.partition("://")
    found = [uri]
    while "/" in rest:
        rest = rest.rpartition("/")[0]
        found += [f"{scheme}{mark}{rest}/", f"{scheme}{mark}{rest}"]
    return tuple(dict.fromkeys(found))
