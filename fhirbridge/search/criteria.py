"""The values of one parameter, read by its type and modifier.

Source: R4 search.html#modifiers and the section of each parameter type
"""

from collections.abc import Callable
from typing import TypeAlias

from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.search_parameters import SearchParameter
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
_Parse: TypeAlias = Callable[[str], Criterion]


def parse_criteria(
    parameter: SearchParameter, modifier: str, values: list[str], context: SearchContext
) -> tuple[Criterion, ...]:
    """Read all values of a parameter.

    Raises InvalidContent that names the parameter, not the value: code `not-supported` for a
    modifier, `invalid` for a value.
    """
    if modifier in ("in", "not-in") and parameter.type == "token":
        return tuple(each for value in values for each in _value_set(parameter, value))
    parse = _parser(parameter, modifier, context)
    if parse is None:
        raise invalid_search(
            f"The modifier ':{modifier[:40]}' cannot be used with '{parameter.code}'.",
            code="not-supported",
        )
    found = []
    for value in values:
        try:
            found.append(parse(value))
        except (ValueError, OverflowError) as exc:
            # Messages of ours say what is expected; those of the library would repeat the value.
            detail = str(exc) if str(exc).startswith("expected") else "expected another form"
            raise invalid_search(
                f"A value of the {parameter.type} parameter '{parameter.code}' cannot be read:"
                f" {detail}."
            ) from exc
    return tuple(found)


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


def _value_set(parameter: SearchParameter, url: str) -> list[Criterion]:
    systems = definitions().value_set(unescape(url).partition("|")[0])
    if systems is None:
        raise invalid_search(
            f"'{parameter.code}:in' names a value set that this server cannot list.",
            code="not-supported",
        )
    return [
        TokenCriterion(system, code) for system, codes in systems.items() for code in sorted(codes)
    ]
