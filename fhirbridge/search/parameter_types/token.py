"""Token parameters: codes, identifiers, booleans, contact points.

Source: R4 search.html#token
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from fhirbridge.jsontypes import Json
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.search.escapes import split, unescape
from fhirbridge.search.parameter_types.string import StringValue, string_value

_BOOLEAN_SYSTEM = "http://hl7.org/fhir/special-values"


@record()
class TokenValue:
    """A code with its system; "" for none."""

    system: str
    code: str


@record()
class TokenCriterion:
    """Matches a code and a system; None matches any of them, "" matches the absence of a system."""

    system: str | None
    code: str | None


TokenReader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[TokenValue]]
TextReader: TypeAlias = Callable[[Json, str, SearchContext], Iterator[StringValue]]


def _coding(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    code = node.get("code")
    if code:
        yield TokenValue(node.get("system", ""), code)


def _concept(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    for coding in node.get("coding", ()):
        code = coding.get("code")
        if code:
            yield TokenValue(coding.get("system", ""), code)


def _identifier(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    value = node.get("value")
    if value:
        yield TokenValue(node.get("system", ""), value)


def _contact_point(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    value = node.get("value")
    if value:
        yield TokenValue(node.get("use", ""), value)


def _boolean(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    yield TokenValue(_BOOLEAN_SYSTEM, "true" if node else "false")


def _plain(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    yield TokenValue(system, str(node))


READERS: Mapping[str, TokenReader] = {
    "Coding": _coding,
    "CodeableConcept": _concept,
    "Identifier": _identifier,
    "ContactPoint": _contact_point,
    "boolean": _boolean,
    **dict.fromkeys(("code", "id", "string", "uri", "url", "canonical", "oid", "uuid"), _plain),
}


def _coding_text(node: Json, system: str, context: SearchContext) -> Iterator[StringValue]:
    if node.get("display"):
        yield string_value(node["display"])


def _concept_text(node: Json, system: str, context: SearchContext) -> Iterator[StringValue]:
    if node.get("text"):
        yield string_value(node["text"])
    for coding in node.get("coding", ()):
        if coding.get("display"):
            yield string_value(coding["display"])


def _identifier_text(node: Json, system: str, context: SearchContext) -> Iterator[StringValue]:
    if node.get("type"):
        yield from _concept_text(node["type"], system, context)


# What `:text` searches, kept under `<parameter>:text`.
TEXT_READERS: Mapping[str, TextReader] = {
    "Coding": _coding_text,
    "CodeableConcept": _concept_text,
    "Identifier": _identifier_text,
}


def of_type_values(node: Json, system: str, context: SearchContext) -> Iterator[TokenValue]:
    """What `:of-type` searches: the coded type of an Identifier together with its value."""
    value = node.get("value")
    for coding in node.get("type", {}).get("coding", ()) if value else ():
        if coding.get("code"):
            yield TokenValue(coding.get("system", ""), f"{coding['code']}|{value}")


def parse(text: str) -> TokenCriterion:
    """Read `code`, `system|code`, `|code` or `system|`; raises ValueError for anything else."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) == 1:
        return TokenCriterion(None, parts[0])
    if len(parts) != 2 or parts == ["", ""]:
        raise ValueError("expected code, system|code, |code or system|")
    return TokenCriterion(parts[0], parts[1] or None)


def parse_of_type(text: str) -> TokenCriterion:
    """Read `system|type code|value` of the modifier `:of-type`."""
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) != 3 or not all(parts):
        raise ValueError("expected system|code|value")
    return TokenCriterion(parts[0], f"{parts[1]}|{parts[2]}")
