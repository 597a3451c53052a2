"""The gate for what comes in: is this a valid R4 resource?

Source: R4 validation.html (structure, cardinality, value domains, coding bindings, invariants)
"""

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.validation.claims import check_claims
from fhirbridge.fhir.validation.findings import Findings, TooManyIssues
from fhirbridge.fhir.validation.own_codes import OwnCodes, check_own_codes
from fhirbridge.fhir.validation.structure import check_resource
from fhirbridge.jsontypes import Resource


def check(
    resource: Resource, *, ours: bool = False, own_codes: OwnCodes | None = None
) -> list[Issue]:
    """All faults of a resource, each with its FHIRPath; an empty list when it is valid R4.

    Codes: `structure`, `required`, `value`, `code-invalid` for the form (400); `invariant` for
    the rules of R4 beyond the form, reference targets and narrative included (422). A US Core
    profile that `meta.profile` claims and that does not hold is an error with `ours`, for what we
    made, else a warning. With `own_codes`, codings in systems of ours must have codes of theirs
    (`business-rule`, 422). After a thousand issues the list ends.
    """
    found = Findings()
    found.enter(resource)
    is_known = found.container_type in definitions().resource_types
    try:
        check_resource(resource, (None, found.container_type if is_known else "Resource"), found)
    except TooManyIssues:
        found.issues.append(
            Issue("too-costly", "There are more issues, which are not listed.", severity="warning")
        )
        return found.issues
    issues = found.issues
    issues += check_claims(resource, ours=ours, is_sound=not issues)
    if own_codes is not None:
        issues += check_own_codes(resource, own_codes)
    return issues
