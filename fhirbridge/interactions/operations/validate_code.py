"""ValueSet/$validate-code: is a code in a value set?

Source: R4 valueset-operation-validate-code.html
"""

from fhirbridge.fhir.terminology import Concept, Concepts
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations import terminology
from fhirbridge.interactions.operations.expand import concepts_of, value_set_of
from fhirbridge.interactions.operations.inputs import read_inputs
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import JsonObject

_KNOWN = frozenset(
    ["url", "valueSet", "valueSetVersion", "code", "system", "display", "coding", "codeableConcept"]
)


def validate_code(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Parameters with `result`, and `message` or `display`.

    A display that is not the one of the code makes the result false.
    """
    inputs = read_inputs(request, context, _KNOWN)
    asked = terminology.codings(inputs)
    with context.reading() as session:
        value_set = value_set_of(session, context, route, inputs)
        concepts = concepts_of(session, context, value_set)
    found = [(coding, member) for coding in asked if (member := _member(coding, concepts))]
    parameters: list[JsonObject]
    if not found:
        parameters = _answer(False, "The code is not in the value set.")
    elif wrong := [member for coding, member in found if not _says_so(coding, member)]:
        parameters = _answer(False, "The display is not the one of the code.", wrong[0].display)
    else:
        parameters = _answer(True, "", found[0][1].display)
    return FhirResponse(
        status=200, resource={"resourceType": "Parameters", "parameter": parameters}
    )


def _member(coding: Concept, concepts: Concepts) -> Concept | None:
    if coding.system:
        return concepts.get((coding.system, coding.code))
    same = [concept for concept in concepts.values() if concept.code == coding.code]
    return same[0] if len(same) == 1 else None


def _says_so(coding: Concept, member: Concept) -> bool:
    """True unless both have a display and these differ in more than case and blanks."""
    one, other = (" ".join(each.display.casefold().split()) for each in (coding, member))
    return not one or not other or one == other


def _answer(result: bool, message: str, display: str = "") -> list[JsonObject]:
    parameters: list[JsonObject] = [{"name": "result", "valueBoolean": result}]
    if message:
        parameters.append({"name": "message", "valueString": message})
    if display:
        parameters.append({"name": "display", "valueString": display})
    return parameters
