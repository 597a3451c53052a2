"""JSON text <-> dict, without losing a digit and without accepting what JSON does not mean.

Numbers with a point or an exponent, and integers beyond 64 bits, become `decimal.Decimal`; where
Python would write such a number differently it is a `Decimal` of this module, which keeps the
text. Depth is checked before parsing, so that no input can exhaust the stack.
Source: R4 json.html, datatypes.html#decimal; RFC 8259
"""

import decimal
import json
import re
from collections.abc import Iterator
from typing import NoReturn

import orjson

from fhirbridge.errors import InvalidContent, Issue, TooLarge
from fhirbridge.jsontypes import Json, JsonObject

MAX_DEPTH = 100
DEFAULT_MAX_BYTES = 10_000_000

# Far beyond any clinical number; keeps arithmetic with a received number cheap.
_MAX_NUMBER_LENGTH = 400
_MAX_EXPONENT = 400

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_SUSPECT_ESCAPE = re.compile(r"\\u(?:[dD][89a-fA-F]|0000)")
_WHITE_BEFORE_COLON = (b" :", b"\t:", b"\n:", b"\r:")
_MOST_DIGITS = 10**17
_MINUS_ZERO = re.compile(rb"[:\[,]\s*-0")
_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


class Decimal(decimal.Decimal):
    """A number with the text in which it was written: `1.00`, `7e-3`.

    Compares, hashes and computes as a `decimal.Decimal`; copies keep the text.
    """

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "Decimal":
        number = super().__new__(cls, text)
        number.text = text
        return number

    def __copy__(self) -> "Decimal":
        return self

    def __deepcopy__(self, memo: object) -> "Decimal":
        return self

    def __reduce__(self) -> tuple[type["Decimal"], tuple[str]]:
        return (type(self), (self.text,))


def parse(data: bytes | str, *, max_bytes: int | None = None) -> JsonObject:
    """Read one JSON object.

    Whoever lets text in says how long it may be; what is stored is read whatever its length.
    Raises TooLarge above `max_bytes`, and InvalidContent for text that is not UTF-8 or not JSON,
    for NaN and Infinity, names that occur twice, lone surrogates, nesting deeper than 100, and
    for anything but an object.
    """
    value = _read(data, max_bytes)
    if not isinstance(value, dict):
        _refuse("The body must be a JSON object.")
    return value


def parse_array(data: bytes | str, *, max_bytes: int | None = None) -> list[Json]:
    """Read one JSON array, as a JSON Patch is; refuses what `parse` refuses."""
    value = _read(data, max_bytes)
    if not isinstance(value, list):
        _refuse("The body must be a JSON array.")
    return value


def _read(data: bytes | str, max_bytes: int | None) -> Json:
    if max_bytes is not None and len(data) > max_bytes:
        raise TooLarge(
            Issue("too-long", f"The body is larger than the limit of {max_bytes} bytes.")
        )
    raw, text = _decode(data)
    _check_depth(raw)
    quick = _read_quickly(raw)
    if quick is not None:
        return quick
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as exc:
        raise InvalidContent(
            Issue(
                "structure",
                f"The body is not JSON: {exc.msg} (line {exc.lineno}, column {exc.colno}).",
                severity="fatal",
            )
        ) from exc
    if _SUSPECT_ESCAPE.search(text):
        _check_characters(value)
    return value


def _read_quickly(raw: bytes) -> Json:
    """The value, read by orjson, where that is known to be the same; else None.

    It is not where a number has more digits than orjson keeps or a zero a sign, where a name
    stands twice, where an escape may hide half a character, and where the text is not JSON.
    """
    if b"\\u" in raw or any(white in raw for white in _WHITE_BEFORE_COLON):
        return None
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    names, has_zero = 0, False
    waiting = [value]
    for node in waiting:  # which grows
        if type(node) is dict:
            names += len(node)
            node = node.values()
        elif type(node) is not list:
            return None
        for child in node:
            kind = type(child)
            if kind is dict or kind is list:
                waiting.append(child)
            elif kind is int:
                if not -_MOST_DIGITS < child < _MOST_DIGITS:
                    return None
                has_zero = has_zero or child == 0
            elif kind is float:
                return None
    # Without a blank before it, the colon of every name follows a quotation mark.
    if names != raw.count(b'":') or (has_zero and _MINUS_ZERO.search(raw)):
        return None
    return value


def dump(value: Json, *, pretty: bool = False) -> bytes:
    """Write JSON in UTF-8, in the order of the dict, with the digits that were received."""
    option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE if pretty else 0
    return orjson.dumps(value, default=_write_decimal, option=option)


def canonical(value: Json) -> bytes:
    """Bytes that are equal exactly when two values say the same in the same digits.

    `1`, `1.0`, `1.00` and `true` all differ; the order of names does not count.
    """
    return orjson.dumps(value, default=_write_decimal, option=orjson.OPT_SORT_KEYS)


def embed(content: bytes) -> Json:
    """Stored JSON text as a value that `dump` writes as it is, without parsing it again."""
    return orjson.Fragment(content)


def number(text: str) -> decimal.Decimal:
    """The number that a JSON text writes; keeps the text where Python writes another one."""
    if len(text) > _MAX_NUMBER_LENGTH:
        _refuse(f"A number has more than {_MAX_NUMBER_LENGTH} characters.")
    try:
        plain = decimal.Decimal(text)
    except decimal.InvalidOperation as exc:
        raise InvalidContent(Issue("structure", "A number is out of range.")) from exc
    if not plain.is_finite() or abs(plain.adjusted()) > _MAX_EXPONENT:
        _refuse(f"A number has an exponent beyond {_MAX_EXPONENT}.")
    return plain if str(plain) == text else Decimal(text)


def text_of(value: decimal.Decimal) -> str:
    """The digits of a number as they were received, or as Python writes them."""
    return value.text if isinstance(value, Decimal) else str(value)


def _write_decimal(value: object) -> orjson.Fragment:
    if isinstance(value, decimal.Decimal) and value.is_finite():
        return orjson.Fragment(text_of(value))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _decode(data: bytes | str) -> tuple[bytes, str]:
    try:
        if isinstance(data, str):
            text = data.removeprefix("\ufeff")
            return text.encode(), text
        raw = data.removeprefix(b"\xef\xbb\xbf")
        return raw, raw.decode()
    except UnicodeError as exc:
        raise InvalidContent(
            Issue("structure", "The body is not valid UTF-8.", severity="fatal")
        ) from exc


def _check_depth(raw: bytes) -> None:
    """Refuse nesting deeper than MAX_DEPTH, without recursion and mostly at the speed of C."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    if b"\\" in raw:
        raw = raw.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = b"".join(raw.split(b'"')[::2]).translate(None, _NOT_BRACKETS)
    # A round removes one level or two: what half as many rounds remove is not too deep.
    rest = brackets
    for _ in range(MAX_DEPTH // 2):
        shorter = rest.replace(b"[]", b"").replace(b"{}", b"")
        if not shorter:
            return
        if len(shorter) == len(rest):
            break
        rest = shorter
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            _refuse(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check_characters(value: Json) -> None:
    for text in _strings(value):
        if "\x00" in text:
            _refuse("A string holds the character U+0000.")
        try:
            text.encode()
        except UnicodeEncodeError as exc:
            raise InvalidContent(
                Issue("structure", "A string holds half of a surrogate pair.", severity="fatal")
            ) from exc


def _strings(value: Json) -> Iterator[str]:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, str):
            yield current
        elif isinstance(current, dict):
            waiting.extend(current)
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)


def whole_number(text: str) -> int | decimal.Decimal:
    """The integer that a JSON text writes; a Decimal where an int would not write it alike."""
    # -0 would lose its sign, and orjson writes no integer beyond 64 bits.
    return int(text) if len(text) <= 18 and text != "-0" else number(text)


def _parse_constant(text: str) -> NoReturn:
    _refuse(f"{text} is not a JSON number.")


def _parse_object(pairs: list[tuple[str, Json]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                shown = f'"{name}"' if _SAFE_NAME.fullmatch(name) else "A name"
                _refuse(f"{shown} occurs twice in one JSON object.")
            seen.add(name)
    return result


def _refuse(diagnostics: str) -> NoReturn:
    raise InvalidContent(Issue("structure", diagnostics, severity="fatal"))


_DECODER = json.JSONDecoder(
    object_pairs_hook=_parse_object,
    parse_float=number,
    parse_int=whole_number,
    parse_constant=_parse_constant,
)
