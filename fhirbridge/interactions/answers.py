"""The answers to writes: headers always, the body as `Prefer: return` asks.

Source: R4 http.html#ops
"""

from collections.abc import Iterable

from fhirbridge.errors import Issue
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.storage.versions import ResourceVersion


def version_url(version: ResourceVersion) -> str:
    """The address of one version, relative to the base."""
    return f"{version.reference}/_history/{version.version_id}"


def written(
    request: FhirRequest,
    version: ResourceVersion,
    *,
    status: int,
    issues: Iterable[Issue] = (),
) -> FhirResponse:
    """The answer to a create or update: the resource unless the caller prefers otherwise."""
    preferred = request.preferences.returned
    return FhirResponse(
        status=status,
        resource=to_outcome(issues) if preferred == "OperationOutcome" else None,
        content=version.content if preferred in ("", "representation") else b"",
        location=version_url(version),
        version_id=version.version_id,
        last_modified=version.last_updated,
    )
