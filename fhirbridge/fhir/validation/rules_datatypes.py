"""Invariants of data types and of what all resources share.

Source: R4 datatypes.html, metadatatypes.html, extensibility.html, domainresource.html
"""

from collections.abc import Callable, Mapping

from fhirbridge.fhir.validation.terms import (
    UCUM,
    has,
    has_choice,
    if_given,
    is_not_after,
    is_not_greater,
    items,
    needs,
    of_names,
)
from fhirbridge.jsontypes import Json, JsonObject


def _contained_are_referred_to(resource: JsonObject) -> bool:
    contained = items(resource, "contained")
    missing = _unused({f"#{inner.get('id')}" for inner in contained}, resource)
    return all(
        f"#{inner.get('id')}" not in missing or not _unused({"#"}, inner) for inner in contained
    )


def _unused(fragments: set[str], value: JsonObject) -> set[str]:
    """Those of the fragments that no text in a value names."""
    missing = set(fragments)
    waiting: list[Json] = [value]
    while waiting and missing:
        current = waiting.pop()
        for child in current.values() if isinstance(current, dict) else current:
            if isinstance(child, (dict, list)):
                waiting.append(child)
            elif isinstance(child, str) and child.startswith("#"):
                missing.discard(child)
    return missing


def _has_value_or_extensions(extension: JsonObject) -> bool:
    return ("extension" in extension) != has_choice(extension, "value")


def _is_ucum_or_absent(value: JsonObject) -> bool:
    return bool(value.get("system", UCUM) == UCUM)


def _has_code_with_value(value: JsonObject) -> bool:
    return (has(value, "code") or not has(value, "value")) and _is_ucum_or_absent(value)


def _is_age(value: JsonObject) -> bool:
    return _has_code_with_value(value) and bool(value.get("value", 1) > 0)


def _is_count(value: JsonObject) -> bool:
    number = value.get("value")
    return (
        _has_code_with_value(value)
        and value.get("code", "1") == "1"
        and (number is None or "." not in str(number))
    )


def _is_duration(value: JsonObject) -> bool:
    return not has(value, "code") or (value.get("system") == UCUM and has(value, "value"))


def _is_ratio(value: JsonObject) -> bool:
    numerator = "numerator" in value
    return numerator == ("denominator" in value) and (numerator or "extension" in value)


def _offset_has_when(repeat: JsonObject) -> bool:
    if not has(repeat, "offset"):
        return True
    when = repeat.get("when", [])
    return bool(when) and not {"C", "CM", "CD", "CV"}.intersection(when)


def _event_has_its_part(trigger: JsonObject) -> bool:
    kind = trigger.get("type", "")
    return (
        (kind != "named-event" or has(trigger, "name"))
        and (kind != "periodic" or has_choice(trigger, "timing"))
        and (not kind.startswith("data-") or "data" in trigger)
    )


DATATYPE_RULES: Mapping[str, Mapping[str, Callable[[JsonObject], bool]]] = {
    "DomainResource": {
        "dom-2": if_given(
            "contained", lambda v: not any("contained" in inner for inner in items(v, "contained"))
        ),
        "dom-3": if_given("contained", _contained_are_referred_to),
        "dom-4": if_given(
            "contained",
            lambda v: (
                not any(
                    has(meta, "versionId", "lastUpdated") for meta in items(v, "contained", "meta")
                )
            ),
        ),
        "dom-5": if_given(
            "contained",
            lambda v: not any("security" in meta for meta in items(v, "contained", "meta")),
        ),
    },
    "Extension": {
        "ext-1": of_names(_has_value_or_extensions),
    },
    "Attachment": {"att-1": needs("data", "contentType")},
    "ContactPoint": {"cpt-2": needs("value", "system")},
    "Period": {"per-1": lambda v: is_not_after(v.get("start"), v.get("end"))},
    "Quantity": {"qty-3": needs("code", "system")},
    "Age": {"age-1": _is_age},
    "Count": {"cnt-3": _is_count},
    "Distance": {"dis-1": _has_code_with_value},
    "Duration": {"drt-1": _is_duration},
    "Range": {"rng-2": lambda v: is_not_greater(v.get("low"), v.get("high"))},
    "Ratio": {"rat-1": _is_ratio},
    "Expression": {"exp-1": lambda v: has(v, "expression", "reference")},
    "DataRequirement.codeFilter": {
        "drq-1": lambda v: has(v, "path") != has(v, "searchParam"),
    },
    "DataRequirement.dateFilter": {
        "drq-2": lambda v: has(v, "path") != has(v, "searchParam"),
    },
    "TriggerDefinition": {
        "trd-1": lambda v: "data" not in v or not has_choice(v, "timing"),
        "trd-2": needs("condition", "data"),
        "trd-3": _event_has_its_part,
    },
    "Timing.repeat": {
        "tim-1": needs("duration", "durationUnit"),
        "tim-2": needs("period", "periodUnit"),
        "tim-4": lambda v: v.get("duration", 0) >= 0,
        "tim-5": lambda v: v.get("period", 0) >= 0,
        "tim-6": needs("periodMax", "period"),
        "tim-7": needs("durationMax", "duration"),
        "tim-8": needs("countMax", "count"),
        "tim-9": _offset_has_when,
        "tim-10": lambda v: not (has(v, "timeOfDay") and has(v, "when")),
    },
}
