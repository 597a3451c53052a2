"""vread: one version of a resource. Source: R4 http.html#vread"""

from fhirbridge.disclosure.leaving import leaving_version
from fhirbridge.errors import Gone, Issue, NotFound
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.projection import PARAMETERS
from fhirbridge.interactions.read import answer, refuse_parameters
from fhirbridge.interactions.supported import Route
from fhirbridge.storage import resources
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion


def vread(request: FhirRequest, context: Context, route: Route) -> FhirResponse:
    """Answer 200 also for versions before a deletion; 410 for the version that is a deletion."""
    refuse_parameters(request, PARAMETERS)
    version = None
    number = route.version_id
    if number.isascii() and number.isdigit() and len(number) < 10 and number[0] != "0":
        with context.reading() as session:
            version = _find(session, context, route, int(number))
    name = f"{route.resource_type}/{route.resource_id}"
    if version is None:
        raise NotFound(Issue("not-found", f"{name} has no such version."))
    if version.deleted:
        raise Gone(Issue("deleted", f"Version {number} of {name} is its deletion."))
    return answer(request, version)


def _find(session: Session, context: Context, route: Route, number: int) -> ResourceVersion | None:
    custodian_id, gate = context.custodian_id, context.gate
    if gate.is_open:
        found = resources.vread(
            session, custodian_id, route.resource_type, route.resource_id, version_id=number
        )
    else:
        current = resources.read(session, custodian_id, route.resource_type, route.resource_id)
        found = leaving_version(session, gate, current, number) if current else None
    if found is not None:
        context.trail.note(session, (found,))
    return found
