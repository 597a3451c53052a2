"""Structure of resources: one closure for each type, compiled from the definitions.

A checker walks the JSON once and reports unknown and missing elements, wrong JSON types, empty
and null values, choices given twice, primitive values, bindings and references.
Source: R4 json.html, formats.html#choice, structuredefinition.html
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.primitives import MAX_TEXT
from fhirbridge.fhir.validation import bindings
from fhirbridge.fhir.validation.findings import (
    Checker,
    Findings,
    MemberChecker,
    Path,
    TypeChecker,
    is_filled_list,
    shown,
)
from fhirbridge.fhir.validation.invariants import BROKEN, Rule, invariants_of, report_broken
from fhirbridge.fhir.validation.primitive_elements import (
    companion,
    primitive,
    primitive_list,
    text_test,
)
from fhirbridge.fhir.validation.targets import reference_to
from fhirbridge.fhir.validation.terms import NameRule
from fhirbridge.fhir.validation.xhtml import check_narrative
from fhirbridge.jsontypes import Json, JsonObject

Names: TypeAlias = tuple[str, ...]
# A test that most texts pass, if there is one, and the checker of any value.
_Step: TypeAlias = tuple[Callable[[str], object] | None, MemberChecker]
_MAX_PLANS = 256  # for each type


class CompiledType(Checker):
    """The checker of a type by its name; it is compiled when it is first called."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__(self._compile_and_check)
        self.name = name

    def _compile_and_check(self, value: Json, path: Path, found: Findings) -> None:
        self.check = _compile_type(self.name)
        self.check(value, path, found)


@cache
def compiled(type_name: str) -> CompiledType:
    """The checker of a type or backbone path, made once for each process."""
    return CompiledType(type_name)


def check_resource(value: Json, path: Path, found: Findings) -> None:
    """Check a resource of any type at a place."""
    if not isinstance(value, dict):
        found.add("structure", "A resource must be a JSON object.", path)
        return
    resource_type = value.get("resourceType")
    if not isinstance(resource_type, str):
        found.add("structure", "A resource must say its resourceType.", path)
    elif resource_type not in definitions().resource_types:
        found.add("structure", "The resourceType must be a resource type of FHIR R4.", path)
    else:
        compiled(resource_type).check(value, path, found)


def _compile_type(type_name: str) -> TypeChecker:
    elements = definitions().elements(type_name)
    members: dict[str, MemberChecker] = {}
    text_tests: dict[str, Callable[[str], object]] = {}
    required: dict[str, tuple[str, ...]] = {}
    choices: dict[str, frozenset[str]] = {}
    for element in elements.values():
        members[element.name] = _member(element)
        names: tuple[str, ...] = (element.name,)
        if element.is_primitive and element.type != "xhtml":
            test = None if element.is_list else text_test(element)
            if test is not None:
                text_tests[element.name] = test
            members["_" + element.name] = companion(element, compiled("Element"))
            names = (element.name, "_" + element.name)
        if element.choice:
            choices[element.choice] = choices.get(element.choice, frozenset()).union(names)
        if element.min:
            key = element.choice or element.name
            required[key] = required.get(key, ()) + names
    if type_name in definitions().resource_types:
        members["resourceType"] = _accept
    form = _Form(
        kind=type_name.rpartition(".")[2],
        is_resource=type_name in definitions().resource_types,
        members=members,
        text_tests=text_tests,
        required=tuple(required.items()),
        choices=tuple(choices.items()),
    )
    return _checker(type_name, form)


@dataclass(frozen=True, slots=True)
class _Form:
    """What the names of an object's members must be, and what checks each."""

    kind: str
    is_resource: bool
    members: Mapping[str, MemberChecker]
    text_tests: Mapping[str, Callable[[str], object]]
    required: tuple[tuple[str, tuple[str, ...]], ...]
    choices: tuple[tuple[str, frozenset[str]], ...]

    def report_names(self, value: JsonObject, path: Path, found: Findings) -> None:
        """Report what is wrong with the names alone, whatever the values."""
        kind = self.kind
        if len(value) < 2 and (not value or "id" in value) and not self.is_resource:
            found.add("structure", f"{kind} must have content other than an id (ele-1).", path)
        for name, alternatives in self.required:
            if name not in value and value.keys().isdisjoint(alternatives):
                found.add("required", f"{kind} must have {name}.", (path, name))
        for name, variants in self.choices:
            given = value.keys() & variants
            if len(given) > 1 and len({variant.lstrip("_") for variant in given}) > 1:
                found.add("structure", f"{kind} may have only one kind of {name}.", (path, name))

    def steps(self, names: Names) -> tuple[_Step, ...]:
        """How the values under these names are checked in turn."""
        return tuple((self.text_tests.get(name), self.members.get(name, _accept)) for name in names)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How objects with the same names are checked: steps, and rules that names leave open."""

    steps: tuple[_Step, ...]
    rules: tuple[Rule, ...]


def _checker(type_name: str, form: _Form) -> TypeChecker:
    invariants = invariants_of(type_name)
    # Objects of a type have the same few lists of names. What was found right once is not looked
    # at again; only names that R4 defines are kept, so nothing of anybody's record.
    plans: dict[Names, _Plan] = {}

    def check(value: Json, path: Path, found: Findings) -> None:
        if not isinstance(value, dict):
            found.add("structure", f"{form.kind} must be a JSON object.", path)
            return
        before = len(found.issues)
        names = tuple(value)
        plan = plans.get(names)
        if plan is None:
            plan = learn(names, value, path, found)
        for (test, member), child in zip(plan.steps, value.values(), strict=True):
            # most values are texts; decided without another Python frame
            if (
                test is None
                or not isinstance(child, str)
                or not 0 < len(child) <= MAX_TEXT
                or not test(child)
            ):
                member(child, value, path, found)
        if plan.rules and not _hold(plan.rules, value):
            is_sound = len(found.issues) == before
            report_broken(invariants, value, path, found, is_sound=is_sound)

    def learn(names: Names, value: JsonObject, path: Path, found: Findings) -> _Plan:
        before = len(found.issues)
        for name in names:
            if name not in form.members:
                _report_unknown(form.kind, name, path, found)
        form.report_names(value, path, found)
        rules = (invariant.holds for invariant in invariants)
        plan = _Plan(form.steps(names), tuple(rule for rule in rules if not _settled(rule, value)))
        if len(found.issues) == before:
            if len(plans) >= _MAX_PLANS:
                plans.clear()
            plans[names] = plan
        return plan

    return check


def _settled(rule: Rule, value: JsonObject) -> bool:
    return isinstance(rule, NameRule) and rule.is_settled(value)


def _hold(rules: tuple[Rule, ...], value: JsonObject) -> bool:
    try:
        for rule in rules:
            if not rule(value):
                return False
    except BROKEN:
        return False
    return True


def _report_unknown(kind: str, name: str, path: Path, found: Findings) -> None:
    safe = shown(name)
    if safe is None:
        found.add("structure", f"{kind} has an element that FHIR R4 does not define.", path)
    else:
        found.add("structure", f'{kind} has no element "{safe}" in FHIR R4.', (path, safe))


def _accept(_child: Json, _parent: JsonObject, _path: Path, _found: Findings) -> None:
    """Nothing to check: the caller has done it."""


def _member(element: ElementInfo) -> MemberChecker:
    if element.type == "xhtml":
        return lambda child, _, path, found: check_narrative(child, (path, "div"), found)
    if element.is_primitive:
        return primitive_list(element) if element.is_list else primitive(element)
    return _complex_list(element) if element.is_list else _complex(element)


def _complex(element: ElementInfo) -> MemberChecker:
    target = _target(element)
    step = element.fhir_path

    def check(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        target.check(child, (path, step), found)

    return check


def _complex_list(element: ElementInfo) -> MemberChecker:
    target = _target(element)
    step = element.fhir_path

    def check(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        listed: Path = (path, step)
        if (isinstance(child, list) and child) or is_filled_list(child, listed, found):
            for index, item in enumerate(child):
                target.check(item, (listed, index), found)

    return check


def _target(element: ElementInfo) -> Checker:
    """What checks one value of an element that is an object."""
    if element.type == "Resource":
        is_contained = element.name == "contained"
        return Checker(check_resource if is_contained else _check_independent_resource)
    if element.type == "Reference":
        return reference_to(element.targets, compiled("Reference"))
    if element.is_simple_quantity:
        return _simple_quantity(element)
    accepts = bindings.accepted_concept(element)
    if accepts is not None:
        return _bound_concept(element, accepts)
    return compiled(element.children)


def _simple_quantity(element: ElementInfo) -> Checker:
    form = compiled(element.children)

    def check(value: Json, path: Path, found: Findings) -> None:
        form.check(value, path, found)
        if isinstance(value, dict) and "comparator" in value:
            words = f"{element.name} may not have a comparator (sqty-1)."
            found.add("invariant", words, path, rule="sqty-1")

    return Checker(check)


def _bound_concept(element: ElementInfo, accepts: Callable[[JsonObject], bool]) -> Checker:
    form = compiled(element.children)

    def check(value: Json, path: Path, found: Findings) -> None:
        form.check(value, path, found)
        if isinstance(value, dict) and not accepts(value):
            words = f"{element.name} must have {bindings.expected(element)}."
            found.add("code-invalid", words, path)

    return Checker(check)


def _check_independent_resource(value: Json, path: Path, found: Findings) -> None:
    """A resource in a Bundle or Parameters: `#id` in it means its own contained resources."""
    outer = found.container_type, found.contained
    entries = found.entries
    found.enter(value)
    check_resource(value, path, found)
    found.container_type, found.contained = outer
    found.entries = entries
