"""Safe narrative: well-formed XHTML with the elements and attributes that R4 allows.

Source: R4 narrative.html, invariants txt-1 and txt-2
"""

import re
from html.entities import name2codepoint
from xml.parsers import expat

from fhirbridge.fhir.validation.findings import Findings, Path
from fhirbridge.jsontypes import Json

_NAMESPACE = "http://www.w3.org/1999/xhtml"
# The common ones first, because the pattern below tries them in this order.
_ELEMENT_NAMES = (
    "div p td tr b br span table li ul tbody th thead a i abbr acronym address area bdo big "
    "blockquote caption cite code col colgroup dd del dfn dl dt em h1 h2 h3 h4 h5 h6 hr img ins "
    "kbd map ol pre q s samp small strike strong sub sup tfoot tt u var"
)
_ATTRIBUTE_NAMES = (
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign "
    "char charoff charset cite class colspan compact coords datetime dir frame headers height href "
    "hreflang hspace id ismap lang longdesc name nohref nowrap rel rev rowspan rules scope shape "
    "span src start style summary tabindex title type usemap valign value vspace width"
)
_ELEMENTS = frozenset(_ELEMENT_NAMES.split())
_ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())
_XML_ATTRIBUTES = frozenset({"lang", "space", "id"})
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
_LINKS = frozenset({"href", "src", "cite", "longdesc"})
_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES = frozenset({"lt", "gt", "amp", "quot", "apos"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SAFE_SCHEMES = frozenset({"http", "https", "mailto", "tel", "ftp", "urn", "cid"})
# A style may show a picture that lies beside the narrative or in the style itself, nothing else.
_UNSAFE_STYLE = re.compile(
    r"url\s*\(\s*[\"']?\s*(?!data:\s*image/)(?://|[a-z][a-z0-9+.-]*:)"
    r"|expression\s*\(|@import|javascript:|behavior\s*:|-moz-binding|\\",
    re.IGNORECASE,
)

# Nearly every narrative is plain: allowed elements, attributes without links or with harmless
# ones, no declarations. One pass of this pattern is much faster than a look at each element.
_PLAIN_ATTRIBUTE = (
    rf"\s++(?:(?:{'|'.join(sorted(_ATTRIBUTES - _LINKS - {'style'}))})=(?:\"[^\"<]*+\"|'[^'<]*+')"
    r'|(?:href|src)="(?:https?://|mailto:|#|[A-Z][A-Za-z]++/)[^"<]*+"'
    r'|style="(?![^"]*(?:behavior|binding|javascript))[\w\s:;#%.,-]*+")'
)
_PLAIN_TAG = (
    rf"</?+(?:{_ELEMENT_NAMES.replace(' ', '|')})"
    rf"(?:>|(?=[\s/])(?:{_PLAIN_ATTRIBUTE})*+\s*+/?+>)"
)
_PLAIN = re.compile(
    rf'\s*+<div xmlns="{re.escape(_NAMESPACE)}"(?:{_PLAIN_ATTRIBUTE})*+\s*+>'
    rf"[^<]*+(?:{_PLAIN_TAG}[^<]*+)*+"
)
_SOME_TEXT = re.compile(r">[ \t\r\n]*+[^< \t\r\n]")


class _Unsafe(Exception):
    """The narrative holds something that R4 does not allow; the text says what."""


class _Reader:
    """Walks one narrative and remembers whether it says anything."""

    def __init__(self) -> None:
        self._has_content = False
        self._depth = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.ProcessingInstructionHandler = self._refuse_instruction

    def read(self, text: str) -> bool:
        """True if the narrative says anything. Raises _Unsafe or ExpatError."""
        self._parser.Parse(text.encode(), True)
        return self._has_content

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        if namespace != _NAMESPACE:
            raise _Unsafe(f"Every element must be in the namespace {_NAMESPACE}")
        if not self._depth and local != "div":
            raise _Unsafe("The outermost element must be a div")
        if local not in _ELEMENTS:
            raise _Unsafe(
                f"The element {local} is not allowed" if local.isalnum() else "An element"
            )
        self._depth += 1
        if local == "img" and "src" in attributes:
            self._has_content = True
        for attribute, value in attributes.items():
            _check_attribute(local, attribute, value)

    def _end(self, _name: str) -> None:
        self._depth -= 1

    def _text(self, text: str) -> None:
        if not self._has_content and text.strip(" \t\r\n"):
            self._has_content = True

    def _refuse_doctype(self, *_arguments: object) -> None:
        raise _Unsafe("A document type declaration is not allowed")

    def _refuse_instruction(self, *_arguments: object) -> None:
        raise _Unsafe("A processing instruction is not allowed")


def check_narrative(value: Json, path: Path, found: Findings) -> None:
    """Report a `Narrative.div` that is not XHTML, not allowed in R4, or says nothing."""
    if not isinstance(value, str):
        found.add("structure", "The narrative must be XHTML in a JSON string.", path)
        return
    text = with_characters(value) if "&" in value else value
    try:
        has_content = _read_plain(text) if _PLAIN.fullmatch(text) else _Reader().read(text)
    except _Unsafe as exc:
        found.add("invariant", f"{exc} in a narrative (txt-1).", path, rule="txt-1")
        return
    except (expat.ExpatError, UnicodeEncodeError):
        found.add("structure", "The narrative must be well-formed XHTML.", path)
        return
    if not has_content:
        found.add(
            "invariant",
            "The narrative must have some content other than white space (txt-2).",
            path,
            rule="txt-2",
        )


def _read_plain(text: str) -> bool:
    """Whether a plain narrative says anything. Raises ExpatError if it is not well-formed.

    Its one declaration of a namespace is known, so the parser need not look for others.
    """
    expat.ParserCreate().Parse(text, True)
    return _SOME_TEXT.search(text) is not None or "<img" in text


def with_characters(text: str) -> str:
    """Replace the named entities of HTML 4, which XML does not know, by their characters."""

    def character(match: re.Match[str]) -> str:
        name = match[1]
        if name in _XML_ENTITIES or name not in name2codepoint:
            return match[0]
        return chr(name2codepoint[name])

    return _ENTITY.sub(character, text)


def _check_attribute(element: str, name: str, value: str) -> None:
    namespace, _, local = name.rpartition(" ")
    allowed = _XML_ATTRIBUTES if namespace == _XML_NAMESPACE else _ATTRIBUTES
    if namespace not in ("", _XML_NAMESPACE) or local not in allowed:
        shown = local if local.isalnum() else "of that name"
        raise _Unsafe(f"The attribute {shown} is not allowed")
    if local == "style" and _UNSAFE_STYLE.search(value):
        raise _Unsafe("A style may not load or run anything; that is not allowed")
    if local in _LINKS:
        _check_link(element, value)


def _check_link(element: str, value: str) -> None:
    link = "".join(value.split()).lower()  # as browsers read it
    scheme = _SCHEME.match(link)
    if scheme is None or scheme[1] in _SAFE_SCHEMES:
        return
    if element == "img" and link.startswith("data:image/"):
        return
    raise _Unsafe("A link of this kind is not allowed")
