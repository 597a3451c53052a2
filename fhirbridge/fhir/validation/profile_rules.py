"""One rule of a profile: what it asks of one element, compiled from its row of data.

Each rule has two forms: `holds` decides fast, because nearly every resource holds nearly every one;
`faults` finds the places of one that does not.
Source: R4 elementdefinition.html (min, max, slicing, pattern, binding, type, constraint)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fhirbridge.fhir.validation.findings import Path
from fhirbridge.fhir.validation.rules_us_core import (
    US_CORE_RULES,
    Constraint,
    Types,
    type_behind,
)
from fhirbridge.fhir.validation.terms import count, has_choice
from fhirbridge.jsontypes import Json, JsonObject, Resource

ItemTest: TypeAlias = Callable[[Json], bool]
Holds: TypeAlias = Callable[[Resource, Types], bool]
# A fault: its place, what is asked, and the key of the rule.
Fault: TypeAlias = tuple[Path, str, str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a profile asks of one element; `matches` picks the items of a slice."""

    steps: tuple[str, ...]
    label: str
    versions: tuple[str, ...]
    min: int
    max: int | None
    matches: ItemTest | None
    accepts: ItemTest | None
    targets: frozenset[str]
    constraints: tuple[tuple[str, Constraint], ...]

    @property
    def holds(self) -> Holds:
        """The fast form: True if the resource holds the rule everywhere. Compile it once."""
        *above, name = self.steps or ("",)
        if not name or name.endswith("[x]"):
            return self._holds_of_choice(name.removesuffix("[x]"))
        test = self._holds_in(name)
        for step in reversed(above):
            test = _below(step, test)
        return test

    def _holds_of_choice(self, stem: str) -> Holds:
        needed = stem if self.min else ""
        tests = tuple(constraint.holds for _, constraint in self.constraints)

        def holds(resource: Resource, types: Types) -> bool:
            if needed and not has_choice(resource, needed):
                return False
            return all(test(resource, types) for test in tests)

        return holds

    def _holds_in(self, name: str) -> Holds:
        least, most, matches = self.min, self.max, self.matches
        companion = "_" + name
        tests = tuple(self._item_tests())

        def holds(holder: JsonObject, types: Types) -> bool:
            value = holder.get(name)
            if value is None:
                return not least or (matches is None and companion in holder)
            items = value if isinstance(value, list) else (value,)
            if matches is not None:
                items = [item for item in items if matches(item)]
            if len(items) < least or (most is not None and len(items) > most):
                return False
            for test in tests:
                for item in items:
                    if not test(item, types):
                        return False
            return True

        return holds

    def _item_tests(self) -> Iterator[Callable[[Json, Types], bool]]:
        accepts, targets = self.accepts, self.targets and self.targets | {""}
        if accepts is not None:
            yield lambda item, _: accepts(item)
        if targets:
            yield lambda item, types: type_behind(item, types) in targets
        yield from (constraint.holds for _, constraint in self.constraints)

    def faults(self, resource: Resource, types: Types) -> Iterator[Fault]:
        """Every place where the resource breaks the rule."""
        name = self.steps[-1] if self.steps else ""
        root: Path = (None, str(resource.get("resourceType")))
        if not name or name.endswith("[x]"):
            if self.min and not has_choice(resource, name.removesuffix("[x]")):
                yield (root, name.removesuffix("[x]")), f"{self.label} is needed", ""
            yield from _broken(self.constraints, resource, root, types)
            return
        for holder, place in _holders(resource, self.steps[:-1], root):
            found = [
                (item, where)
                for item, where in _items(holder, name, place)
                if self.matches is None or self.matches(item)
            ]
            number = count(holder, name) if self.matches is None else len(found)
            if number < self.min:
                yield (place, name), f"{self.label} is needed", ""
            if self.max is not None and number > self.max:
                yield (place, name), f"{self.label} may be there {self.max} times at most", ""
            for item, where in found:
                yield from self._item_faults(item, where, types)

    def _item_faults(self, item: Json, where: Path, types: Types) -> Iterator[Fault]:
        if self.accepts is not None and not self.accepts(item):
            yield where, f"{self.label} must have a code of the profile's value set", ""
        if self.targets:
            target = type_behind(item, types)
            if target and target not in self.targets:
                wanted = " or ".join(sorted(self.targets))
                yield where, f"{self.label} must refer to {wanted}", ""
        yield from _broken(self.constraints, item, where, types)


def _below(step: str, test: Holds) -> Holds:
    """The test for the items of an element, all of them."""

    def holds(holder: JsonObject, types: Types) -> bool:
        value = holder.get(step)
        if isinstance(value, list):
            return all(test(item, types) for item in value if item is not None)
        return value is None or test(value, types)

    return holds


def _broken(
    constraints: Sequence[tuple[str, Constraint]], value: Json, where: Path, types: Types
) -> Iterator[Fault]:
    for key, constraint in constraints:
        if not constraint.holds(value, types):
            yield where, constraint.words, key


def _holders(
    value: JsonObject, steps: Sequence[str], place: Path
) -> Iterator[tuple[JsonObject, Path]]:
    """The objects at a path, lists taken apart."""
    if not steps:
        yield value, place
        return
    for item, where in _items(value, steps[0], place):
        if isinstance(item, dict):
            yield from _holders(item, steps[1:], where)


def _items(holder: JsonObject, name: str, place: Path) -> Iterator[tuple[Json, Path]]:
    child = holder.get(name)
    if isinstance(child, list):
        for index, item in enumerate(child):
            yield item, ((place, name), index)
    elif child is not None:
        yield child, (place, name)


def compile_rule(resource_type: str, row: JsonObject, value_sets: JsonObject) -> Rule:
    steps = tuple(row["path"].split(".")) if row["path"] else ()
    path = ".".join((resource_type, *steps))
    known = US_CORE_RULES.get(path, {})
    matches: ItemTest | None = None
    if "where" in row:
        matches = _pattern_test(row["where"])
    elif "in" in row:
        matches = _code_test(value_sets[row["in"]])
    return Rule(
        steps=steps,
        label=f"{path}:{row['slice']}" if "slice" in row else path,
        versions=tuple(row["versions"]),
        min=row.get("min", 0),
        max=row.get("max"),
        matches=matches,
        accepts=_code_test(value_sets[row["values"]]) if "values" in row else None,
        targets=frozenset(row.get("targets", ())),
        constraints=tuple((key, known[key]) for key in row.get("invariants", ()) if key in known),
    )


def _pattern_test(where: JsonObject) -> ItemTest:
    """Holds for an item that contains the patterns. Source: R4 elementdefinition.html#pattern"""
    pairs = [("" if name == "$this" else name, pattern) for name, pattern in where.items()]

    def matches(item: Json) -> bool:
        return isinstance(item, dict) and all(
            _contains(item if not name else item.get(name), pattern) for name, pattern in pairs
        )

    return matches


def _contains(value: Json, pattern: Json) -> bool:
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            _contains(value.get(name), part) for name, part in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(
            any(_contains(item, part) for item in value) for part in pattern
        )
    return bool(value == pattern)


def _code_test(systems: Mapping[str, Sequence[str]]) -> ItemTest:
    """Holds for a code, Coding or CodeableConcept with a code of the value set."""
    plain = {code for codes in systems.values() for code in codes}

    def accepts(item: Json) -> bool:
        if isinstance(item, str):
            return item in plain
        codings = item.get("coding", ()) if isinstance(item, dict) else ()
        return any(
            isinstance(coding, dict)
            and (
                coding.get("code") in systems.get(coding.get("system", ""), ())
                or "*" in systems.get(coding.get("system", ""), ())
            )
            for coding in codings
        )

    return accepts
