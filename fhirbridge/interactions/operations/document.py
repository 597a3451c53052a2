"""Composition/$document: the document Bundle of a Composition.

Source: R4 composition-operation-document.html, documents.html
"""

from fhirbridge.clock import to_instant
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.interactions import permissions
from fhirbridge.interactions.answers import written
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations.following import follow
from fhirbridge.interactions.operations.inputs import read_inputs
from fhirbridge.interactions.read import existing
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import resources
from fhirbridge.storage.versions import ResourceVersion

_KNOWN = frozenset({"persist"})


def document(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """A Bundle of type document: the Composition, then everything that it refers to.

    With `persist`, by POST only, the Bundle is stored as well.
    """
    persist = read_inputs(request, context, _KNOWN).flag("persist")
    if persist and request.method != "POST":
        raise InvalidContent(Issue("not-supported", "persist stores something: use POST."))
    with context.reading() as session:
        version = resources.read(session, context.custodian_id, "Composition", route.resource_id)
        composition = existing(context.show(session, version), route)
        referred = follow(session, context, [wire.parse(composition.content)])
    # A document is whole or is not given.
    permissions.require(context, (each.resource_type for each in referred), "r")
    bundle = _bundle(context, [composition, *referred])
    if not persist:
        return FhirResponse(status=200, resource=bundle)
    permissions.require(context, ("Bundle",), "c")
    with context.writing() as unit:
        stored = unit.save(
            wire.parse(wire.dump(bundle)),
            resource_id=context.bridge.new_id(),
            current=None,
            method="POST",
        )
    return written(request, stored, status=200)


def _bundle(context: Context, versions: list[ResourceVersion]) -> Resource:
    own = [each for index, each in enumerate(versions) if index == 0 or each != versions[0]]
    return {
        "resourceType": "Bundle",
        "identifier": {
            "system": "urn:ietf:rfc:3986",
            "value": f"urn:uuid:{context.bridge.new_id()}",
        },
        "type": "document",
        "timestamp": to_instant(context.bridge.now()),
        "entry": [
            {
                "fullUrl": f"{context.base}/{version.reference}",
                "resource": wire.embed(version.content),
            }
            for version in own
        ],
    }
