"""Primitive elements: their values, and the `_name` companions with ids and extensions.

Source: R4 json.html#primitive
"""

from collections.abc import Callable

from fhirbridge.fhir.definitions import ElementInfo
from fhirbridge.fhir.primitives import PRIMITIVES
from fhirbridge.fhir.validation import bindings
from fhirbridge.fhir.validation.findings import (
    Checker,
    Findings,
    MemberChecker,
    Path,
    is_filled_list,
)
from fhirbridge.jsontypes import Json, JsonObject


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


def _accepts(element: ElementInfo) -> Callable[[Json], bool]:
    """The test for a value of a primitive element, its required binding included."""
    codes = element.codes
    if codes is not None:
        return lambda value: isinstance(value, str) and value in codes
    pattern = bindings.form_of(element)
    if pattern is None:
        return PRIMITIVES[element.type].accepts
    match = pattern.fullmatch
    return lambda value: isinstance(value, str) and match(value) is not None


def text_test(element: ElementInfo) -> Callable[[str], object] | None:
    """A fast test that is truthy for most of the texts that a primitive element accepts.

    It is for texts of 1 to MAX_TEXT characters. Texts that fail it may still be accepted by the
    checker of the element.
    """
    if element.codes is not None:
        return element.codes.__contains__
    form = bindings.form_of(element)
    if form is None and element.type in ("string", "markdown"):
        return str.isprintable  # those with line breaks are left to the checker
    if form is None and element.type in ("uri", "url", "canonical", "code"):
        return _is_one_word
    pattern = form or PRIMITIVES[element.type].pattern
    return None if pattern is None else pattern.fullmatch


def _is_one_word(text: str) -> bool:
    return " " not in text and text.isprintable()


def primitive(element: ElementInfo) -> MemberChecker:
    """The checker of a primitive element that does not repeat."""
    accepts = _accepts(element)
    step = element.fhir_path

    def check(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        if not accepts(child):
            _report_value(element, child, (path, step), found)

    return check


def primitive_list(element: ElementInfo) -> MemberChecker:
    """The checker of a primitive element that repeats; null only beside a companion."""
    accepts = _accepts(element)
    step = element.fhir_path
    companion = "_" + element.name

    def check(child: Json, parent: JsonObject, path: Path, found: Findings) -> None:
        if not is_filled_list(child, (path, step), found):
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


def companion(element: ElementInfo, element_type: Checker) -> MemberChecker:
    """The checker of `_name`: id and extensions of a primitive, aligned with it in lists."""
    step = element.fhir_path

    def check_one(child: Json, _parent: JsonObject, path: Path, found: Findings) -> None:
        element_type.check(child, (path, step), found)

    def check_list(child: Json, parent: JsonObject, path: Path, found: Findings) -> None:
        if not is_filled_list(child, (path, step), found):
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
