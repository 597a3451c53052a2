"""FHIR XML text -> dict, as `wire.parse` gives it: digits and date texts as they were written.

No document type, no entities but those of XML itself. Comments are dropped, except in a
narrative, which is kept letter by letter.
Source: R4 xml.html, formats.html#xml
"""

import re
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from fhirbridge.errors import InvalidContent, Issue, TooLarge
from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, JsonObject, Resource

FHIR_NAMESPACE = "http://hl7.org/fhir"
XHTML_NAMESPACE = "http://www.w3.org/1999/xhtml"

_SCHEMA_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_WHOLE_TYPES = frozenset({"integer", "positiveInt", "unsignedInt"})
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SAFE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}")


@dataclass(slots=True)
class _Node:
    name: str
    attributes: dict[str, str]
    children: list["_Node"] = field(default_factory=list)
    narrative: str = ""


def parse(data: bytes, *, max_bytes: int = wire.DEFAULT_MAX_BYTES) -> Resource:
    """Read one resource.

    Raises TooLarge above `max_bytes`, and InvalidContent for text that is not UTF-8 or not XML,
    for a document type, nesting deeper than 100, and for what R4 has no element or attribute for.
    """
    if len(data) > max_bytes:
        raise TooLarge(
            Issue("too-long", f"The body is larger than the limit of {max_bytes} bytes.")
        )
    return _resource(_Reader(data.removeprefix(b"\xef\xbb\xbf")).read())


def _refuse(diagnostics: str) -> NoReturn:
    raise InvalidContent(Issue("structure", diagnostics, severity="fatal"))


class _Reader:
    """Reads XML into nodes; what is inside of a narrative stays text."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._open: list[_Node] = []
        self._root: _Node | None = None
        self._div_start = -1
        self._div_depth = 0
        self._rewritten: list[str] = []
        self._parser = expat.ParserCreate("UTF-8", namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype

    def read(self) -> _Node:
        try:
            self._data.decode()
            self._parser.Parse(self._data, True)
        except UnicodeDecodeError as exc:
            raise InvalidContent(
                Issue("structure", "The body is not valid UTF-8.", severity="fatal")
            ) from exc
        except expat.ExpatError as exc:
            where = f"line {exc.lineno}, column {exc.offset + 1}"
            raise InvalidContent(
                Issue("structure", f"The body is not well-formed XML ({where}).", severity="fatal")
            ) from exc
        assert self._root is not None  # noqa: S101
        return self._root

    def _start(self, qualified: str, attributes: dict[str, str]) -> None:
        namespace, _, name = qualified.rpartition(" ")
        if len(self._open) + self._div_depth >= wire.MAX_DEPTH:
            _refuse(f"The body is nested deeper than {wire.MAX_DEPTH} levels.")
        if self._div_depth:
            self._rewrite(name, attributes)
            return
        if namespace == XHTML_NAMESPACE and name == "div" and self._open:
            self._div_start = self._parser.CurrentByteIndex
            self._rewritten = []
            self._rewrite(name, attributes, f' xmlns="{XHTML_NAMESPACE}"')
            return
        if namespace != FHIR_NAMESPACE:
            _refuse(f"Every element must be in the namespace {FHIR_NAMESPACE}.")
        node = _Node(name, attributes)
        if self._open:
            self._open[-1].children.append(node)
        else:
            self._root = node
        self._open.append(node)

    def _end(self, qualified: str) -> None:
        if not self._div_depth:
            self._open.pop()
            return
        self._div_depth -= 1
        self._rewritten.append(f"</{qualified.rpartition(' ')[2]}>")
        if self._div_depth == 0:
            end = self._data.index(b">", self._parser.CurrentByteIndex) + 1
            text = self._data[self._div_start : end].decode()
            own = text if _stands_alone(text) else "".join(self._rewritten)
            self._open[-1].children.append(_Node("div", {}, narrative=own))

    def _text(self, text: str) -> None:
        if self._div_depth:
            self._rewritten.append(escape(text))
        elif text.strip(" \t\r\n"):
            _refuse("There is text between the elements; values stand in attributes.")

    def _rewrite(self, name: str, attributes: dict[str, str], declared: str = "") -> None:
        self._div_depth += 1
        written = [
            f" {qualified.rpartition(' ')[2]}={quoteattr(value)}"
            for qualified, value in attributes.items()
        ]
        self._rewritten.append(f"<{name}{declared}{''.join(written)}>")

    def _refuse_doctype(self, *_arguments: object) -> None:
        _refuse("A document type declaration is not allowed.")


def _stands_alone(text: str) -> bool:
    """Whether a narrative needs no declaration of what is around it, in its plainest form."""
    try:
        expat.ParserCreate(namespace_separator=" ").Parse(text.encode(), True)
    except expat.ExpatError:
        return False
    return text.startswith("<div") and f'"{XHTML_NAMESPACE}"' in text.partition(">")[0]


def _resource(node: _Node) -> Resource:
    if node.name not in definitions().resource_types:
        _refuse("The outermost element must be a resource type of FHIR R4.")
    resource: Resource = {"resourceType": node.name}
    _attributes(node, ())
    _fill(resource, node, node.name)
    return resource


def _attributes(node: _Node, allowed: tuple[str, ...]) -> dict[str, str]:
    """The attributes, without what only helps schema processors."""
    found = {
        name: value
        for name, value in node.attributes.items()
        if not name.startswith(f"{_SCHEMA_INSTANCE} ")
    }
    if not found.keys() <= set(allowed):
        _refuse(f"{_shown(node.name)} has an attribute that FHIR R4 does not define.")
    return found


def _fill(owner: JsonObject, node: _Node, type_name: str) -> None:
    """Add the elements of a node to a JSON object."""
    elements = definitions().elements(type_name)
    grouped: dict[str, list[_Node]] = {}
    for child in node.children:
        grouped.setdefault(child.name, []).append(child)
    for name, children in grouped.items():
        element = elements.get(name)
        if element is None or (name == "id" and type_name not in definitions().resource_types):
            _refuse(f"{_shown(type_name)} has no element {_shown(name)} in FHIR R4.")
        if len(children) > 1 and not element.is_list:
            _refuse(f"{_shown(type_name)} may have only one element {_shown(name)}.")
        if element.is_primitive and element.type != "xhtml":
            _add_primitives(owner, children, element)
        else:
            values = [_complex(child, element) for child in children]
            owner[name] = values if element.is_list else values[0]


def _add_primitives(owner: JsonObject, nodes: list[_Node], element: ElementInfo) -> None:
    values: list[Json] = []
    companions: list[Json] = []
    for node in nodes:
        given = _attributes(node, ("value", "id"))
        values.append(_typed(given["value"], element.type) if "value" in given else None)
        companion: JsonObject = {"id": given["id"]} if "id" in given else {}
        _fill(companion, node, "Element")
        companions.append(companion or None)
    if all(value is None for value in values) and all(each is None for each in companions):
        _refuse(f"{_shown(element.name)} has neither a value nor an extension.")
    for name, listed in ((element.name, values), (f"_{element.name}", companions)):
        if any(each is not None for each in listed):
            owner[name] = listed if element.is_list else listed[0]


def _typed(text: str, type_name: str) -> Json:
    """The JSON value of a primitive; what cannot be one stays text, for the checks to refuse."""
    if type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if type_name in _WHOLE_TYPES or type_name == "decimal":
        match = _NUMBER.fullmatch(text)
        if match is None or (type_name in _WHOLE_TYPES and (match[1] or match[2])):
            return text
        return wire.number(text) if match[1] or match[2] else wire.whole_number(text)
    return text


def _complex(node: _Node, element: ElementInfo) -> Json:
    if element.type == "xhtml":
        return node.narrative
    if element.type == "Resource":
        _attributes(node, ())
        if len(node.children) != 1:
            _refuse(f"{_shown(node.name)} must hold one resource.")
        return _resource(node.children[0])
    allowed = ("id", "url") if element.type == "Extension" else ("id",)
    value: JsonObject = dict(_attributes(node, allowed))
    if element.type == "Extension" and any(child.name == "url" for child in node.children):
        _refuse("The url of an extension is an attribute.")
    _fill(value, node, element.children)
    return value


def _shown(name: str) -> str:
    return name if all(map(_SAFE_NAME.fullmatch, name.split("."))) else "An element"
