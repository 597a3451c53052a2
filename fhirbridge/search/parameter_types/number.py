"""Number parameters: `eq` and `ne` take the written precision into account.

Source: R4 search.html#number, search.html#prefix
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TypeAlias

from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import unescape
from fhirbridge.search.parameter_types.prefixes import Prefix, parse_prefix

_INFINITY = float("inf")
_WRITTEN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


@record()
class NumberValue:
    """A number, or a range with both ends inclusive."""

    low: float
    high: float


@record()
class NumberCriterion:
    """Matches numbers that stand in a relation to `value`.

    `low` (inclusive) and `high` (exclusive) are the range that the written precision implies,
    or ten per cent to both sides for `ap`.
    """

    prefix: Prefix
    value: float
    low: float
    high: float


Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[NumberValue]]


def _plain(node: Json, system: str, context: SearchContext) -> Iterator[NumberValue]:
    yield NumberValue(float(node), float(node))


def _range(node: Json, system: str, context: SearchContext) -> Iterator[NumberValue]:
    value = range_of(node)
    if value is not None:
        yield value


def range_of(node: Json) -> NumberValue | None:
    """The numbers of a Range; None if it has none."""
    low, high = node.get("low", {}).get("value"), node.get("high", {}).get("value")
    if low is None and high is None:
        return None
    return NumberValue(
        -_INFINITY if low is None else float(low), _INFINITY if high is None else float(high)
    )


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("integer", "decimal", "positiveInt", "unsignedInt"), _plain),
    "Range": _range,
}


def parse(text: str) -> NumberCriterion:
    """Read a number with its prefix: `100` stands for 99.5 to 100.5, `1e2` for 50 to 150.

    Raises ValueError.
    """
    number = parse_written(text)
    value, half = number.value, number.half
    return NumberCriterion(number.prefix, float(value), float(value - half), float(value + half))


@record()
class WrittenNumber:
    """A number as written in a search, with its prefix.

    `half` is half of the width that it stands for.
    """

    prefix: Prefix
    value: Decimal
    half: Decimal


def parse_written(text: str) -> WrittenNumber:
    """Read a number with its prefix, to the last digit; raises ValueError."""
    prefix, rest = parse_prefix(unescape(text).strip())
    # Python reads more: digits of other scripts, underscores.
    if not _WRITTEN.fullmatch(rest):
        raise ValueError("expected a number")
    value = Decimal(rest)
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > 300 or value.adjusted() > 300:
        raise ValueError("expected a finite number")
    half = Decimal(5).scaleb(exponent - 1)
    if prefix is Prefix.AP:
        half = max(half, abs(value) / 10)
    return WrittenNumber(prefix, value, half)
