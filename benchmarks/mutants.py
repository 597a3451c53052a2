"""Mutants of mapping rules: what an author could get wrong in one line.

Each rule is left out, exchanges its FHIR path or its native side with another rule beside it, and
gets another codec, constant, code table, system or path that could stand there.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from fhirbridge.fhir.definitions import definitions
from fhirbridge.mapping import paths
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.model import CodeTable, Entry, Pack, Rule
from fhirbridge.mapping.native_paths import node_at
from fhirbridge.mapping.template import Template

Address = tuple[int, ...]  # positions of a rule among the rules of its entry, and of each within


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed rule: which, what was done to it, and the entry's rules with it."""

    entry: str
    rule: Rule
    change: str
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return f"{self.rule.place} rule {self.rule.name}: {self.change}"


class Breeder:
    """Makes the mutants of a mapping's entries; the same seed makes the same ones."""

    def __init__(self, mapping: Mapping, seed: int) -> None:
        self._mapping = mapping
        self._pack: Pack = mapping.pack
        self._seed = seed

    def mutants(self, name: str) -> Iterator[Mutant]:
        """All mutants of one entry."""
        entry = self._pack.entries[name]
        chance = random.Random(f"{self._seed} {self._pack.document} {name}")
        template = self._mapping.compiled[name].template
        for address, rule, siblings in _rules(entry.rules):
            place = _Place(self._mapping, entry, template, address, rule)
            for change, changed in _changes(place, siblings, chance):
                rules = _with(entry.rules, address, changed)
                yield Mutant(name, rule, change, rules)


@dataclass(frozen=True, slots=True)
class _Place:
    """A rule with all that tells what could stand in its stead."""

    mapping: Mapping
    entry: Entry
    template: Template
    address: Address
    rule: Rule

    @property
    def prefix(self) -> tuple[str, ...]:
        """The FHIR elements that the each rules around it have written."""
        names: tuple[str, ...] = ()
        rules = self.entry.rules
        for position in self.address[:-1]:
            around = rules[position]
            names += tuple(segment.name for segment in paths.parse(around.fhir))
            rules = around.rules
        return names

    @property
    def trail(self) -> tuple[str, ...]:
        """Its native path from the document; empty for what has none."""
        own = self.rule
        for leaf in self.template.leaves:
            same = leaf.rule.name == own.name and leaf.rule.place == own.place
            if same and leaf.kind == "native":
                return leaf.trail
        return ()


def _rules(
    rules: tuple[Rule, ...], above: Address = ()
) -> Iterator[tuple[Address, Rule, tuple[Rule, ...]]]:
    for position, rule in enumerate(rules):
        yield (*above, position), rule, rules
        yield from _rules(rule.rules, (*above, position))


Changed = dict[int, Rule | None]  # by position among the siblings; None where it is left out


def _changes(
    place: _Place, siblings: tuple[Rule, ...], chance: random.Random
) -> Iterator[tuple[str, Changed]]:
    rule, position = place.rule, place.address[-1]
    yield "left out", {position: None}
    for attribute, other in _partners(rule, position, siblings, chance):
        mine, theirs = getattr(rule, attribute), getattr(siblings[other], attribute)
        swapped: Changed = {
            position: replace(rule, **{attribute: theirs}),
            other: replace(siblings[other], **{attribute: mine}),
        }
        yield f"{attribute} exchanged with {siblings[other].name}", swapped
    for change, changed in (
        *_codecs(place, chance),
        *_constants(place),
        *_fhir_paths(place, chance),
        *_native_paths(place, chance),
        *_targets(place, chance),
    ):
        yield change, {position: changed}


def _partners(
    rule: Rule, position: int, siblings: tuple[Rule, ...], chance: random.Random
) -> Iterator[tuple[str, int]]:
    """With which rule beside it a rule exchanges an attribute."""
    for attribute in ("fhir", "native", "link", "each"):
        mine = getattr(rule, attribute)
        others = [
            other
            for other, sibling in enumerate(siblings)
            if other != position
            and mine
            and getattr(sibling, attribute) not in ("", mine)
            and sibling.form == rule.form
        ]
        if others:
            yield attribute, chance.choice(others)


def _codecs(place: _Place, chance: random.Random) -> Iterator[tuple[str, Rule]]:
    rule = place.rule
    if rule.form != "native":
        return
    word, _, argument = rule.codec.partition(" ")
    if word in ("code", "display"):
        other = _other_table(place.mapping.pack.tables, argument, chance)
        yield f"table {other}", replace(rule, codec=f"{word} {other}")
        yield "no codec", replace(rule, codec="", carry="", narrow=(), absent="")
    elif rule.codec:
        yield "no codec", replace(rule, codec="")
    else:
        yield "codec prefix", replace(rule, codec="prefix wrong:")


def _other_table(tables: "dict[str, CodeTable] | object", name: str, chance: random.Random) -> str:
    """A table that says another thing for as many codes as possible."""
    assert isinstance(tables, dict)
    own = tables[name]

    def agreement(other: CodeTable) -> int:
        return sum(
            code in other.forward
            and (other.forward[code].fhir, other.forward[code].display) == (row.fhir, row.display)
            for code, row in own.forward.items()
        )

    others = [other for other in tables.values() if other.name != name]
    least = min(map(agreement, others))
    return chance.choice([other.name for other in others if agreement(other) == least])


def _constants(place: _Place) -> Iterator[tuple[str, Rule]]:
    rule = place.rule
    if rule.form != "const":
        return
    wrong = not rule.const if isinstance(rule.const, bool) else "wrong"
    yield f"const {wrong}", replace(rule, const=wrong)


def _fhir_paths(place: _Place, chance: random.Random) -> Iterator[tuple[str, Rule]]:
    rule = place.rule
    segments = paths.parse(rule.fhir)
    if not segments:
        return
    names = (*place.prefix, *(segment.name for segment in segments))
    others = _elements_like(place.entry.type, names)
    if others:
        last = segments[-1]
        path = rule.fhir[: len(rule.fhir) - len(str(last))]
        bracket = "" if last.bracket is None else f"[{last.bracket}]"
        wrong = f"{path}{chance.choice(others)}{bracket}"
        yield f"fhir {wrong}", replace(rule, fhir=wrong)
    for names_of, pattern in (
        (place.mapping.pack.systems, "[system={}]"),
        (place.mapping.pack.extensions, "extension[{}]"),
    ):
        used = [name for name in names_of if pattern.format(name) in rule.fhir]
        if used:
            meant = {names_of[name] for name in used}
            other = chance.choice([n for n, url in names_of.items() if url not in meant])
            wrong = rule.fhir.replace(pattern.format(used[0]), pattern.format(other))
            yield f"fhir {wrong}", replace(rule, fhir=wrong)


@cache
def _elements_like(type_name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The elements beside one that have its type and are a list where it is."""
    above = definitions().resolve(type_name, names[:-1]) if len(names) > 1 else None
    info = definitions().resolve(type_name, names)
    if info is None or (len(names) > 1 and above is None):
        return ()
    elements = definitions().elements(above.children if above is not None else type_name)
    return tuple(
        name
        for name, other in elements.items()
        if name != names[-1] and (other.type, other.is_list) == (info.type, info.is_list)
    )


def _native_paths(place: _Place, chance: random.Random) -> Iterator[tuple[str, Rule]]:
    rule, trail = place.rule, place.trail
    stem, dot, last = rule.native.rpartition(".")
    if not last or not trail or trail[-1] != last.removeprefix("/"):
        return
    parent = node_at(place.mapping.shape, trail[:-1])
    own = node_at(place.mapping.shape, trail)
    if parent is None or own is None:
        return
    others = [
        name for name, node in parent.fields.items() if node.kind == own.kind and name != trail[-1]
    ]
    if others:
        start = "/" if last.startswith("/") else ""
        wrong = f"{stem}{dot}{start}{chance.choice(others)}"
        yield f"native {wrong}", replace(rule, native=wrong)


def _targets(place: _Place, chance: random.Random) -> Iterator[tuple[str, Rule]]:
    rule = place.rule
    if rule.form == "link":
        named = rule.link.split()
        others = [name for name in place.mapping.pack.entries if name not in named]
        wrong = chance.choice(others)
        yield f"link {wrong}", replace(rule, link=wrong)


def _with(rules: tuple[Rule, ...], address: Address, changed: Changed) -> tuple[Rule, ...]:
    """The rules with some of those at an address changed."""
    head, *rest = address
    if rest:
        inner = replace(rules[head], rules=_with(rules[head].rules, tuple(rest), changed))
        return (*rules[:head], inner, *rules[head + 1 :])
    found = (changed.get(position, rule) for position, rule in enumerate(rules))
    return tuple(rule for rule in found if rule is not None)
