"""create, also conditional. Source: R4 http.html#create, http.html#ccreate"""

from fhirbridge.interactions import conditional
from fhirbridge.interactions.answers import written
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.gate import accept
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.read import refuse_parameters
from fhirbridge.interactions.supported import Route


def create(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Store a new resource under an id of ours; an `id` in the body is ignored.

    With If-None-Exist and one match nothing is written and that match is the answer. Search and
    insert are in one serialised transaction: parallel callers make exactly one resource.
    """
    refuse_parameters(request)
    resource = accept(request, context, route.resource_type)
    criteria = request.conditions.get("if-none-exist")
    with context.writing() as unit:
        if criteria is not None:
            match = conditional.one_match(unit, context, route.resource_type, criteria=criteria)
            if match is not None:
                seen = context.show(unit.session, match) or match
                return written(request, seen, status=200)
        resource_id = request.assigned_id or context.bridge.new_id()
        version = unit.save(resource, resource_id=resource_id, current=None, method="POST")
    return written(request, version, status=201)
