"""JSON Patch: a document with some of its places changed, or an error and nothing changed.

Our own, because the libraries compare `1` with `true` and read numbers as floats.
Source: RFC 6902, RFC 6901, R4 http.html#patch
"""

import decimal
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, JsonObject

MEDIA_TYPE = "application/json-patch+json"

MAX_OPERATIONS = 1000
# Values that all operations together may write: copies of copies would grow without bound.
_MAX_VALUES = 200_000
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
_BAD_ESCAPE = re.compile(r"~(?![01])")
_WITH_VALUE = frozenset({"add", "replace", "test"})
_WITH_FROM = frozenset({"move", "copy"})


class _Fault(Exception):
    """An operation that cannot be carried out; the text is a sentence without values."""


def apply(document: JsonObject, operations: Sequence[Json]) -> Json:
    """The document after all operations; the one that is given stays as it is.

    Raises InvalidContent: 400 for what is no JSON Patch, 422 for an operation that this document
    does not allow, a failing `test` among them.
    """
    if len(operations) > MAX_OPERATIONS:
        raise InvalidContent(
            Issue("too-costly", f"A patch may have at most {MAX_OPERATIONS} operations.")
        )
    steps = [_read(operation, index) for index, operation in enumerate(operations)]
    patched = _Patched(deepcopy(document))
    for index, step in enumerate(steps):
        try:
            patched.apply(step)
        except _Fault as exc:
            raise InvalidContent(
                Issue("conflict", f"Operation {index} of the patch: {exc}")
            ) from exc
    return patched.root


@dataclass(frozen=True, slots=True)
class _Operation:
    op: str
    path: tuple[str, ...]
    source: tuple[str, ...] = ()
    value: Json = None


def _read(operation: Json, index: int) -> _Operation:
    if not isinstance(operation, dict):
        raise _malformed(index, "it must be an object")
    op = operation.get("op")
    if op not in ("add", "remove", "replace", "move", "copy", "test"):
        raise _malformed(index, "op must be add, remove, replace, move, copy or test")
    if op in _WITH_VALUE and "value" not in operation:
        raise _malformed(index, f"{op} needs a value")
    path = _pointer(operation.get("path"), index, "path")
    source = _pointer(operation.get("from"), index, "from") if op in _WITH_FROM else ()
    if op == "move" and path[: len(source)] == source and len(path) > len(source):
        raise _malformed(index, "what is moved cannot be moved into itself")
    return _Operation(op, path, source, operation.get("value"))


def _pointer(text: Json, index: int, name: str) -> tuple[str, ...]:
    is_pointer = isinstance(text, str) and text[:1] in ("", "/") and not _BAD_ESCAPE.search(text)
    if not is_pointer:
        raise _malformed(index, f"{name} must be a JSON Pointer")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _malformed(index: int, words: str) -> InvalidContent:
    return InvalidContent(Issue("structure", f"Operation {index} of the patch: {words}."))


class _Patched:
    """A document under change."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self._written = 0

    def apply(self, step: _Operation) -> None:
        match step.op:
            case "add":
                self._add(step.path, step.value)
            case "remove":
                self._remove(step.path)
            case "replace":
                self._get(step.path)
                self._replace(step.path, step.value)
            case "move":
                value = self._get(step.source)
                if step.source != step.path:
                    self._remove(step.source)
                    self._add(step.path, value)
            case "copy":
                value = self._get(step.source)
                self._account(step.path, value)
                self._add(step.path, deepcopy(value))
            case _:
                if not _equal(self._get(step.path), step.value):
                    raise _Fault("the test does not hold.")

    def _get(self, path: tuple[str, ...]) -> Json:
        value = self.root
        for part in path:
            if isinstance(value, dict) and part in value:
                value = value[part]
            elif isinstance(value, list):
                value = value[_index(part, len(value) - 1)]
            else:
                raise _Fault("there is nothing at this place.")
        return value

    def _add(self, path: tuple[str, ...], value: Json) -> None:
        self._account(path, value)
        if not path:
            self.root = value
            return
        parent, name = self._get(path[:-1]), path[-1]
        if isinstance(parent, dict):
            parent[name] = value
        elif isinstance(parent, list):
            position = len(parent) if name == "-" else _index(name, len(parent))
            parent.insert(position, value)
        else:
            raise _Fault("a plain value has no members.")

    def _replace(self, path: tuple[str, ...], value: Json) -> None:
        self._account(path, value)
        if not path:
            self.root = value
            return
        parent = self._get(path[:-1])
        parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = value

    def _remove(self, path: tuple[str, ...]) -> None:
        self._get(path)
        if not path:
            raise _Fault("the whole resource cannot be removed.")
        parent = self._get(path[:-1])
        del parent[int(path[-1]) if isinstance(parent, list) else path[-1]]

    def _account(self, path: tuple[str, ...], value: Json) -> None:
        """Refuse what would make the document too deep or too large."""
        waiting = [(value, len(path) + 1)]
        while waiting:
            current, depth = waiting.pop()
            self._written += 1
            if depth > wire.MAX_DEPTH or self._written > _MAX_VALUES:
                raise _Fault("the result would be too large or nested too deep.")
            children: Sequence[Json] = ()
            if isinstance(current, dict):
                children = list(current.values())
            elif isinstance(current, list):
                children = current
            waiting.extend((child, depth + 1) for child in children)


def _index(part: str, last: int) -> int:
    if not _INDEX.fullmatch(part) or int(part) > last:
        raise _Fault("the list has no such position.")
    return int(part)


def _equal(one: Json, other: Json) -> bool:
    """Equality of JSON values: numbers by value, never a number and a boolean.

    Source: RFC 6902 section 4.6
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | decimal.Decimal) and isinstance(other, int | decimal.Decimal):
        return one == other
    return type(one) is type(other) and bool(one == other)
