"""$validate: what this server finds in a resource, without storing anything.

Source: R4 resource-operation-validate.html
"""

from functools import partial

from fhirbridge.disclosure import returning
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.fhir.validation.profiles import check_profile
from fhirbridge.interactions import gate
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.operations.inputs import Inputs, checked, pairs_of
from fhirbridge.interactions.read import existing
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import integrity, resources

_KNOWN = frozenset({"resource", "mode", "profile"})
_MODES = ("", "create", "update", "delete", "profile")
_CORE = "http://hl7.org/fhir/StructureDefinition/"


def validate(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """An OperationOutcome with 200, whatever is found.

    Without a resource in the body, the stored one is looked at; with mode `delete`, whether it
    could be deleted now.
    """
    inputs = _inputs(request, context)
    mode = inputs.text("mode")
    if mode not in _MODES:
        raise InvalidContent(Issue("value", f"mode must be one of {', '.join(_MODES[1:])}."))
    resource = inputs.object("resource")
    if mode == "delete":
        issues = _obstacles(context, route)
    else:
        if not resource:
            resource = _stored(context, route)
        issues = gate.faults(resource, route.resource_type)
        issues = issues or gate.findings(resource, context)
        issues = issues + _identity(resource, route, mode)
        for profile in inputs.all("profile"):
            issues = issues + _profile(resource, str(profile), issues)
    return FhirResponse(status=200, resource=to_outcome(issues))


def _inputs(request: FhirRequest, context: Context) -> Inputs:
    pairs = tuple(request.query)
    if request.body.strip() or request.resource is not None:
        body = request.content(max_bytes=context.bridge.settings.max_body_bytes)
        posted: tuple[tuple[str, object], ...] = (("resource", body),)
        # A Parameters resource is the envelope, unless it holds none: then it is what is asked.
        if body.get("resourceType") == "Parameters":
            inside = pairs_of(body)
            if any(name in _KNOWN for name, _ in inside):
                posted = inside
        return checked(request, (*pairs, *posted), _KNOWN)
    return checked(request, pairs, _KNOWN)


def _stored(context: Context, route: Route) -> Resource:
    if not route.resource_id:
        raise InvalidContent(Issue("required", "A resource to validate is needed in the body."))
    with context.reading() as session:
        version = context.show(
            session,
            resources.read(session, context.custodian_id, route.resource_type, route.resource_id),
        )
    return wire.parse(existing(version, route).content)


def _identity(resource: Resource, route: Route, mode: str) -> list[Issue]:
    if mode != "update" or not route.resource_id or resource.get("id") == route.resource_id:
        return []
    return [
        Issue(
            "invalid",
            "The resource must have the id that the address names.",
            expression=(f"{route.resource_type}.id",),
        )
    ]


def _profile(resource: Resource, url: str, known: list[Issue]) -> list[Issue]:
    name = url.partition("|")[0].removeprefix(_CORE)
    if name in definitions().resource_types or name in ("Resource", "DomainResource"):
        return gate.faults(resource, name) if name in definitions().resource_types else []
    is_sound = not any(issue.is_error for issue in known)
    return check_profile(resource, url, is_sound=is_sound)


def _obstacles(context: Context, route: Route) -> list[Issue]:
    """What keeps the resource from being deleted."""
    if not route.resource_id:
        raise InvalidContent(Issue("required", "mode delete is about one resource: name its id."))
    with context.reading() as session:
        version = context.show(
            session,
            resources.read(session, context.custodian_id, route.resource_type, route.resource_id),
        )
        version = existing(version, route)
        gate = context.gate
        if not gate.is_open and returning.is_shared(version):
            return [Issue("forbidden", returning.ONLY_CUSTODIAN)]
        reference = f"{route.resource_type}/{route.resource_id}"
        seen = None if gate.is_open else partial(gate.sees_reference, session)
        found = integrity.referrers(session, context.custodian_id, reference, seen=seen)
    if not found or not context.bridge.settings.referential_integrity:
        return []
    named = ", ".join(found[: integrity.MAX_REFERRERS])
    return [Issue("conflict", f"It cannot be deleted, because it is referred to by {named}.")]
