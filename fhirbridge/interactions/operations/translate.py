"""ConceptMap/$translate over the concept maps that are stored here.

Source: R4 conceptmap-operation-translate.html
"""

from fhirbridge.fhir.terminology import Match
from fhirbridge.fhir.terminology import translate as translate_by
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations import terminology
from fhirbridge.interactions.operations.inputs import Inputs, read_inputs
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.search.escapes import escape
from fhirbridge.storage.session import Session

_SCOPE = ("url", "conceptMapVersion", "source", "target", "targetsystem", "reverse")
_CODE = ("code", "system", "version", "coding", "codeableConcept")
_KNOWN = frozenset((*_SCOPE, *_CODE))
_MAX_MAPS = 200


def translate(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Parameters with `result` and each `match`; nothing found is a result of false.

    Raises NotFound for a `url` that no map has.
    """
    inputs = read_inputs(request, context, _KNOWN)
    asked = terminology.codings(inputs)
    reverse = inputs.flag("reverse")
    with context.reading() as session:
        maps = _maps(session, context, route, inputs)
    matches = [
        match
        for concept_map in maps
        for coding in asked
        for match in translate_by(
            concept_map, coding, target_system=inputs.text("targetsystem"), reverse=reverse
        )
    ]
    found = any(match.is_positive for match in matches)
    parameters: list[JsonObject] = [{"name": "result", "valueBoolean": found}]
    if not found:
        parameters.append({"name": "message", "valueString": "No map here translates the code."})
    parameters += [_match(match) for match in matches]
    return FhirResponse(
        status=200, resource={"resourceType": "Parameters", "parameter": parameters}
    )


def _maps(session: Session, context: Context, route: Route, inputs: Inputs) -> list[Resource]:
    if route.resource_id:
        return [terminology.instance(session, context, route)]
    url = inputs.text("url")
    if url:
        version = inputs.text("conceptMapVersion")
        found = terminology.find(session, context, "ConceptMap", url=url, version=version)
        if found is None:
            raise terminology.unknown("ConceptMap")
        return [found]
    pairs = [("_count", str(_MAX_MAPS))]
    # `reverse` swaps the meaning of source and target.
    names = ("source", "target")
    for parameter, name in zip(names, names[:: -1 if inputs.flag("reverse") else 1], strict=True):
        if inputs.text(parameter):
            pairs.append((f"{name}-uri", escape(inputs.text(parameter))))
    return terminology.matching(session, context, "ConceptMap", pairs)


def _match(match: Match) -> JsonObject:
    parts: list[JsonObject] = [{"name": "equivalence", "valueCode": match.equivalence}]
    if match.concept.code:
        parts.append({"name": "concept", "valueCoding": match.concept.to_json()})
    if match.source:
        parts.append({"name": "source", "valueUri": match.source})
    return {"name": "match", "part": parts}
