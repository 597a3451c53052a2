"""The few words that hand-written invariants are made of, over resources as dicts.

Source: R4 fhirpath.html (exists, count, isDistinct, comparison of dates of different precision)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal

from fhirbridge.fhir.primitives import bounds
from fhirbridge.jsontypes import Json, JsonObject

UCUM = "http://unitsofmeasure.org"


def has(value: JsonObject, *names: str) -> bool:
    """True if one of the elements exists, with a value or only with extensions."""
    return any(name in value or "_" + name in value for name in names)


@dataclass(frozen=True, slots=True)
class NameRule:
    """A rule that objects may hold by the names of their elements alone, whatever the values.

    `is_settled` is true for an object with such names: the rule holds for all that have them.
    """

    is_settled: Callable[[JsonObject], bool]
    holds: Callable[[JsonObject], bool]

    def __call__(self, value: JsonObject) -> bool:
        return self.holds(value)


def of_names(holds: Callable[[JsonObject], bool]) -> NameRule:
    """A rule that looks at names only."""
    return NameRule(holds, holds)


def if_given(name: str, holds: Callable[[JsonObject], bool]) -> NameRule:
    """A rule about an element, for those that have it."""
    return NameRule(
        lambda value: name not in value, lambda value: name not in value or holds(value)
    )


def exists(*names: str) -> NameRule:
    """The rule that one of the elements exists."""
    known = frozenset(names) | {"_" + name for name in names}
    return of_names(lambda value: not known.isdisjoint(value))


def needs(name: str, other: str) -> NameRule:
    """The rule that `name` may be given only with `other`."""
    return of_names(lambda value: not has(value, name) or has(value, other))


def at_most_one(name: str, other: str) -> NameRule:
    """The rule that two elements exclude each other."""
    return of_names(lambda value: not (has(value, name) and has(value, other)))


def has_choice(value: JsonObject, stem: str) -> bool:
    """True if a variant of a choice exists: `valueString` for `value`."""
    for key in value:
        name = key.removeprefix("_")
        if name.startswith(stem) and name[len(stem) : len(stem) + 1].isupper():
            return True
    return False


def items(value: JsonObject, *path: str) -> list[JsonObject]:
    """The objects that a path of names reaches, lists flattened."""
    found = [value]
    for name in path:
        children = [item.get(name) for item in found]
        found = []
        for child in children:
            candidates = child if isinstance(child, list) else [child]
            found.extend(item for item in candidates if isinstance(item, dict))
    return found


def values(value: JsonObject, *path: str) -> list[Json]:
    """The primitive values that a path of names reaches, lists flattened."""
    found: list[Json] = []
    for item in items(value, *path[:-1]):
        child = item.get(path[-1])
        if child is not None:
            found.extend(child if isinstance(child, list) else [child])
    return found


def count(value: JsonObject, *names: str) -> int:
    """How many values these elements have together."""
    total = 0
    for name in names:
        child = value.get(name)
        total += len(child) if isinstance(child, list) else has(value, name)
    return total


def are_distinct(found: Iterable[Json]) -> bool:
    """True if no value occurs twice."""
    listed = list(found)
    return len(set(listed)) == len(listed)


def has_coding(concept: Json, system: str, *codes: str) -> bool:
    """True if a CodeableConcept has one of these codes of a code system."""
    return isinstance(concept, dict) and any(
        coding.get("system") == system and coding.get("code") in codes
        for coding in items(concept, "coding")
    )


def is_not_after(start: Json, end: Json) -> bool:
    """False only if one date is certainly later than the other, whatever their precision.

    A date without offset may lie in any zone of the world.
    """
    if start is None or end is None:
        return True
    if len(start) == len(end) and (len(start) <= 10 or start[-6:] == end[-6:]):
        return bool(start <= end)
    slack = timedelta(hours=14) if ("T" in start) != ("T" in end) else timedelta()
    first, last = bounds(start, UTC), bounds(end, UTC)
    try:
        return first.start < last.end + slack
    except OverflowError:
        return True


def is_not_greater(low: Json, high: Json) -> bool:
    """False only if two quantities of the same unit are in the wrong order."""
    if not isinstance(low, dict) or not isinstance(high, dict):
        return True
    if "value" not in low or "value" not in high:
        return True
    if any(low.get(name) != high.get(name) for name in ("system", "code", "unit")):
        return True
    return Decimal(low["value"]) <= Decimal(high["value"])
