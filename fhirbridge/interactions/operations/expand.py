"""ValueSet/$expand, and the value set that it and $validate-code are asked about.

Source: R4 valueset-operation-expand.html
"""

from fhirbridge.clock import to_instant
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.terminology import CannotExpand, Concepts
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations import terminology
from fhirbridge.interactions.operations.inputs import Inputs, read_inputs
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage.session import Session

_KNOWN = frozenset(["url", "valueSet", "valueSetVersion", "filter", "offset", "count"])
_KEPT = ("id", "meta", "url", "version", "name", "title", "status", "experimental", "publisher")
_MAX_COUNT = 5000


def expand(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """The value set with its expansion, or with `count` a page of it.

    Raises NotFound for a `url` that is not known, InvalidContent (422) for what cannot be listed.
    """
    inputs = read_inputs(request, context, _KNOWN)
    with context.reading() as session:
        value_set = value_set_of(session, context, route, inputs)
        concepts = concepts_of(session, context, value_set)
    words = inputs.text("filter").casefold().split()
    matching = [
        concept
        for concept in concepts.values()
        if all(word in f"{concept.display} {concept.code}".casefold() for word in words)
    ]
    offset, count = inputs.number("offset", 0), inputs.number("count", len(matching))
    page = matching[offset : offset + min(count, _MAX_COUNT)]
    if not inputs.all("count") and len(matching) > _MAX_COUNT:
        raise InvalidContent(
            Issue("too-costly", f"There are more than {_MAX_COUNT} codes: use count and offset.")
        )
    expansion: JsonObject = {
        "identifier": f"urn:uuid:{context.bridge.new_id()}",
        "timestamp": to_instant(context.bridge.now()),
        "total": len(matching),
    }
    if inputs.all("count") or offset:
        expansion["offset"] = offset
    if page:
        expansion["contains"] = [concept.to_json() for concept in page]
    kept = {name: value_set[name] for name in _KEPT if name in value_set}
    return FhirResponse(
        status=200,
        resource={"resourceType": "ValueSet", "status": "active", **kept, "expansion": expansion},
    )


def value_set_of(session: Session, context: Context, route: Route, inputs: Inputs) -> Resource:
    """The value set that the address, `valueSet` or `url` names. Raises NotFound."""
    if route.resource_id:
        return terminology.instance(session, context, route)
    if inputs.all("valueSet"):
        return inputs.object("valueSet")
    url, _, version = inputs.text("url").partition("|")
    if not url:
        raise InvalidContent(Issue("required", "The value set is needed: url or valueSet."))
    version = version or inputs.text("valueSetVersion")
    found = terminology.find(session, context, "ValueSet", url=url, version=version)
    if found is not None:
        return found
    if definitions().value_set(url) is None:
        raise terminology.unknown("ValueSet")
    return {"url": url, "compose": {"include": [{"valueSet": [url]}]}}


def concepts_of(session: Session, context: Context, value_set: Resource) -> Concepts:
    """The concepts of a value set. Raises InvalidContent (422) where they cannot be listed."""
    try:
        return terminology.terminology(session, context).expand(value_set)
    except CannotExpand as exc:
        raise InvalidContent(Issue("business-rule", str(exc))) from exc
    except (KeyError, AttributeError, TypeError, RecursionError) as exc:
        raise InvalidContent(Issue("structure", "The value set is not valid R4.")) from exc
