"""US Core: does a resource hold what a profile asks beyond R4?

Checked are minimum and maximum, slices, required value sets, reference targets and constraints;
must-support is a promise of systems, not a property of a resource. Without a version a profile is
checked in all versions that we know, so that what passes satisfies the strictest union of them.
Source: R4 profiling.html, the profiles of HL7/US-Core (definitions/us_core.json)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import read_data
from fhirbridge.fhir.validation.findings import write
from fhirbridge.fhir.validation.invariants import BROKEN
from fhirbridge.fhir.validation.profile_rules import Fault, Holds, Rule, compile_rule
from fhirbridge.fhir.validation.rules_us_core import Types
from fhirbridge.jsontypes import JsonObject, Resource

US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/"
_NO_TYPES: Types = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Profile:
    url: str
    resource_type: str
    rules: Mapping[str, tuple[tuple[Rule, Holds], ...]]  # by version; all of them under ""


def known_profiles() -> Mapping[str, str]:
    """URL of each profile that can be checked -> its resource type."""
    return {url: profile.resource_type for url, profile in _profiles().items()}


def is_known(profile_url: str) -> bool:
    """True if `check_profile` can check it: a US Core profile, in a version that we know."""
    return _known(profile_url) is not None


def check_profile(
    resource: Resource, profile_url: str, *, types: Types = _NO_TYPES, is_sound: bool = True
) -> list[Issue]:
    """Everything that keeps a resource from satisfying a profile; an empty list when it does.

    `profile_url` may name one version (`…/us-core-goal|6.1.0`); without, all are checked. `types`
    tells what `urn:uuid:` references lead to. All issues have code `invariant` (422). With
    `is_sound` False the resource breaks R4 itself; where that leaves a rule undecided, nothing more
    is said.
    """
    profile = _known(profile_url)
    if profile is None:
        return [Issue("not-supported", "This profile is not known here, so it is not checked.")]
    url, _, version = profile_url.partition("|")
    name = url.rpartition("/")[2]
    found_type = resource.get("resourceType")
    if found_type != profile.resource_type:
        text = f"The profile {name} is for {profile.resource_type}."
        return [Issue("invariant", text, expression=("resourceType",), rule=name)]
    try:
        return [
            _issue(fault, rule, profile, version)
            for rule, holds in profile.rules[version]
            if not holds(resource, types)
            for fault in rule.faults(resource, types)
        ]
    except BROKEN:
        if is_sound:
            raise
        return []


def satisfied(resource: Resource, *, types: Types = _NO_TYPES) -> list[str]:
    """The profiles that a resource satisfies in all versions, in the order of their names.

    The profile for advance directives is left out: what makes a document one is not in its form.
    """
    return [
        profile.url
        for profile in _by_type().get(str(resource.get("resourceType")), ())
        if all(holds(resource, types) for _, holds in profile.rules[""])
    ]


def _issue(fault: Fault, rule: Rule, profile: _Profile, version: str) -> Issue:
    place, words, key = fault
    name = profile.url.rpartition("/")[2]
    versions = ", ".join((version,) if version else rule.versions)
    text = f"{words} ({f'{key}, ' if key else ''}{name} {versions})."
    return Issue("invariant", text, expression=(write(place),), rule=key or name)


@lru_cache(1024)
def _known(profile_url: str) -> _Profile | None:
    url, _, version = profile_url.partition("|")
    profile = _profiles().get(url)
    return profile if profile is not None and version in profile.rules else None


@cache
def _profiles() -> Mapping[str, _Profile]:
    data = read_data("us_core.json")
    return {
        url: _Profile(url, row["type"], _rules(row, data["value_sets"]))
        for url, row in data["profiles"].items()
    }


def _rules(row: JsonObject, value_sets: JsonObject) -> Mapping[str, tuple[tuple[Rule, Holds], ...]]:
    compiled = [compile_rule(row["type"], rule, value_sets) for rule in row["rules"]]
    pairs = tuple((rule, rule.holds) for rule in compiled)
    found = {"": pairs}
    for version in row["versions"]:
        found[version] = tuple(pair for pair in pairs if version in pair[0].versions)
    return found


@cache
def _by_type() -> Mapping[str, tuple[_Profile, ...]]:
    found: dict[str, tuple[_Profile, ...]] = {}
    for profile in _profiles().values():
        if not profile.url.endswith("us-core-adi-documentreference"):
            found[profile.resource_type] = (*found.get(profile.resource_type, ()), profile)
    return found
