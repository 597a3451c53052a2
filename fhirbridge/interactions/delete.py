"""delete, also conditional. Source: R4 http.html#delete"""

from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions import conditional
from fhirbridge.interactions.context import Context, Unit
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.preconditions import check_if_match
from fhirbridge.interactions.read import refuse_parameters
from fhirbridge.interactions.supported import Route
from fhirbridge.storage.versions import ResourceVersion


def delete(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Delete a resource; deleting what is not there succeeds as well."""
    refuse_parameters(request)
    with context.writing() as unit:
        current = unit.read(route.resource_type, route.resource_id)
        return _remove(request, unit, current)


def conditional_delete(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Delete the one match; none is success, several are refused (412)."""
    with context.writing() as unit:
        match = conditional.one_match(unit, context, route.resource_type, criteria=request.query)
        return _remove(request, unit, match)


def _remove(request: FhirRequest, unit: Unit, current: ResourceVersion | None) -> FhirResponse:
    check_if_match(request, unit.as_seen(current))
    if current is not None and not current.deleted:
        current = unit.delete(current)
    version = unit.as_seen(current)
    wants_outcome = request.preferences.returned == "OperationOutcome"
    return FhirResponse(
        status=200 if wants_outcome else 204,
        resource=to_outcome([]) if wants_outcome else None,
        version_id=version.version_id if version else 0,
        last_modified=version.last_updated if version else None,
    )
