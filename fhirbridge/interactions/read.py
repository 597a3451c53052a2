"""read: the current version of a resource. Source: R4 http.html#read, http.html#cread"""

from fhirbridge.errors import Gone, InvalidContent, Issue, NotFound
from fhirbridge.interactions import audit_search
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.preconditions import is_not_modified
from fhirbridge.interactions.projection import PARAMETERS, part_of, project_bytes
from fhirbridge.interactions.supported import Route
from fhirbridge.storage import resources
from fhirbridge.storage.versions import ResourceVersion

# How to write the answer: no interaction minds them.
_FORM = frozenset({"_format", "_pretty"})


def read(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Answer 200 with the resource, 304 if the caller has it, 404 or 410 if it is not there."""
    refuse_parameters(request, PARAMETERS)
    if route.resource_type == "AuditEvent":
        row = audit_search.read_row(context, route)
        if row is not None:
            return row
    with context.glancing() as session:
        version = context.show(
            session,
            resources.read(session, context.custodian_id, route.resource_type, route.resource_id),
        )
    return answer(request, existing(version, route))


def existing(version: ResourceVersion | None, route: Route) -> ResourceVersion:
    """The version, if there is one that is not a deletion. Raises NotFound or Gone."""
    name = f"{route.resource_type}/{route.resource_id}"
    if version is None:
        raise NotFound(Issue("not-found", f"{name} does not exist."))
    if version.deleted:
        raise Gone(Issue("deleted", f"{name} was deleted with version {version.version_id}."))
    return version


def answer(request: FhirRequest, version: ResourceVersion) -> FhirResponse:
    """The version as the body, or the part of it that is asked for; or 304 without one."""
    unchanged = is_not_modified(request, version)
    return FhirResponse(
        status=304 if unchanged else 200,
        content=b"" if unchanged else project_bytes(version.content, part_of(request)),
        version_id=version.version_id,
        last_modified=version.last_updated,
    )


def refuse_parameters(request: FhirRequest, allowed: frozenset[str] = frozenset()) -> None:
    """Refuse parameters that would change nothing, unless the caller is lenient."""
    if not request.query:
        return
    unknown = {name for name, _ in request.query} - allowed - _FORM
    if unknown and not request.preferences.lenient:
        listed = ", ".join(sorted(allowed)) or "none"
        raise InvalidContent(
            Issue(
                "not-supported",
                f"{len(unknown)} parameter(s) are not known here; known are: {listed}.",
            )
        )
