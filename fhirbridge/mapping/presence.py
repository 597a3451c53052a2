"""Codecs of presence, yes and no, and position: what R4 asks for where a document says nothing."""

import re
from collections.abc import Mapping

from fhirbridge.jsontypes import Json
from fhirbridge.mapping import paths
from fhirbridge.mapping.codec import Codec, CodecError, EncodeContext, Maker, fixed, simple
from fhirbridge.mapping.model import CodeTable

_CODES = frozenset({"code", "string", "uri"})
_TIMES = frozenset({"date", "dateTime", "instant"})
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")


def _lacks(arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]) -> Codec:
    """The code, where an object has no such field."""
    if len(arguments) != 2:
        raise ValueError("lacks needs a field and a code")
    field, code = arguments

    def encode(value: Json) -> Json:
        return code if paths.read(value, field) is None else None

    return simple("lacks", encode, None, types=_CODES)


def _given(arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]) -> Codec:
    """The code, wherever the field is there."""
    if len(arguments) != 1:
        raise ValueError("given needs a code")
    return simple("given", lambda _: arguments[0], None, types=_CODES)


def _yes_no(
    arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]
) -> Codec:
    """True and false as two codes."""
    if len(set(arguments)) != 2:
        raise ValueError("yes-no needs the codes of yes and of no")
    yes, no = arguments

    def decode(value: Json) -> Json:
        if value not in arguments:
            raise CodecError("expected the code of yes or of no")
        return value == yes

    kinds = frozenset({"boolean"})
    return simple("yes-no", lambda v: yes if v else no, decode, kinds=kinds, types=_CODES)


def _digits() -> Codec:
    """A whole number written as text."""

    def decode(value: Json) -> Json:
        if not isinstance(value, str) or not _INTEGER.fullmatch(value):
            raise CodecError("expected a whole number")
        return int(value)

    return simple("digits", str, decode, kinds=frozenset({"integer"}), types=_CODES)


def _next(arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]) -> Codec:
    """A field of the item that follows in a list of the document."""
    if len(arguments) != 2:
        raise ValueError("next needs a list of the document and a field of its items")
    listed, field = arguments

    def encode(value: Json, context: EncodeContext) -> Json:
        items = paths.read(context.document, listed) or ()
        position = next((i for i, item in enumerate(items) if item is value), len(items))
        return paths.read(items[position + 1], field) if position + 1 < len(items) else None

    return Codec("next", encode, None, fhir_types=_TIMES)


MAKERS: Mapping[str, Maker] = {
    "digits": fixed(_digits),
    "given": _given,
    "lacks": _lacks,
    "next": _next,
    "yes-no": _yes_no,
}
