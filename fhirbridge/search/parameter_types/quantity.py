"""Quantity parameters: a number with system and code, or with a unit.

A quantity in UCUM is indexed as well in base units, under `<parameter>:ucum`: `5.4 mg` is found
as `0.0054 g`.
Source: R4 search.html#quantity
"""

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TypeAlias

from fhirbridge.fhir import ucum
from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import split, unescape
from fhirbridge.search.parameter_types import number
from fhirbridge.search.parameter_types.number import NumberCriterion, NumberValue

_CURRENCIES = "urn:iso:std:iso:4217"
_INFINITY = float("inf")


@record()
class QuantityValue:
    """A number or range in one unit. A unit without a code has no system."""

    system: str
    code: str
    low: float
    high: float


@record()
class QuantityCriterion:
    """Matches a number and a unit; None matches any system or unit."""

    number: NumberCriterion
    system: str | None
    code: str | None


Reader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[QuantityValue]]


def _in_units(unit: Json, value: NumberValue) -> Iterator[QuantityValue]:
    code, text = unit.get("code", ""), unit.get("unit", "")
    yield QuantityValue(unit.get("system", "") if code else "", code or text, value.low, value.high)
    if code and text and text != code:
        yield QuantityValue("", text, value.low, value.high)


def _quantity(node: Json, system: str, context: SearchContext) -> Iterator[QuantityValue]:
    value = node.get("value")
    if value is None:
        return
    comparator = node.get("comparator", "")
    low = -_INFINITY if comparator.startswith("<") else float(value)
    high = _INFINITY if comparator.startswith(">") else float(value)
    yield from _in_units(node, NumberValue(low, high))


def _range(node: Json, system: str, context: SearchContext) -> Iterator[QuantityValue]:
    value = number.range_of(node)
    if value is not None:
        yield from _in_units(node.get("low") or node.get("high"), value)


def _money(node: Json, system: str, context: SearchContext) -> Iterator[QuantityValue]:
    value = node.get("value")
    if value is not None:
        amount = float(value)
        yield QuantityValue(_CURRENCIES, node.get("currency", ""), amount, amount)


READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("Quantity", "Age", "Duration", "Count", "Distance"), _quantity),
    "Range": _range,
    "Money": _money,
}


def _in_base_units(node: Json, system: str, context: SearchContext) -> Iterator[QuantityValue]:
    unit = _unit(node)
    if unit is not None and node.get("value") is not None:
        comparator = node.get("comparator", "")
        value = unit.convert(Fraction(str(node["value"])))
        low = -_INFINITY if comparator.startswith("<") else value
        high = _INFINITY if comparator.startswith(">") else value
        yield QuantityValue(ucum.SYSTEM, unit.base, low, high)


def _range_in_base_units(
    node: Json, system: str, context: SearchContext
) -> Iterator[QuantityValue]:
    ends = [node.get("low") or {}, node.get("high") or {}]
    values = [next(_in_base_units(end, system, context), None) for end in ends]
    known = [value for value in values if value is not None]
    if known and all(value or "value" not in end for value, end in zip(values, ends, strict=True)):
        low, high = values
        yield QuantityValue(
            ucum.SYSTEM,
            known[0].code,
            low.low if low else -_INFINITY,
            high.high if high else _INFINITY,
        )


def _unit(node: Json) -> ucum.Unit | None:
    code = node.get("code")
    return ucum.unit(code) if code and node.get("system") == ucum.SYSTEM else None


# What a search in UCUM looks at, kept under `<parameter>:ucum`.
UCUM_READERS: Mapping[str, Reader] = {
    **dict.fromkeys(("Quantity", "Age", "Duration", "Count", "Distance"), _in_base_units),
    "Range": _range_in_base_units,
}


def parse_ucum(text: str) -> QuantityCriterion | None:
    """Read `number|http://unitsofmeasure.org|code` as a criterion in base units.

    None for anything else, and for a unit that is not known: it is compared as written.
    """
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or parts[1] != ucum.SYSTEM or (unit := ucum.unit(parts[2])) is None:
        return None
    written = number.parse_written(parts[0])
    value, half = Fraction(written.value), Fraction(written.half)
    low, middle, high = (unit.convert(each) for each in (value - half, value, value + half))
    criterion = NumberCriterion(written.prefix, middle, low, high)
    return QuantityCriterion(criterion, ucum.SYSTEM, unit.base)


def parse(text: str) -> QuantityCriterion:
    """Read `[prefix]number`, `number|system|code` or `number||code`; raises ValueError."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) not in (1, 3):
        raise ValueError("expected number, number|system|code or number||code")
    value = number.parse(parts[0])
    if len(parts) == 1:
        return QuantityCriterion(value, None, None)
    return QuantityCriterion(value, parts[1] or None, parts[2] or None)
