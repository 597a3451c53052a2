"""The named two-way functions that a rule may call: native value <-> FHIR primitive.

`encode` may return None (nothing is written); `decode` raises `CodecError` for a value that it
cannot represent, which becomes an issue. Values never enter a message.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from urllib.parse import quote, unquote

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json
from fhirbridge.mapping import presence, reasons, timing
from fhirbridge.mapping.codec import (
    Codec,
    CodecError,
    DecodeContext,
    EncodeContext,
    Maker,
    fixed,
    simple,
)
from fhirbridge.mapping.model import CodeTable
from fhirbridge.mapping.timing import DATETIME

_STRINGS = frozenset(
    ["string", "code", "uri", "url", "canonical", "markdown", "id", "oid", "uuid", "base64Binary"]
)
_TEXT = frozenset(
    ["string", "markdown", "code", "uri", "date", "datetime", "localdatetime", "time"]
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"\d{2}:\d{2}:\d{2}")


def make(text: str, tables: Mapping[str, CodeTable], prefixes: Mapping[str, str]) -> Codec:
    """Build the codec that a rule names, e.g. `code enrollment.CarePlan`.

    `prefixes` gives short names usable in `prefix`. Raises ValueError for an unknown codec, wrong
    arguments or an unknown table.
    """
    name, _, rest = text.partition(" ")
    arguments = tuple(rest.split())
    maker = _MAKERS.get(name)
    if maker is None:
        raise ValueError(f"there is no codec named {name}; known: {', '.join(sorted(_MAKERS))}")
    return maker(arguments, tables, prefixes)


def identity() -> Codec:
    """The default: the value as it is."""
    return Codec("", lambda v, _: v, lambda v, _: v, plain=None)


def _checked(
    name: str, pattern: re.Pattern[str], expected: str, *, kinds: str, types: str
) -> Codec:
    def decode(value: Json) -> Json:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise CodecError(f"expected {expected}")
        return value

    kind_set, type_set = frozenset(kinds.split()), frozenset(types.split())
    return simple(name, lambda value: value, decode, kinds=kind_set, types=type_set)


def _time() -> Codec:
    def encode(value: Json) -> Json:
        return value if len(value) > 5 else value + ":00"

    def decode(value: Json) -> Json:
        if not isinstance(value, str) or not _TIME.fullmatch(value):
            raise CodecError("expected a time hh:mm:ss")
        return value[:5] if value.endswith(":00") else value

    types = frozenset({"time"})
    return simple("time", encode, decode, kinds=frozenset({"time"}), types=types)


def _number(name: str, accepted: tuple[type, ...], kinds: str, types: str) -> Codec:
    def decode(value: Json) -> Json:
        if isinstance(value, bool) != (name == "boolean") or not isinstance(value, accepted):
            raise CodecError(f"expected {name}")
        return value

    kind_set, type_set = frozenset(kinds.split()), frozenset(types.split())
    return simple(name, lambda value: value, decode, kinds=kind_set, types=type_set)


def _code(
    arguments: tuple[str, ...], tables: Mapping[str, CodeTable], _: Mapping[str, str]
) -> Codec:
    table = _table("code", arguments, tables)
    forward = {row.native: row.fhir for row in table.rows}
    reverse = {code: row.native for code, row in table.reverse.items()}

    def encode(value: Json, context: EncodeContext) -> Json:
        found = forward.get(value)
        if found is None and table.open:
            text = f"A code is not in table {table.name}, edition {table.edition}; it passes as is."
            context.issues.append(Issue("code-invalid", text, "warning", rule=str(table.place)))
            return value
        return found

    def decode(value: Json, _: DecodeContext) -> Json:
        if not isinstance(value, str):
            raise CodecError("expected a code")
        found = reverse.get(value)
        if found is None:
            if table.open and value not in forward:
                return value
            raise CodecError(f"expected a code of table {table.name}, edition {table.edition}")
        return found

    plain = None if table.open else forward.get
    kinds, types = frozenset({"code", "string"}), frozenset({"code", "string", "uri"})
    return Codec("code", encode, decode, plain, kinds, types, table)


def _display(
    arguments: tuple[str, ...], tables: Mapping[str, CodeTable], _: Mapping[str, str]
) -> Codec:
    table = _table("display", arguments, tables)
    displays = {row.native: row.display or None for row in table.rows}
    return simple("display", displays.get, None, types=frozenset({"string"}))


def _table(name: str, arguments: tuple[str, ...], tables: Mapping[str, CodeTable]) -> CodeTable:
    if len(arguments) != 1 or arguments[0] not in tables:
        raise ValueError(f"{name} needs the name of a code table that exists")
    return tables[arguments[0]]


def _reference(
    arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]
) -> Codec:
    if not arguments:
        raise ValueError("reference needs the name of an entry")

    def encode(value: Json, context: EncodeContext) -> Json:
        return context.reference_to(arguments, value)

    def decode(value: Json, context: DecodeContext) -> Json:
        key = context.key_behind(arguments, value) if isinstance(value, str) else None
        if key is None:
            raise CodecError(f"expected a reference to {' or '.join(arguments)} in the same bundle")
        return key

    return Codec("reference", encode, decode, None, _TEXT, frozenset({"string"}), None, arguments)


def _reference_when(
    arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]
) -> Codec:
    if len(arguments) != 3:
        raise ValueError("reference-when needs a code, an entry and the path of its key")
    code, entry, key = arguments

    def encode(value: tuple[Json, Json], context: EncodeContext) -> Json:
        return context.reference_to((entry,), value[1]) if value[0] == code else None

    types = frozenset({"string"})
    return Codec("reference-when", encode, None, None, _TEXT, types, None, (entry,), beside=(key,))


def _key(arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]) -> Codec:
    def encode(value: Json, context: EncodeContext) -> Json:
        return context.key_prefix + quote(str(value), safe="")

    def decode(value: Json, _: DecodeContext) -> Json:
        if not isinstance(value, str):
            raise CodecError("expected an identifier value")
        return unquote(value.rsplit("/", 1)[-1])

    return Codec("key", encode, decode, None, _TEXT, frozenset({"string", "uri", "code", "id"}))


def _prefix(
    arguments: tuple[str, ...], _t: Mapping[str, CodeTable], names: Mapping[str, str]
) -> Codec:
    if not arguments or len(arguments) > 2 or arguments[1:] not in ((), ("escape",)):
        raise ValueError("prefix needs one text, and may be followed by escape")
    start = names.get(arguments[0], arguments[0])
    escaped = len(arguments) == 2

    def encode(value: Json) -> Json:
        return start + (quote(value, safe="") if escaped else value)

    def decode(value: Json) -> Json:
        if not isinstance(value, str) or not value.startswith(start):
            raise CodecError("expected a value with the mapping's prefix")
        rest = value.removeprefix(start)
        return unquote(rest) if escaped else rest

    return simple("prefix", encode, decode, kinds=_TEXT, types=_STRINGS)


def _escape() -> Codec:
    def decode(value: Json) -> Json:
        if not isinstance(value, str):
            raise CodecError("expected text")
        return unquote(value)

    return simple(
        "escape", lambda value: quote(value, safe="-._~"), decode, kinds=_TEXT, types=_STRINGS
    )


def _day() -> Codec:
    return simple("day", lambda value: value[:10], None, types=frozenset({"date", "dateTime"}))


_MAKERS: Mapping[str, Maker] = {
    **timing.MAKERS,
    **presence.MAKERS,
    **reasons.MAKERS,
    "code": _code,
    "display": _display,
    "reference": _reference,
    "reference-when": _reference_when,
    "key": _key,
    "prefix": _prefix,
    "escape": fixed(_escape),
    "date": fixed(
        lambda: _checked("date", _DATE, "a date YYYY-MM-DD", kinds="date", types="date dateTime")
    ),
    "datetime": fixed(
        lambda: _checked(
            "datetime",
            DATETIME,
            "a date-time with offset",
            kinds="datetime",
            types="dateTime instant",
        )
    ),
    "instant": fixed(
        lambda: _checked(
            "instant",
            DATETIME,
            "an instant with offset",
            kinds="datetime",
            types="instant dateTime",
        )
    ),
    "zoned-instant": fixed(
        lambda: _checked(
            "zoned-instant", DATETIME, "an instant with offset", kinds="datetime", types="instant"
        )
    ),
    "time": fixed(_time),
    "day": fixed(_day),
    "integer": fixed(
        lambda: _number("integer", (int,), "integer", "integer positiveInt unsignedInt decimal")
    ),
    "boolean": fixed(lambda: _number("boolean", (bool,), "boolean", "boolean")),
    "decimal": fixed(lambda: _number("decimal", (int, float, Decimal), "decimal", "decimal")),
    "upper": fixed(lambda: simple("upper", lambda v: v.upper(), None, types=_STRINGS)),
    "lower": fixed(lambda: simple("lower", lambda v: v.lower(), None, types=_STRINGS)),
}


def names() -> tuple[str, ...]:
    """All codecs that a rule may name."""
    return tuple(sorted(_MAKERS))
