"""Terminology resources that are stored here, found by their canonical URL.

Source: R4 references.html#canonical
"""

from contextlib import nullcontext

from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.fhir.terminology import Concept, Terminology
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.operations.inputs import Inputs
from fhirbridge.interactions.read import existing
from fhirbridge.interactions.stored_terms import StoredTerms
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import resources
from fhirbridge.storage.session import Session


def terminology(session: Session, context: Context) -> Terminology:
    """Everything that is stored, read in this session."""
    return _stored(session, context).terminology()


def find(
    session: Session, context: Context, resource_type: str, *, url: str, version: str = ""
) -> Resource | None:
    """The stored resource with this URL; of several versions the one written last."""
    return _stored(session, context).find(resource_type, url=url, version=version)


def matching(
    session: Session, context: Context, resource_type: str, pairs: list[tuple[str, str]]
) -> list[Resource]:
    """The resources of the first page of a search."""
    return _stored(session, context).matching(resource_type, pairs)


def _stored(session: Session, context: Context) -> StoredTerms:
    known = context.search_context()
    return StoredTerms(lambda: nullcontext(session), context.custodian_id, known)


def instance(session: Session, context: Context, route: Route) -> Resource:
    """The resource that the address names. Raises NotFound or Gone."""
    version = context.show(
        session,
        resources.read(session, context.custodian_id, route.resource_type, route.resource_id),
    )
    return wire.parse(existing(version, route).content)


def unknown(resource_type: str) -> NotFound:
    """The error for a URL that nothing here has."""
    return NotFound(Issue("not-found", f"No {resource_type} with this URL is known here."))


def codings(inputs: Inputs) -> list[Concept]:
    """The concept that is asked about: `code` and `system`, `coding`, or `codeableConcept`.

    Raises InvalidContent if there is none.
    """
    if inputs.text("code"):
        return [Concept(inputs.text("system"), inputs.text("code"), inputs.text("display"))]
    given = [inputs.object("coding")]
    given += inputs.object("codeableConcept").get("coding", [])
    found = [
        Concept(each.get("system", ""), each["code"], each.get("display", ""))
        for each in given
        if isinstance(each.get("code"), str)
    ]
    if not found:
        raise InvalidContent(
            Issue("required", "A code is needed: code and system, coding or codeableConcept.")
        )
    return found
