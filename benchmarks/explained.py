"""What another validator says of our Bundles that is no fault of theirs, each with the reason.

Seen with pyrofile-validator 0.3.0 with the definitions of R4 4.0.1, and fhir.resources 8.3.0.
fhirkit-rs and our gate have no row: they must find nothing.
"""

import re
from dataclasses import dataclass

from benchmarks.validators import Objection
from fhirbridge.config import DEFAULT_BASE


@dataclass(frozen=True)
class _Row:
    code: str
    pattern: str  # found in "place: words"
    reason: str


_NEWER = "a code of a later edition of the code system than the one of R4 4.0.1"
_FRAGMENT = "a system published as a fragment may have other codes; our gate knows which"
_COUNTS = "the maximum of one item is held against all items of the list above it"
_OPEN = "it does not know the variants of a value[x] that may be of any type"
_ONE_CODING = "one coding of a concept must be of the value set, and is; others may stand beside it"
_ABSENT = "the data-absent-reason in _created stands for it"
_US_CORE = "US Core's definitions are in no package that we may load; our gate checks them"

_ROWS = (
    _Row(
        "fhir.resources",
        r"extension\[\d+\]\._value\w+: .*extra forbidden",
        "it does not know that the value of an extension may have extensions instead",
    ),
    _Row(
        "terminology.display",
        r"Wrong Display Name '(.+)' for .* choices: '\1 '",
        "R4's display ends in a space, and a string in JSON should not",
    ),
    _Row("terminology.code-system", rf"system {re.escape(DEFAULT_BASE)}/CodeSystem/", _FRAGMENT),
    _Row("terminology.code-system", "42CFRPart2CD.*v3-ActCode", _NEWER),
    _Row("terminology.code-system", "transmitter.*provenance-participant-type", _NEWER),
    _Row("terminology.code-system", "health-concern.*us/core", _US_CORE),
    _Row("extension.unknown", "/us/core/", _US_CORE),
    _Row(
        "extension.unknown",
        r"hl7\.org/fhir/5\.0/StructureDefinition/extension-",
        "a cross-version extension, whose definition is R5's",
    ),
    _Row("terminology.required", r"^Condition\.clinicalStatus", _ONE_CODING),
    _Row("profile.element.binding.required", r"^Condition\.clinicalStatus", _ONE_CODING),
    _Row("cardinality.min", r"^CoverageEligibilityResponse\.created", _ABSENT),
    _Row("profile.element.cardinality.min", r"^CoverageEligibilityResponse\.created", _ABSENT),
    _Row("profile.element.cardinality.max", r"Response\.insurance\.item\.benefit\.", _COUNTS),
    _Row("profile.element.cardinality.max", r"Consent\.provision\.actor\.", _COUNTS),
    _Row("profile.element.cardinality.max", r"answer\.value\[x\]", _COUNTS),
    _Row("cardinality.min", r"^Task\.(input|output)\[\d+\]\.value\[x\]", _OPEN),
    _Row(
        "extension.context",
        r"series-.*allowed = e:CarePlan\.activity\.detail\.scheduled\[x\]",
        "it does not see that scheduledTiming is scheduled[x], which the context names",
    ),
    _Row(
        "questionnaire.unresolved",
        r"/Questionnaire/",
        "the Questionnaires of our carriers are not published",
    ),
    _Row(
        "custom.encounter.patient",
        r"^Encounter\.subject",
        "it is given the resource alone, so it cannot follow a urn:uuid to the Patient",
    ),
)


def reason(objection: Objection) -> str:
    """Why an objection is no fault of ours; an empty text where nothing explains it."""
    text = f"{objection.place}: {objection.words}"
    return next(
        (
            row.reason
            for row in _ROWS
            if row.code == objection.code and re.search(row.pattern, text, re.DOTALL)
        ),
        "",
    )
