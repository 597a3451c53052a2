"""FHIR XML: dict -> text over the compiled definitions; `parse` is the way back.

Digits, date texts and narrative are written as the dict has them; elements come in the order of
the definitions, whatever the order of the dict.
Source: R4 xml.html, formats.html#xml
"""

import decimal
import re

from fhirbridge.errors import Issue, NotAcceptable
from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.validation.xhtml import with_characters
from fhirbridge.fhir.xml_reader import FHIR_NAMESPACE, parse
from fhirbridge.jsontypes import Json, JsonObject, Resource

__all__ = ["dump", "parse"]

_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>'
_ESCAPES = {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_ESCAPED = re.compile('[&<"\t\n\r]')
# Source: XML 1.0 section 2.2
_NO_CHARACTER = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PROLOG = re.compile(r"\s*<\?xml[^>]*\?>\s*")


def dump(resource: Resource, *, pretty: bool = False) -> bytes:
    """Write a valid resource as XML in UTF-8.

    Raises NotAcceptable for a character that XML cannot hold.
    """
    writer = _Writer(pretty)
    writer.resource(resource, f' xmlns="{FHIR_NAMESPACE}"', 0)
    text = "".join((_DECLARATION, *writer.parts, "\n" if pretty else ""))
    if _NO_CHARACTER.search(text):
        raise NotAcceptable(
            Issue("not-supported", "The resource holds a character that XML does not have.")
        )
    return text.encode()


class _Writer:
    """Collects the pieces of the text."""

    def __init__(self, pretty: bool) -> None:
        self.parts: list[str] = []
        self._pretty = pretty

    def resource(self, resource: Resource, declared: str, depth: int) -> None:
        resource_type = resource["resourceType"]
        self._open(resource_type, declared, depth)
        before = len(self.parts)
        self._elements(resource, resource_type, depth + 1)
        self._close(resource_type, depth, is_empty=len(self.parts) == before)

    def _elements(self, value: JsonObject, type_name: str, depth: int) -> None:
        for element in definitions().elements(type_name).values():
            if element.is_primitive and element.type != "xhtml":
                self._primitives(value, element, depth)
            elif element.name in value:
                found = value[element.name]
                for each in found if element.is_list else (found,):
                    self._complex(each, element, depth)

    def _primitives(self, owner: JsonObject, element: ElementInfo, depth: int) -> None:
        value, companion = owner.get(element.name), owner.get(f"_{element.name}")
        if value is None and companion is None:
            return
        if not element.is_list:
            self._primitive(value, companion, element, depth)
            return
        values, companions = value or [], companion or []
        for index in range(max(len(values), len(companions))):
            self._primitive(_at(values, index), _at(companions, index), element, depth)

    def _primitive(
        self, value: Json, companion: JsonObject | None, element: ElementInfo, depth: int
    ) -> None:
        written = "" if value is None else f' value="{_attribute(_text(value))}"'
        self._element(element.name, companion or {}, "Element", depth, written)

    def _complex(self, value: Json, element: ElementInfo, depth: int) -> None:
        if element.type == "xhtml":
            self._line(depth)
            self.parts.append(_PROLOG.sub("", with_characters(value), count=1))
        elif element.type == "Resource":
            self._open(element.name, "", depth)
            self.resource(value, "", depth + 1)
            self._close(element.name, depth, is_empty=False)
        else:
            self._element(element.name, value, element.children, depth)

    def _element(
        self, name: str, value: JsonObject, type_name: str, depth: int, written: str = ""
    ) -> None:
        """An element with what XML writes as attributes: its id, and the url of an extension."""
        names = ("id", "url") if type_name == "Extension" else ("id",)
        attributes = "".join(f' {n}="{_attribute(value[n])}"' for n in names if n in value)
        rest = {key: each for key, each in value.items() if key not in names}
        self._open(name, attributes + written, depth)
        before = len(self.parts)
        if rest:
            self._elements(rest, type_name, depth + 1)
        self._close(name, depth, is_empty=len(self.parts) == before)

    def _line(self, depth: int) -> None:
        if self._pretty:
            self.parts.append("\n" + "  " * depth)

    def _open(self, name: str, attributes: str, depth: int) -> None:
        self._line(depth)
        self.parts.append(f"<{name}{attributes}>")

    def _close(self, name: str, depth: int, *, is_empty: bool) -> None:
        if is_empty:
            self.parts[-1] = self.parts[-1][:-1] + "/>"
            return
        self._line(depth)
        self.parts.append(f"</{name}>")


def _at(items: list[Json], index: int) -> Json:
    return items[index] if index < len(items) else None


def _text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return wire.text_of(value) if isinstance(value, decimal.Decimal) else str(value)


def _attribute(text: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], text)
