"""US Core: does a resource hold what a profile asks beyond R4?

Checked are minimum and maximum, slices, required value sets, reference targets and constraints;
must-support is a promise of systems, not a property of a resource. Without a version a profile is
checked in all versions that we know, so that what passes satisfies the strictest union of them.
Source: R4 profiling.html, the profiles of HL7/US-Core (definitions/us_core.json)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import read_data
from fhirbridge.fhir.validation.findings import Path, write
from fhirbridge.fhir.validation.invariants import BROKEN
from fhirbridge.fhir.validation.rules_us_core import (
    US_CORE_RULES,
    Constraint,
    Types,
    type_behind,
)
from fhirbridge.fhir.validation.terms import count, has_choice
from fhirbridge.jsontypes import Json, JsonObject, Resource

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_NO_TYPES: Types = MappingProxyType({})
_ItemTest = Callable[[Json], bool]
# A fault: its place, what is asked, and the key of the rule.
_Fault = tuple[Path, str, str]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a profile asks of one element; `matches` picks the items of a slice."""

    steps: tuple[str, ...]
    label: str
    versions: tuple[str, ...]
    min: int
    max: int | None
    matches: _ItemTest | None
    accepts: _ItemTest | None
    targets: frozenset[str]
    constraints: tuple[tuple[str, Constraint], ...]

    def faults(self, resource: Resource, types: Types) -> Iterator[_Fault]:
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

    def _item_faults(self, item: Json, where: Path, types: Types) -> Iterator[_Fault]:
        if self.accepts is not None and not self.accepts(item):
            yield where, f"{self.label} must have a code of the profile's value set", ""
        if self.targets:
            target = type_behind(item, types)
            if target and target not in self.targets:
                wanted = " or ".join(sorted(self.targets))
                yield where, f"{self.label} must refer to {wanted}", ""
        yield from _broken(self.constraints, item, where, types)


@dataclass(frozen=True, slots=True)
class _Profile:
    url: str
    resource_type: str
    versions: tuple[str, ...]
    rules: tuple[_Rule, ...]


def known_profiles() -> Mapping[str, str]:
    """URL of each profile that can be checked -> its resource type."""
    return {url: profile.resource_type for url, profile in _profiles().items()}


def is_known(profile_url: str) -> bool:
    """True if `check_profile` can check it: a US Core profile, in a version that we know."""
    url, _, version = profile_url.partition("|")
    profile = _profiles().get(url)
    return profile is not None and (not version or version in profile.versions)


def check_profile(
    resource: Resource, profile_url: str, *, types: Types = _NO_TYPES, is_sound: bool = True
) -> list[Issue]:
    """Everything that keeps a resource from satisfying a profile; an empty list when it does.

    `profile_url` may name one version (`…/us-core-goal|6.1.0`); without, all are checked. `types`
    tells what `urn:uuid:` references lead to. All issues have code `invariant` (422). With
    `is_sound` False the resource breaks R4 itself, and rules that cannot be decided are left out.
    """
    url, _, version = profile_url.partition("|")
    profile = _profiles().get(url)
    if profile is None or (version and version not in profile.versions):
        return [Issue("not-supported", "This profile is not known here, so it is not checked.")]
    found_type = resource.get("resourceType")
    name = url.rpartition("/")[2]
    if found_type != profile.resource_type:
        text = f"The profile {name} is for {profile.resource_type}."
        return [Issue("invariant", text, expression=("resourceType",), rule=name)]
    issues: list[Issue] = []
    for rule in profile.rules:
        if version and version not in rule.versions:
            continue
        try:
            faults = list(rule.faults(resource, types))
        except BROKEN:
            if is_sound:
                raise
            continue
        issues += [_issue(fault, rule, profile, version) for fault in faults]
    return issues


def satisfied(resource: Resource, *, types: Types = _NO_TYPES) -> list[str]:
    """The profiles that a resource satisfies in all versions, in the order of their names.

    The profile for advance directives is left out: what makes a document one is not in its form.
    """
    return [
        profile.url
        for profile in _by_type().get(str(resource.get("resourceType")), ())
        if not any(True for rule in profile.rules for _ in rule.faults(resource, types))
    ]


def _issue(fault: _Fault, rule: _Rule, profile: _Profile, version: str) -> Issue:
    place, words, key = fault
    name = profile.url.rpartition("/")[2]
    versions = ", ".join((version,) if version else rule.versions)
    text = f"{words} ({f'{key}, ' if key else ''}{name} {versions})."
    return Issue("invariant", text, expression=(write(place),), rule=key or name)


def _broken(
    constraints: Sequence[tuple[str, Constraint]], value: Json, where: Path, types: Types
) -> Iterator[_Fault]:
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


@cache
def _profiles() -> Mapping[str, _Profile]:
    data = read_data("us_core.json")
    return {
        url: _Profile(
            url,
            row["type"],
            tuple(row["versions"]),
            tuple(_compile(row["type"], rule, data["value_sets"]) for rule in row["rules"]),
        )
        for url, row in data["profiles"].items()
    }


@cache
def _by_type() -> Mapping[str, tuple[_Profile, ...]]:
    found: dict[str, tuple[_Profile, ...]] = {}
    for profile in _profiles().values():
        if not profile.url.endswith("us-core-adi-documentreference"):
            found[profile.resource_type] = (*found.get(profile.resource_type, ()), profile)
    return found


def _compile(resource_type: str, row: JsonObject, value_sets: JsonObject) -> _Rule:
    steps = tuple(row["path"].split(".")) if row["path"] else ()
    path = ".".join((resource_type, *steps))
    known = US_CORE_RULES.get(path, {})
    matches: _ItemTest | None = None
    if "where" in row:
        matches = _pattern_test(row["where"])
    elif "in" in row:
        matches = _code_test(value_sets[row["in"]])
    return _Rule(
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


def _pattern_test(where: JsonObject) -> _ItemTest:
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


def _code_test(systems: Mapping[str, Sequence[str]]) -> _ItemTest:
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
