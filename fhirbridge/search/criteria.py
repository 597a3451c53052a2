"""The values of one parameter, read by its type and modifier.

Source: R4 search.html#modifiers and the section of each parameter type
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import SearchParameter
from fhirbridge.fhir.terminology import CannotExpand, Terminology
from fhirbridge.search.context import SearchContext, invalid_search
from fhirbridge.search.escapes import unescape
from fhirbridge.search.parameter_types import date, number, quantity, reference, string, token, uri
from fhirbridge.search.parameter_types.date import DateCriterion
from fhirbridge.search.parameter_types.number import NumberCriterion
from fhirbridge.search.parameter_types.quantity import QuantityCriterion
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.parameter_types.string import StringCriterion
from fhirbridge.search.parameter_types.token import TokenCriterion
from fhirbridge.search.parameter_types.uri import UriCriterion

Criterion: TypeAlias = (
    TokenCriterion
    | StringCriterion
    | DateCriterion
    | ReferenceCriterion
    | NumberCriterion
    | QuantityCriterion
    | UriCriterion
)
# No value is indexed without a code: this matches none.
_NOTHING = TokenCriterion("", "")
_Parse: TypeAlias = Callable[[str], Criterion]


def parse_criteria(
    parameter: SearchParameter, modifier: str, values: list[str], context: SearchContext
) -> tuple[Criterion, ...]:
    """Read all values of a parameter.

    Raises InvalidContent that names the parameter, not the value: code `not-supported` for a
    modifier, `invalid` for a value.
    """
    if parameter.type == "token" and modifier in ("in", "not-in", "above", "below"):
        find = _value_set if modifier in ("in", "not-in") else _relatives
        found = [each for value in values for each in find(parameter, modifier, value, context)]
        return tuple(found) or (_NOTHING,)
    parse = _parser(parameter, modifier, context)
    if parse is None:
        raise invalid_search(
            f"The modifier ':{modifier[:40]}' cannot be used with '{parameter.code}'.",
            code="not-supported",
        )
    return tuple(_read(parameter, parse, value) for value in values)


def parse_ucum(parameter: SearchParameter, value: str) -> Criterion | None:
    """Read a quantity in UCUM as one in base units; None for another value.

    Raises InvalidContent that names the parameter.
    """
    return _read(parameter, quantity.parse_ucum, value)


_Read = TypeVar("_Read")


def _read(parameter: SearchParameter, parse: Callable[[str], _Read], value: str) -> _Read:
    try:
        return parse(value)
    except (ValueError, OverflowError) as exc:
        # Messages of ours say what is expected; those of the library would repeat the value.
        detail = str(exc) if str(exc).startswith("expected") else "expected another form"
        raise invalid_search(
            f"A value of the {parameter.type} parameter '{parameter.code}' cannot be read:"
            f" {detail}."
        ) from exc


def _parser(parameter: SearchParameter, modifier: str, context: SearchContext) -> _Parse | None:
    match parameter.type, modifier:
        case "token", "" | "not":
            return token.parse
        case "token", "text":
            return string.parse
        case "token", "of-type":
            return token.parse_of_type
        case "string", "":
            return string.parse
        case "string", "exact":
            return lambda text: string.parse(text, "exact")
        case "string", "contains":
            return lambda text: string.parse(text, "contains")
        case "date", "":
            return lambda text: date.parse(text, context)
        case "number", "":
            return number.parse
        case "quantity", "":
            return quantity.parse
        case "uri", "":
            return uri.parse
        case "uri", "above":
            return lambda text: uri.parse(text, "above")
        case "uri", "below":
            return lambda text: uri.parse(text, "below")
        case "reference", "identifier":
            return token.parse
        case "reference", _:
            return _reference_parser(parameter, modifier, context)
        case _:
            return None


def _reference_parser(
    parameter: SearchParameter, modifier: str, context: SearchContext
) -> _Parse | None:
    types = parameter.targets
    if modifier:
        if modifier not in (types or definitions().resource_types):
            return None
        types = (modifier,)
    return lambda text: reference.parse(text, types, context)


def _value_set(
    parameter: SearchParameter, modifier: str, value: str, context: SearchContext
) -> list[Criterion]:
    """The codes of a value set: stored here, by its URL or `ValueSet/id`, or one of R4."""
    try:
        concepts = _terminology(context).expand_url(unescape(value))
    except CannotExpand as exc:
        raise invalid_search(
            f"'{parameter.code}:{modifier}' names a value set that this server cannot list.",
            code="not-supported",
        ) from exc
    return [TokenCriterion(system, code) for system, code in concepts]


def _relatives(
    parameter: SearchParameter, modifier: str, value: str, context: SearchContext
) -> list[Criterion]:
    """A code and all codes above or below it in its code system, which must be stored here."""
    wanted = _read(parameter, token.parse, value)
    if not wanted.system or not wanted.code:
        raise invalid_search(f"'{parameter.code}:{modifier}' takes system|code.")
    codes = _terminology(context).relatives(wanted.system, wanted.code, above=modifier == "above")
    if codes is None:
        raise invalid_search(
            f"'{parameter.code}:{modifier}' names a code system that is not known here in full.",
            code="not-supported",
        )
    return [TokenCriterion(wanted.system, code) for code in sorted(codes)]


def _terminology(context: SearchContext) -> Terminology:
    return context.terminology or Terminology(lambda *_: None, lambda *_: None)
