"""update, also as create, also conditional. Source: R4 http.html#update, http.html#cond-update"""

import re

from fhirbridge.errors import Conflict, Forbidden, InvalidContent, Issue
from fhirbridge.interactions import conditional, permissions
from fhirbridge.interactions.answers import written
from fhirbridge.interactions.context import Context, Unit
from fhirbridge.interactions.gate import accept
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.preconditions import check_if_match
from fhirbridge.interactions.read import refuse_parameters
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import resources

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def update(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Store the next version, or the first one if the id is new (201).

    A body that says what is stored already makes no new version.
    """
    refuse_parameters(request)
    resource = accept(request, context, route.resource_type)
    check_id(resource, route.resource_id)
    with context.writing() as unit:
        return _permitted(
            context, save(request, unit, resource, resource_id=route.resource_id), route
        )


def conditional_update(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Update the one match; create if there is none, at the id of the body if it has one."""
    resource = accept(request, context, route.resource_type)
    with context.writing() as unit:
        match = conditional.one_match(unit, context, route.resource_type, criteria=request.query)
        if match is not None:
            resource_id = match.resource_id
            if "id" in resource:
                check_id(resource, resource_id)
        else:
            resource_id = resource.get("id") or context.bridge.new_id()
            refuse_taken(unit, route.resource_type, resource_id)
        return _permitted(context, save(request, unit, resource, resource_id=resource_id), route)


def _permitted(context: Context, response: FhirResponse, route: Route) -> FhirResponse:
    """The answer, unless the update made something that the caller may not create."""
    if response.status == 201:
        permissions.require(context, (route.resource_type,), "c")
    return response


def refuse_taken(unit: Unit, resource_type: str, resource_id: str) -> None:
    """Raise Conflict if what is to be created at a given id exists, and the search missed it.

    Raises Forbidden for an id that the caller may not choose.
    """
    current = unit.read(resource_type, resource_id)
    if current is None:
        refuse_foreign(unit, resource_type, resource_id)
    if current is not None and not current.deleted:
        raise Conflict(
            Issue("conflict", f"{current.reference} exists, and the criteria do not match it.")
        )


def save(request: FhirRequest, unit: Unit, resource: Resource, *, resource_id: str) -> FhirResponse:
    """Write under the id, unless If-Match forbids it."""
    current = unit.read(resource["resourceType"], resource_id)
    if current is None and "id" in resource and not request.assigned_id:
        refuse_foreign(unit, resource["resourceType"], resource_id)
    check_if_match(request, unit.as_seen(current))
    version = unit.save(resource, resource_id=resource_id, current=current, method="PUT")
    is_new = current is None or current.deleted
    return written(request, version, status=201 if is_new else 200)


def refuse_foreign(unit: Unit, resource_type: str, resource_id: str) -> None:
    """Raise Forbidden if the caller may not choose this id: another may have it, out of sight.

    Others than the custodian's own systems choose ids that begin with their client id.
    """
    gate = unit.gate
    if gate.is_open:
        return
    start = f"{gate.caller.client_id}-"
    taken = resources.read(unit.session, unit.custodian_id, resource_type, resource_id)
    if not gate.caller.client_id or not resource_id.startswith(start) or taken is not None:
        raise Forbidden(
            Issue(
                "forbidden",
                "There is no such resource for this client, and it may choose an id of its own"
                " only if that begins with its client id and a hyphen.",
            )
        )


def check_id(resource: Resource, resource_id: str) -> None:
    """Raise InvalidContent unless the body has the id that the address names."""
    if not _ID.fullmatch(resource_id):
        raise InvalidContent(
            Issue("value", "An id has 1 to 64 letters, digits, hyphens and points.")
        )
    if resource.get("id") != resource_id:
        found = "has another id" if "id" in resource else "has no id"
        raise InvalidContent(
            Issue(
                "invalid",
                f"The body {found}; it must have the id that the address names.",
                expression=(f"{resource['resourceType']}.id",),
            )
        )
