"""Required bindings: which codes may stand in an element.

Source: R4 terminologies.html#required
"""

import re
from collections.abc import Callable, Mapping

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, JsonObject

_MAX_LISTED = 16

# Value sets that cannot be listed, but whose codes have a form.
# Source: R4 valueset-mimetypes.html (BCP 13), valueset-currencies.html (ISO 4217)
_FORMS = {
    "http://hl7.org/fhir/ValueSet/mimetypes": (
        re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?: ?;.*)?"),
        "a media type such as application/pdf",
    ),
    "http://hl7.org/fhir/ValueSet/currencies": (
        re.compile("[A-Z]{3}"),
        "an ISO 4217 currency code",
    ),
}
# R4 itself allows `xml` and `json` where these elements say media type.
# Source: R4 capabilitystatement-definitions.html#CapabilityStatement.format
_FORM_EXEMPT = ("CapabilityStatement.", "TestScript.", "Subscription.")


def form_of(element: ElementInfo) -> re.Pattern[str] | None:
    """The form that the codes of a value set have, where they cannot be listed."""
    form = _FORMS.get(element.value_set)
    return None if form is None or element.path.startswith(_FORM_EXEMPT) else form[0]


def accepted_concept(element: ElementInfo) -> Callable[[JsonObject], bool] | None:
    """The test for a bound Coding or CodeableConcept: one coding is in the value set."""
    systems = definitions().value_set(element.value_set) if element.value_set else None
    if systems is None:
        return None
    if element.type == "Coding":
        return lambda value: _is_in(value, systems)
    return lambda value: any(_is_in(coding, systems) for coding in _codings(value))


def expected(element: ElementInfo) -> str:
    """Words for what a binding wants."""
    if element.codes is None:
        return _FORMS[element.value_set][1]
    if len(element.codes) <= _MAX_LISTED:
        return "one of " + ", ".join(sorted(element.codes))
    return f"a code of {element.value_set}"


def _codings(concept: JsonObject) -> list[Json]:
    codings = concept.get("coding")
    return codings if isinstance(codings, list) else []


def _is_in(coding: Json, systems: Mapping[str, frozenset[str]]) -> bool:
    if not isinstance(coding, dict):
        return False
    system, code = coding.get("system"), coding.get("code")
    return isinstance(system, str) and isinstance(code, str) and code in systems.get(system, ())
