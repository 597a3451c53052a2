"""Paths of the mapping language, and reading and writing them in dicts.

FHIR paths: `a.b`, `a[]`, `a[k=v]`, `a[name]`. Native paths: `a.b`, `a[]`, `.`, `/a.b`.
"""

from dataclasses import dataclass, field
from functools import lru_cache

from fhirbridge.jsontypes import Json, JsonObject


@dataclass(frozen=True, slots=True)
class Segment:
    """One step: an element name, and what stands in brackets (None without brackets)."""

    name: str
    bracket: str | None = None
    selector: tuple[str, str] | None = field(init=False)  # `[k=v]` as (k, v)

    def __post_init__(self) -> None:
        key, equals, value = (self.bracket or "").partition("=")
        object.__setattr__(self, "selector", (key, value) if equals else None)

    def __str__(self) -> str:
        return self.name if self.bracket is None else f"{self.name}[{self.bracket}]"


@lru_cache(maxsize=4096)
def parse(path: str) -> tuple[Segment, ...]:
    """Split a FHIR path into segments; dots inside brackets do not split. `.` is empty.

    Raises ValueError with the reason when the path is malformed.
    """
    if path == ".":
        return ()
    segments: list[Segment] = []
    name, bracket, depth = "", "", 0
    seen_bracket = False
    for char in path + ".":
        if depth == 0 and char == ".":
            if not name:
                raise ValueError("a path has an empty step")
            segments.append(Segment(name, bracket if seen_bracket else None))
            name, bracket, seen_bracket = "", "", False
        elif char == "[":
            depth += 1
            seen_bracket = True
            if depth > 1:
                raise ValueError("brackets do not nest")
        elif char == "]":
            depth -= 1
            if depth < 0:
                raise ValueError("a bracket is closed that was not opened")
        elif depth:
            bracket += char
        elif seen_bracket:
            raise ValueError("a step ends with its bracket")
        else:
            name += char
    if depth:
        raise ValueError("a bracket is not closed")
    return tuple(segments)


def native_steps(path: str) -> tuple[str, ...]:
    """The names of a native path without a leading `/`; `.` is empty."""
    bare = path.removeprefix("/")
    return () if bare in (".", "") else tuple(bare.split("."))


def read(value: Json, path: str) -> Json:
    """Read a native path of plain names; None where a step is missing."""
    for step in native_steps(path):
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def write(target: JsonObject, path: str, value: Json) -> None:
    """Write a native path of plain names, making the objects on the way."""
    *parents, last = native_steps(path)
    for step in parents:
        target = target.setdefault(step, {})
    target[last] = value
