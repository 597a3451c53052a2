"""Expansion of value sets and translation by concept maps, over whatever can be looked up.

Pure: the caller says how CodeSystems and ValueSets are found by their canonical URL.
Source: R4 valueset.html#compositions, valueset.html#expansion, conceptmap.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import JsonObject, Resource

# url, version ("" for any) -> the resource, or None
Lookup: TypeAlias = Callable[[str, str], Resource | None]

MAX_CONCEPTS = 20_000
_MAX_DEPTH = 20
_INVERSE = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
_NO_MATCH = ("unmatched", "disjoint")


class CannotExpand(Exception):
    """The value set needs what cannot be listed here; the text is a sentence for a person."""


@dataclass(frozen=True, slots=True)
class Concept:
    """One code of an expansion."""

    system: str
    code: str
    display: str = ""

    def to_json(self) -> JsonObject:
        """As a Coding, and as an item of `ValueSet.expansion.contains`."""
        named = {"system": self.system, "code": self.code, "display": self.display}
        return {name: value for name, value in named.items() if value}


Concepts: TypeAlias = dict[tuple[str, str], Concept]


@dataclass(frozen=True, slots=True)
class Terminology:
    """CodeSystems and ValueSets, by their URLs."""

    code_system: Lookup
    value_set: Lookup

    def expand(self, value_set: Resource, *, depth: int = 0) -> Concepts:
        """The concepts of a value set, in order. Raises CannotExpand."""
        if depth > _MAX_DEPTH:
            raise CannotExpand("The value sets include each other.")
        compose = value_set.get("compose")
        if not compose:
            return _listed(value_set)
        found: Concepts = {}
        for include in compose.get("include", ()):
            found.update(self._include(include, depth))
            if len(found) > MAX_CONCEPTS:
                raise CannotExpand(f"The value set has more than {MAX_CONCEPTS} concepts.")
        for exclude in compose.get("exclude", ()):
            for key in self._include(exclude, depth):
                found.pop(key, None)
        return found

    def expand_url(self, canonical: str, *, depth: int = 0) -> Concepts:
        """The concepts of the value set with this URL, `url|version`. Raises CannotExpand."""
        url, _, version = canonical.partition("|")
        value_set = self.value_set(url, version)
        if value_set is not None:
            return self.expand(value_set, depth=depth)
        known = definitions().value_set(url)
        if known is None:
            raise CannotExpand("A value set that is needed is not known here.")
        return {
            (system, code): Concept(system, code)
            for system, codes in known.items()
            for code in sorted(codes)
        }

    def relatives(self, system: str, code: str, *, above: bool) -> set[str] | None:
        """A code with all codes above it, or below it; None if the code system is not known."""
        code_system = self.code_system(system, "")
        if code_system is None or code_system.get("content") != "complete":
            return None
        tree = _tree(code_system)
        if above:
            return {code, *tree.ancestors(code)}
        return {code, *(each for each in tree.displays if code in tree.ancestors(each))}

    def _include(self, include: JsonObject, depth: int) -> Concepts:
        own: Concepts | None = None
        if "system" in include:
            own = self._of_system(include)
        for canonical in include.get("valueSet", ()):
            imported = self.expand_url(canonical, depth=depth + 1)
            own = imported if own is None else {k: v for k, v in own.items() if k in imported}
        return own or {}

    def _of_system(self, include: JsonObject) -> Concepts:
        system = include["system"]
        code_system = self.code_system(system, include.get("version", ""))
        if "concept" in include:
            known = _tree(code_system).displays if code_system else {}
            return {
                (system, each["code"]): Concept(
                    system, each["code"], each.get("display") or known.get(each["code"], "")
                )
                for each in include["concept"]
            }
        if code_system is None or code_system.get("content") != "complete":
            raise CannotExpand("A code system that is needed is not known here in full.")
        tree = _tree(code_system)
        codes = [code for code in tree.displays if code not in tree.abstract]
        for condition in include.get("filter", ()):
            codes = [code for code in codes if tree.holds(code, condition)]
        return {(system, code): Concept(system, code, tree.displays[code]) for code in codes}


def _listed(value_set: Resource) -> Concepts:
    """What the expansion in the value set itself lists."""
    expansion = value_set.get("expansion")
    if not expansion:
        raise CannotExpand("The value set says neither what it is composed of nor its expansion.")
    found: Concepts = {}
    waiting = list(reversed(expansion.get("contains", ())))
    while waiting:
        item = waiting.pop()
        if "code" in item and not item.get("abstract"):
            concept = Concept(item.get("system", ""), item["code"], item.get("display", ""))
            found[concept.system, concept.code] = concept
        waiting += reversed(item.get("contains", ()))
    return found


@dataclass(slots=True)
class _Tree:
    """The concepts of a code system with those above each."""

    displays: dict[str, str] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    properties: dict[str, list[JsonObject]] = field(default_factory=dict)
    abstract: set[str] = field(default_factory=set)

    def ancestors(self, code: str) -> set[str]:
        found: set[str] = set()
        waiting = list(self.parents.get(code, ()))
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting += self.parents.get(parent, ())
        return found

    def holds(self, code: str, condition: JsonObject) -> bool:
        name, operator, value = condition["property"], condition["op"], condition["value"]
        listed = [each.strip() for each in value.split(",")]
        is_concept = name in ("concept", "code")
        match operator:
            case "is-a" if is_concept:
                return code == value or value in self.ancestors(code)
            case "descendent-of" if is_concept:
                return value in self.ancestors(code)
            case "is-not-a" if is_concept:
                return code != value and value not in self.ancestors(code)
            case "in" if is_concept:
                return code in listed
            case "not-in" if is_concept:
                return code not in listed
            case "=" | "in" | "not-in" | "exists":
                return self._has_property(code, name, operator, listed)
            case _:
                raise CannotExpand("The value set has a filter that is not supported here.")

    def _has_property(self, code: str, name: str, operator: str, listed: list[str]) -> bool:
        values = [
            str(value).lower() if isinstance(value, bool) else str(value)
            for each in self.properties.get(code, ())
            if each.get("code") == name
            for key, value in each.items()
            if key.startswith("value") and not isinstance(value, dict)
        ]
        if operator == "exists":
            return bool(values) == (listed == ["true"])
        return any(value in listed for value in values) != (operator == "not-in")


def _tree(code_system: Resource) -> _Tree:
    tree = _Tree()
    for concept, above in _concepts(code_system.get("concept", []), ""):
        code = concept["code"]
        properties = concept.get("property", [])
        tree.displays[code] = concept.get("display", "")
        tree.properties[code] = properties
        named = [
            each["valueCode"]
            for each in properties
            if each.get("code") in ("subsumedBy", "parent") and "valueCode" in each
        ]
        tree.parents[code] = [above, *named] if above else named
        if any(
            each.get("code") in ("notSelectable", "abstract") and each.get("valueBoolean") is True
            for each in properties
        ):
            tree.abstract.add(code)
    return tree


def _concepts(concepts: list[JsonObject], above: str) -> Iterator[tuple[JsonObject, str]]:
    for concept in concepts:
        yield concept, above
        yield from _concepts(concept.get("concept", []), concept["code"])


@dataclass(frozen=True, slots=True)
class Match:
    """One translation of a concept; `source` is the URL of the map that says it."""

    equivalence: str
    concept: Concept
    source: str

    @property
    def is_positive(self) -> bool:
        """False where the map says that there is nothing like it."""
        return self.equivalence not in _NO_MATCH


def translate(
    concept_map: Resource, coding: Concept, *, target_system: str = "", reverse: bool = False
) -> list[Match]:
    """What a concept becomes by one map; `reverse` reads the map from its target side."""
    source = concept_map.get("url", "")
    matches: list[Match] = []
    for group in concept_map.get("group", ()):
        here, there = group.get("source", ""), group.get("target", "")
        if reverse:
            here, there = there, here
        if (coding.system and here != coding.system) or (target_system and there != target_system):
            continue
        found = list(_pairs(group, coding.code, there, reverse=reverse))
        if not found and not reverse:
            found = list(_unmapped(group.get("unmapped", {}), coding.code, there))
        matches += [Match(equivalence, concept, source) for equivalence, concept in found]
    return matches


def _pairs(
    group: JsonObject, code: str, system: str, *, reverse: bool
) -> Iterator[tuple[str, Concept]]:
    for element in group.get("element", ()):
        for target in element.get("target", ()):
            equivalence = target.get("equivalence", "equivalent")
            if reverse and target.get("code") == code and "code" in element:
                concept = Concept(system, element["code"], element.get("display", ""))
                yield _INVERSE.get(equivalence, equivalence), concept
            elif not reverse and element.get("code") == code:
                concept = Concept(system, target.get("code", ""), target.get("display", ""))
                yield equivalence, concept


def _unmapped(rule: JsonObject, code: str, system: str) -> Iterator[tuple[str, Concept]]:
    if rule.get("mode") == "provided":
        yield "equal", Concept(system, code)
    elif rule.get("mode") == "fixed":
        yield "inexact", Concept(system, rule.get("code", ""), rule.get("display", ""))
