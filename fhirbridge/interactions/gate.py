"""The gate for what comes in: the right type, and a resource as R4 defines it.

Source: R4 http.html#create, http.html#update; design.md section 7
"""

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.validation import check
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.messages import FhirRequest
from fhirbridge.jsontypes import Resource


def accept(request: FhirRequest, context: Context, resource_type: str) -> Resource:
    """The resource in the body, once it is known to be a valid one of this type.

    Raises InvalidContent with every fault: 400 for its form, 422 when only a rule is broken.
    """
    resource = request.content(max_bytes=context.bridge.settings.max_body_bytes)
    issues = faults(resource, resource_type)
    if not request.checked:
        issues += findings(resource, context) if not issues else []
    if any(issue.is_error for issue in issues):
        raise InvalidContent.of(issues)
    return resource


def findings(resource: Resource, context: Context) -> list[Issue]:
    """Everything found in a resource: by R4, by profiles it claims, by our own code systems."""
    return check(resource, own_codes=context.bridge.own_codes)


def faults(resource: Resource, resource_type: str) -> list[Issue]:
    """What forbids to store the resource as this type, whatever is in it."""
    found = resource.get("resourceType")
    if not isinstance(found, str) or not found:
        return [Issue("structure", "The body has no resourceType.", expression=("resourceType",))]
    if found != resource_type:
        return [
            Issue(
                "invalid",
                f"The address is for {resource_type}, the resourceType of the body is another.",
                expression=("resourceType",),
            )
        ]
    if found == "Bundle" and resource.get("type") in ("batch", "transaction"):
        return [
            Issue(
                "business-rule",
                "Post a batch or transaction Bundle to the base address, not to /Bundle.",
                expression=("Bundle.type",),
            )
        ]
    return []
