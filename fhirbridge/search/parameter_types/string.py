"""String parameters: a prefix, without regard to case, accents and runs of blanks.

Source: R4 search.html#string
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Literal, TypeAlias

from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import unescape


@record()
class StringValue:
    """A text as written, and folded for comparison."""

    normalized: str
    exact: str


StringMatch: TypeAlias = Literal["prefix", "exact", "contains"]


@record()
class StringCriterion:
    """Matches texts that start with, equal or contain a text."""

    text: StringValue
    match: StringMatch


@lru_cache(maxsize=4096)
def normalize(text: str) -> str:
    """Fold case and accents and reduce white space: `"  Éva  Müller"` -> `"eva muller"`."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(letters.split())


def string_value(text: str) -> StringValue:
    """The index value of a text."""
    return StringValue(normalize(text), text)


Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[StringValue]]

_NAME_TEXTS = ("text", "family")
_NAME_LISTS = ("given", "prefix", "suffix")
_ADDRESS_TEXTS = ("text", "city", "district", "state", "postalCode", "country")
_ADDRESS_LISTS = ("line",)


def _parts(texts: tuple[str, ...], lists: tuple[str, ...]) -> Reader:
    def read(node: Json, system: str, context: SearchContext) -> Iterator[StringValue]:
        for name in texts:
            if node.get(name):
                yield string_value(node[name])
        for name in lists:
            for item in node.get(name, ()):
                if item:
                    yield string_value(item)

    return read


def _plain(node: Json, system: str, context: SearchContext) -> Iterator[StringValue]:
    if node and isinstance(node, str):
        yield string_value(node)


READERS: Mapping[str, Reader] = {
    "string": _plain,
    "markdown": _plain,
    "HumanName": _parts(_NAME_TEXTS, _NAME_LISTS),
    "Address": _parts(_ADDRESS_TEXTS, _ADDRESS_LISTS),
}


def parse(text: str, match: StringMatch = "prefix") -> StringCriterion:
    """Read a search value; raises ValueError if nothing is left to search for."""
    value = string_value(unescape(text))
    if not value.normalized:
        raise ValueError("expected a text")
    return StringCriterion(value, match)
