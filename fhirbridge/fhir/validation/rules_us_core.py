"""The constraints of the US Core profiles, each a Python predicate under its official key.

us-core-27 (NCSBN ids of nurses) is not here: no program of ours records one.
Source: the profiles of HL7/US-Core 6.1.0 to 9.0.0, element.constraint
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from fhirbridge.fhir import references
from fhirbridge.fhir.validation.terms import UCUM, exists, has, has_choice, has_coding, items
from fhirbridge.jsontypes import Json, JsonObject

# Reference text -> resource type, for references that do not say it (urn:uuid: in a Bundle).
Types: TypeAlias = Mapping[str, str]
Predicate: TypeAlias = Callable[[JsonObject, Types], bool]

_IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"
_DATA_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ORDERS = frozenset({"order", "original-order", "reflex-order", "filler-order", "instance-order"})
_NPI = re.compile(r"[0-9]{10}")
_CLIA = re.compile(r"[0-9]{2}D[0-9]{7}")
_NAIC = re.compile(r"[0-9]{5}")
_NPI_PREFIX_SUM = 24  # Luhn sum of 80840, the prefix of a card issuer that every NPI has unwritten


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule of a profile, with its words."""

    words: str
    holds: Predicate


def type_behind(reference: Json, types: Types) -> str:
    """The type that a Reference leads to; empty where neither it nor the Bundle says so."""
    if not isinstance(reference, dict):
        return ""
    text = reference.get("reference")
    if isinstance(text, str):
        if text in types:
            return types[text]
        said = "" if text.startswith("urn:") else references.parse(text).resource_type
        if said:
            return said
    declared = reference.get("type")
    return declared if isinstance(declared, str) and declared.isalpha() else ""


def is_npi(value: str) -> bool:
    """True if the check digit of ten digits is right."""
    doubled = [int(digit) * 2 for digit in value[0::2]]
    total = sum(pair if pair < 10 else pair - 9 for pair in doubled)
    return (total + sum(int(digit) for digit in value[1::2]) + _NPI_PREFIX_SUM) % 10 == 0


def _matches(pattern: re.Pattern[str]) -> Predicate:
    return lambda identifier, _: (
        "value" not in identifier or pattern.fullmatch(identifier["value"]) is not None
    )


def _npi_is_right(identifier: JsonObject, _: Types) -> bool:
    value = identifier.get("value")
    return value is None or _NPI.fullmatch(value) is None or is_npi(value)


def _is_named(name: JsonObject, _: Types) -> bool:
    says_why = any(item.get("url") == _DATA_ABSENT for item in items(name, "extension"))
    return has(name, "family", "given") != says_why


def _has_result(observation: JsonObject, _: Types) -> bool:
    is_said = has(observation, "component", "hasMember", "dataAbsentReason")
    return is_said or has_choice(observation, "value")


def _is_in_ucum(observation: JsonObject, _: Types) -> bool:
    quantity = observation.get("valueQuantity", {})
    return "system" not in quantity or quantity["system"] == UCUM


def _is_dated_to_the_day(observation: JsonObject, _: Types) -> bool:
    return len(observation.get("effectiveDateTime", "0000-00-00")) >= len("0000-00-00")


def _has_member_id(coverage: JsonObject, _: Types) -> bool:
    return has(coverage, "subscriberId") or any(
        has_coding(identifier.get("type"), _IDENTIFIER_TYPE, "MB")
        for identifier in items(coverage, "identifier")
    )


def _says_for_whom(agent: JsonObject, types: Types) -> bool:
    acts_for_others = type_behind(agent.get("who"), types) in ("Practitioner", "Device")
    return "onBehalfOf" in agent or not acts_for_others


def _any_of(*names: str) -> Predicate:
    is_there = exists(*names)
    return lambda value, _: is_there(value)


_NPI_RULES = {
    "us-core-16": Constraint("An NPI must have 10 digits", _matches(_NPI)),
    "us-core-17": Constraint("The check digit of an NPI must be right (Luhn)", _npi_is_right),
}

# Path of the element (of a slice, its items; of a choice, its holder) -> key -> rule.
US_CORE_RULES: Mapping[str, Mapping[str, Constraint]] = MappingProxyType(
    {
        "Coverage": {
            "us-core-15": Constraint(
                "A coverage must have a member id or a subscriberId", _has_member_id
            ),
        },
        "DocumentReference.content.attachment": {
            "us-core-6": Constraint("An attachment must have url or data", _any_of("url", "data")),
        },
        "MedicationRequest": {
            "us-core-21": Constraint(
                "An order must have a requester",
                lambda v, _: v.get("intent") not in _ORDERS or has(v, "requester"),
            ),
        },
        "Observation": {
            "us-core-2": Constraint(
                "Without component and hasMember there must be a value or dataAbsentReason",
                _has_result,
            ),
            "us-core-3": Constraint("The unit of a quantity must be in UCUM", _is_in_ucum),
        },
        "Observation.effective[x]": {
            "us-core-1": Constraint("The time must be known to the day", _is_dated_to_the_day),
        },
        "Observation.value[x]": {
            "us-core-3": Constraint("The unit of a quantity must be in UCUM", _is_in_ucum),
        },
        "Organization.identifier": {
            **_NPI_RULES,
            "us-core-18": Constraint(
                "A CLIA number must have 10 digits with D in third place", _matches(_CLIA)
            ),
            "us-core-19": Constraint("A NAIC code must have 5 digits", _matches(_NAIC)),
        },
        "Patient.name": {
            "us-core-6": Constraint(
                "A name must have family or given, or else say why it is absent", _is_named
            ),
        },
        "Practitioner.identifier": _NPI_RULES,
        "PractitionerRole": {
            "pd-1": Constraint("There must be telecom or endpoint", _any_of("telecom", "endpoint")),
            "us-core-13": Constraint(
                "There must be a practitioner, organization, healthcareService or location",
                _any_of("practitioner", "organization", "healthcareService", "location"),
            ),
        },
        "Procedure": {
            "us-core-7": Constraint(
                "What is completed or in progress must have performed[x]",
                lambda v, _: (
                    v.get("status") not in ("completed", "in-progress")
                    or has_choice(v, "performed")
                ),
            ),
        },
        "Provenance.agent": {
            "provenance-1": Constraint(
                "A practitioner or device acts for someone: onBehalfOf must be there",
                _says_for_whom,
            ),
        },
        "RelatedPerson": {
            "us-core-14": Constraint(
                "There must be name or relationship", _any_of("name", "relationship")
            ),
        },
    }
)
