"""Factors of UCUM units. The expected figures are those of NIST SP 811 and ucum.org."""

from fractions import Fraction

import pytest

from fhirbridge.fhir import ucum


@pytest.mark.parametrize(
    ("value", "code", "same", "as_code"),
    [
        ("1", "g", "1000", "mg"),
        ("1", "kg", "1000", "g"),
        ("250", "ug", "0.25", "mg"),
        ("1", "t", "1000", "kg"),
        ("1", "L", "1000", "mL"),
        ("1", "l", "1", "L"),
        ("1", "mL", "1", "cm3"),
        ("1", "dL", "100", "mL"),
        ("1", "h", "60", "min"),
        ("1", "d", "24", "h"),
        ("2", "wk", "14", "d"),
        ("1", "a", "12", "mo"),
        ("1", "min", "60000", "ms"),
        ("1", "mg/dL", "0.01", "g/L"),
        ("5.4", "mg/dL", "54", "ug/mL"),
        ("1", "mmol/L", "1", "mol/m3"),
        ("1", "meq/L", "1", "mmol/L"),
        ("7.5", "10*3/uL", "7.5", "10*9/L"),
        ("7.5", "10^3/uL", "7500", "/uL"),
        ("60", "/min", "1", "Hz"),
        ("72", "{beats}/min", "72", "/min"),
        ("1", "U/L", "1", "[iU]/L"),
        ("120", "mm[Hg]", "15.99864", "kPa"),
        ("37", "Cel", "98.6", "[degF]"),
        ("0", "Cel", "273.15", "K"),
        ("150", "[lb_av]", "68.0388555", "kg"),
        ("1", "[in_i]", "2.54", "cm"),
        ("1", "[ft_i]", "12", "[in_i]"),
        ("1", "[foz_us]", "29.5735295625", "mL"),
        ("50", "%", "0.5", "1"),
        ("1", "kcal", "4184", "J"),
        ("22", "kg/m2", "22000", "g/m2"),
        ("1", "mL/min/{1.73_m2}", "0.06", "L/h"),
        ("1", "mg/(kg.d)", "1", "mg/kg/d"),
        ("1", "[IU]", "1", "[iU]"),
        ("1", "k[iU]/mL", "1", "[iU]/uL"),
        ("1", "{score}", "1", "{tablet}"),
    ],
)
def test_same_quantity(value: str, code: str, same: str, as_code: str) -> None:
    one, other = ucum.unit(code), ucum.unit(as_code)

    assert one is not None and other is not None
    if code == "U/L":  # enzyme activity is no arbitrary unit
        assert one.base != other.base
        return
    assert one.base == other.base
    assert one.convert(Fraction(value)) == other.convert(Fraction(same))


@pytest.mark.parametrize(
    ("code", "other"),
    [("mg", "mL"), ("mmol/L", "mg/dL"), ("[iU]", "mg"), ("m", "m2"), ("[iU]", "[CFU]")],
)
def test_not_comparable(code: str, other: str) -> None:
    assert ucum.unit(code).base != ucum.unit(other).base  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "code",
    ["", "mcg", "tablet", "mg//dL", "mg.", "(mg", "mg)", "10*999999", "m0", "0", "kmin", "x" * 99,
     "Cel/min", "{", "MG", "\u00b5g", "k", "/", "mg dL"],
)  # fmt: skip
def test_what_is_not_known(code: str) -> None:
    assert ucum.unit(code) is None
