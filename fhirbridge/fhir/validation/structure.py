"""Structure of resources: one closure for each type, compiled from the definitions.

A checker walks the JSON once and reports unknown and missing elements, wrong JSON types, empty
and null values, choices given twice, primitive values, bindings and references.
Source: R4 json.html, formats.html#choice, structuredefinition.html
"""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.primitives import PRIMITIVES
from fhirbridge.fhir.validation import bindings
from fhirbridge.fhir.validation.findings import Findings, Path, shown
from fhirbridge.fhir.validation.invariants import check_invariants, invariants_of
from fhirbridge.fhir.validation.targets import check_reference
from fhirbridge.fhir.validation.xhtml import check_narrative
from fhirbridge.jsontypes import Json, JsonObject

TypeChecker: TypeAlias = Callable[[Json, Path, Findings], None]
# Checks one member of an object: its value, the object, the place of the object.
MemberChecker: TypeAlias = Callable[[Json, JsonObject, Path, Findings], None]


class CompiledType:
    """The checker of one type. `check` compiles itself when it is first called."""

    __slots__ = ("check", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.check: TypeChecker = self._compile_and_check

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
    required: dict[str, tuple[str, ...]] = {}
    choices: dict[str, frozenset[str]] = {}
    for element in elements.values():
        members[element.name] = _member(element)
        names: tuple[str, ...] = (element.name,)
        if element.is_primitive and element.type != "xhtml":
            members["_" + element.name] = _companion(element)
            names = (element.name, "_" + element.name)
        if element.choice:
            choices[element.choice] = choices.get(element.choice, frozenset()) | {element.name}
        if element.min:
            key = element.choice or element.name
            required[key] = required.get(key, ()) + names
    if type_name in definitions().resource_types:
        members["resourceType"] = _accept
    return _checker(
        type_name,
        members=members,
        required=tuple(required.items()),
        choices=tuple(choices.items()),
    )


def _checker(
    type_name: str,
    *,
    members: dict[str, MemberChecker],
    required: tuple[tuple[str, tuple[str, ...]], ...],
    choices: tuple[tuple[str, frozenset[str]], ...],
) -> TypeChecker:
    kind = type_name.rpartition(".")[2]
    is_resource = type_name in definitions().resource_types
    invariants = invariants_of(type_name)

    def check(value: Json, path: Path, found: Findings) -> None:
        if not isinstance(value, dict):
            found.add("structure", f"{kind} must be a JSON object.", path)
            return
        before = len(found.issues)
        for name, child in value.items():
            member = members.get(name)
            if member is None:
                _report_unknown(kind, name, path, found)
            else:
                member(child, value, path, found)
        if len(value) < 2 and (not value or "id" in value) and not is_resource:
            found.add("structure", f"{kind} must have content other than an id (ele-1).", path)
        for name, alternatives in required:
            if value.keys().isdisjoint(alternatives):
                found.add("required", f"{kind} must have {name}.", (path, name))
        for name, variants in choices:
            if len(value.keys() & variants) > 1:
                found.add("structure", f"{kind} may have only one kind of {name}.", (path, name))
        if invariants:
            check_invariants(invariants, value, path, found, is_sound=len(found.issues) == before)

    return check


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
        return _primitive_list(element) if element.is_list else _primitive(element)
    return _complex_list(element) if element.is_list else _complex(element)


def _accepts(element: ElementInfo) -> Callable[[Json], bool]:
    return bindings.accepted_codes(element) or PRIMITIVES[element.type].accepts


def _report_value(element: ElementInfo, value: Json, path: Path, found: Findings) -> None:
    name = element.choice or element.name
    primitive = PRIMITIVES[element.type]
    if value is None:
        found.add("structure", f"{name} must not be null; leave it out instead.", path)
    elif isinstance(value, (dict, list)):
        found.add("structure", f"{name} must be {primitive.expected}.", path)
    elif not primitive.accepts(value):
        found.add("value", f"{name} must be {primitive.expected}.", path)
    else:
        found.add("code-invalid", f"{name} must be {bindings.expected(element)}.", path)


def _primitive(element: ElementInfo) -> MemberChecker:
    accepts = _accepts(element)
    step = element.fhir_path

    def check(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        if not accepts(child):
            _report_value(element, child, (path, step), found)

    return check


def _primitive_list(element: ElementInfo) -> MemberChecker:
    accepts = _accepts(element)
    step = element.fhir_path
    companion = "_" + element.name

    def check(child: Json, parent: JsonObject, path: Path, found: Findings) -> None:
        if not _is_filled_list(child, (path, step), found):
            return
        companions = parent.get(companion)
        for index, item in enumerate(child):
            if accepts(item):
                continue
            if item is None and _has_item(companions, index):
                continue
            _report_value(element, item, ((path, step), index), found)

    return check


def _has_item(companions: Json, index: int) -> bool:
    return (
        isinstance(companions, list)
        and index < len(companions)
        and isinstance(companions[index], dict)
    )


def _companion(element: ElementInfo) -> MemberChecker:
    """The checker of `_name`: id and extensions of a primitive, aligned with it in lists."""
    step = element.fhir_path
    element_type = compiled("Element")

    def check_one(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        element_type.check(child, (path, step), found)

    def check_list(child: Json, parent: JsonObject, path: Path, found: Findings) -> None:
        if not _is_filled_list(child, (path, step), found):
            return
        values = parent.get(element.name)
        if isinstance(values, list) and len(values) != len(child):
            found.add(
                "structure",
                f"{element.name} and _{element.name} must have the same number of items.",
                (path, step),
            )
        for index, item in enumerate(child):
            if item is not None:
                element_type.check(item, ((path, step), index), found)
        if all(item is None for item in child):
            found.add("structure", f"_{element.name} must hold more than null.", (path, step))

    return check_list if element.is_list else check_one


def _complex(element: ElementInfo) -> MemberChecker:
    check_value = _value_checker(element)
    step = element.fhir_path

    def check(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        check_value(child, (path, step), found)

    return check


def _complex_list(element: ElementInfo) -> MemberChecker:
    check_value = _value_checker(element)
    step = element.fhir_path

    def check(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        listed: Path = (path, step)
        if not _is_filled_list(child, listed, found):
            return
        for index, item in enumerate(child):
            check_value(item, (listed, index), found)

    return check


def _is_filled_list(value: Json, path: Path, found: Findings) -> bool:
    if not isinstance(value, list):
        found.add("structure", "The element repeats, so it must be a JSON array.", path)
        return False
    if not value:
        found.add("structure", "An array must not be empty; leave it out instead.", path)
        return False
    return True


def _value_checker(element: ElementInfo) -> TypeChecker:
    if element.type == "Resource":
        return _nested_resource if element.name == "contained" else _independent_resource
    target = compiled(element.children)
    if element.type == "Reference":
        targets = frozenset(element.targets)

        def check_with_targets(value: Json, path: Path, found: Findings) -> None:
            target.check(value, path, found)
            if isinstance(value, dict):
                check_reference(value, targets, path, found)

        return check_with_targets
    accepts = bindings.accepted_concept(element)
    if accepts is None:
        return lambda value, path, found: target.check(value, path, found)

    def check_with_binding(value: Json, path: Path, found: Findings) -> None:
        target.check(value, path, found)
        if isinstance(value, dict) and not accepts(value):
            words = f"{element.name} must have {bindings.expected(element)}."
            found.add("code-invalid", words, path)

    return check_with_binding


def _nested_resource(value: Json, path: Path, found: Findings) -> None:
    check_resource(value, path, found)


def _independent_resource(value: Json, path: Path, found: Findings) -> None:
    """A resource in a Bundle or Parameters: `#id` in it means its own contained resources."""
    outer = found.container
    if isinstance(value, dict):
        found.container = value
    check_resource(value, path, found)
    found.container = outer
