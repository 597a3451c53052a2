"""Invariants of R4: rules beyond the form, each a Python predicate under its official key.

The words of the rules are those of the specification, from the definitions.
Source: R4 conformance-rules.html#constraints; the keys are on the page of each type
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from fhirbridge.fhir.definitions import constraints, definitions
from fhirbridge.fhir.validation.findings import Findings, Path
from fhirbridge.fhir.validation.rules_bundle import BUNDLE_RULES
from fhirbridge.fhir.validation.rules_clinical import CLINICAL_RULES
from fhirbridge.fhir.validation.rules_conformance import CONFORMANCE_RULES
from fhirbridge.fhir.validation.rules_datatypes import DATATYPE_RULES
from fhirbridge.jsontypes import JsonObject

Rule: TypeAlias = Callable[[JsonObject], bool]
# What a rule raises on a value whose structure is broken; the structure is reported already.
BROKEN = (TypeError, AttributeError, KeyError, ValueError, IndexError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule under its official key, with the words of the specification."""

    key: str
    holds: Rule
    diagnostics: str


# Type or backbone path -> key -> predicate.
RULES: Mapping[str, Mapping[str, Rule]] = MappingProxyType(
    {**DATATYPE_RULES, **BUNDLE_RULES, **CLINICAL_RULES, **CONFORMANCE_RULES}
)


def invariants_of(type_name: str) -> tuple[Invariant, ...]:
    """The invariants of a type, those of the types that it specializes included."""
    found: list[Invariant] = []
    current: str | None = type_name
    while current is not None:
        found.extend(
            Invariant(key, rule, _words(current, key))
            for key, rule in RULES.get(current, {}).items()
        )
        current = definitions().base(current)
    return tuple(found)


def report_broken(
    invariants: tuple[Invariant, ...],
    value: JsonObject,
    path: Path,
    found: Findings,
    *,
    is_sound: bool,
) -> None:
    """Report the rules that a value breaks. On an unsound value a rule may not be decidable."""
    for invariant in invariants:
        try:
            holds = invariant.holds(value)
        except BROKEN:
            if is_sound:
                raise
            continue
        if not holds:
            found.add("invariant", invariant.diagnostics, path, rule=invariant.key)


def _words(type_name: str, key: str) -> str:
    # Some constraints of a type stand on one of its elements (org-2 on Organization.address).
    for place, here in constraints().items():
        if key in here and (place == type_name or place.startswith(type_name + ".")):
            human = " ".join(here[key].human.split()).rstrip(".")
            return f"{human[0].upper()}{human[1:]} ({key})."
    raise LookupError(f"R4 has no invariant {key} on {type_name}")
