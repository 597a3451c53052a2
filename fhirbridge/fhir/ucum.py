"""Units of measure: UCUM codes -> factors to base units, exact, for comparing quantities.

Covered are the units of clinical practice; a code outside of the table is compared as written.
Mass and amount of substance are never turned into each other.
Source: The Unified Code for Units of Measure 2.1 (ucum.org), case sensitive codes
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

SYSTEM = "http://unitsofmeasure.org"

# exponents of base units, none of them 0
Dimension: TypeAlias = dict[str, int]

_MAX_LENGTH = 60
_MAX_EXPONENT = 30


@dataclass(frozen=True, slots=True)
class Unit:
    """`value * factor + offset` is the same quantity in base units, whose code is `base`."""

    base: str
    factor: Fraction
    offset: Fraction = Fraction(0)

    def convert(self, value: Fraction) -> float:
        """A value in this unit as a number of base units."""
        exact = value * self.factor + self.offset
        try:
            return float(exact)
        except OverflowError:
            return float("inf") if exact > 0 else float("-inf")


@dataclass(frozen=True, slots=True)
class _Term:
    factor: Fraction
    dimension: Dimension


_PREFIXES: Mapping[str, Fraction] = {
    name: Fraction(10) ** power
    for name, power in {
        "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
        "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21,
        "y": -24,
    }.items()
}  # fmt: skip

# code -> factor, and the code that it is a multiple of; these take a prefix
_METRIC: Mapping[str, tuple[str, str]] = {
    "m": ("1", ""), "s": ("1", ""), "g": ("1", ""), "K": ("1", ""), "mol": ("1", ""),
    "C": ("1", ""), "cd": ("1", ""), "rad": ("1", ""),
    "Hz": ("1", "s-1"), "N": ("1000", "g.m.s-2"), "Pa": ("1000", "g.m-1.s-2"),
    "J": ("1000", "g.m2.s-2"), "W": ("1000", "g.m2.s-3"), "A": ("1", "C.s-1"),
    "V": ("1000", "g.m2.s-2.C-1"), "Bq": ("1", "s-1"), "Gy": ("1", "m2.s-2"),
    "Sv": ("1", "m2.s-2"), "l": ("0.001", "m3"), "L": ("0.001", "m3"), "bar": ("100000", "Pa"),
    "t": ("1000000", "g"), "cal": ("4.184", "J"), "kat": ("1", "mol.s-1"),
    "U": ("1/60000000", "mol.s-1"), "eq": ("1", "mol"), "osm": ("1", "mol"),
    "m[Hg]": ("133322", "Pa"), "m[H2O]": ("9806.65", "Pa"),
    # arbitrary units are comparable with themselves only
    "[iU]": ("1", ""), "[IU]": ("1", "[iU]"),
}  # fmt: skip
_PLAIN: Mapping[str, tuple[str, str]] = {
    "min": ("60", "s"), "h": ("3600", "s"), "d": ("86400", "s"), "wk": ("604800", "s"),
    "mo": ("2629800", "s"), "mo_j": ("2629800", "s"), "a": ("31557600", "s"),
    "a_j": ("31557600", "s"), "%": ("1/100", ""), "[ppth]": ("1/1000", ""),
    "[ppm]": ("1/1000000", ""), "[ppb]": ("1/1000000000", ""), "10*": ("10", ""),
    "10^": ("10", ""), "[lb_av]": ("453.59237", "g"), "[oz_av]": ("28.349523125", "g"),
    "[gr]": ("0.06479891", "g"), "[in_i]": ("0.0254", "m"), "[ft_i]": ("0.3048", "m"),
    "[yd_i]": ("0.9144", "m"), "[mi_i]": ("1609.344", "m"), "[gal_us]": ("0.003785411784", "m3"),
    "[qt_us]": ("0.000946352946", "m3"), "[pt_us]": ("0.000473176473", "m3"),
    "[foz_us]": ("0.0000295735295625", "m3"), "[cup_us]": ("0.0002365882365", "m3"),
    "[tbs_us]": ("0.00001478676478125", "m3"), "[tsp_us]": ("0.00000492892159375", "m3"),
    "[arb'U]": ("1", ""), "[CFU]": ("1", ""), "[drp]": ("1/20000000", "m3"), "deg": ("1", ""),
}  # fmt: skip
# arbitrary units and angles: bases of their own besides m, s, g, K, mol, C, cd, rad
_BASES = frozenset({"m", "s", "g", "K", "mol", "C", "cd", "rad", "[iU]", "[arb'U]", "[CFU]", "deg"})
# Scales with a zero of their own stand alone.
_SCALES: Mapping[str, Unit] = {
    "Cel": Unit("K", Fraction(1), Fraction("273.15")),
    "[degF]": Unit("K", Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}

_TOKEN = re.compile(
    r"(?P<annotation>\{[^{}]*\})|(?P<unit>10[*^]|(?:[A-Za-z%]|\[[^\[\]]+\]|_(?=[a-z]))+)"
    r"|(?P<number>\d+)|(?P<sign>[./()])"
)
_EXPONENT = re.compile(r"[+-]?\d+")


class _Unknown(ValueError):
    """Not a code that the table covers."""


@lru_cache(maxsize=4096)
def unit(code: str) -> Unit | None:
    """The unit of a UCUM code; None if it is none that is known here."""
    if code in _SCALES:
        return _SCALES[code]
    if not code or len(code) > _MAX_LENGTH:
        return None
    try:
        term = _Parser(code).parse()
    except _Unknown:
        return None
    return Unit(_written(term.dimension), term.factor)


def _written(dimension: Dimension) -> str:
    """The base units as a UCUM code, always in the same order."""
    parts = [f"{name}{'' if power == 1 else power}" for name, power in sorted(dimension.items())]
    return ".".join(parts) or "1"


def _product(left: _Term, right: _Term, power: int = 1) -> _Term:
    dimension = dict(left.dimension)
    for name, exponent in right.dimension.items():
        total = dimension.pop(name, 0) + exponent * power
        if total:
            dimension[name] = total
    return _Term(left.factor * right.factor**power, dimension)


_ONE = _Term(Fraction(1), {})


@lru_cache(maxsize=1024)
def _atom(code: str) -> _Term:
    if code in _PLAIN:
        return _defined(code, *_PLAIN[code])
    if code in _METRIC:
        return _defined(code, *_METRIC[code])
    for length in (1, 2):
        prefix, rest = code[:length], code[length:]
        if prefix in _PREFIXES and rest in _METRIC:
            known = _atom(rest)
            return _Term(known.factor * _PREFIXES[prefix], known.dimension)
    raise _Unknown


def _defined(code: str, factor: str, of: str) -> _Term:
    if code in _BASES:
        return _Term(Fraction(1), {code: 1})
    known = _Parser(of).parse() if of else _ONE
    return _Term(known.factor * Fraction(factor), known.dimension)


class _Parser:
    """term = ["/"] component {("." | "/") component}. Source: ucum.org section 2.3"""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def parse(self) -> _Term:
        found = self._term()
        if self._position < len(self._text):
            raise _Unknown
        return found

    def _term(self) -> _Term:
        power = 1
        if self._text.startswith("/", self._position):
            self._position += 1
            power = -1
        found = _product(_ONE, self._component(), power)
        while self._text[self._position : self._position + 1] in (".", "/"):
            power = 1 if self._text[self._position] == "." else -1
            self._position += 1
            found = _product(found, self._component(), power)
        return found

    def _component(self) -> _Term:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            raise _Unknown
        self._position = match.end()
        if match["annotation"]:
            return _ONE
        if match["number"]:
            number = int(match["number"])
            if not number:
                raise _Unknown
            return self._annotated(_Term(Fraction(number), {}))
        if match["unit"]:
            return self._annotated(_product(_ONE, _atom(match["unit"]), self._exponent()))
        if match["sign"] != "(":
            raise _Unknown
        found = self._term()
        if not self._text.startswith(")", self._position):
            raise _Unknown
        self._position += 1
        return self._annotated(found)

    def _annotated(self, term: _Term) -> _Term:
        match = _TOKEN.match(self._text, self._position)
        if match is not None and match["annotation"]:
            self._position = match.end()
        return term

    def _exponent(self) -> int:
        match = _EXPONENT.match(self._text, self._position)
        if match is None:
            return 1
        self._position = match.end()
        power = int(match[0])
        if not power or abs(power) > _MAX_EXPONENT:
            raise _Unknown
        return power
