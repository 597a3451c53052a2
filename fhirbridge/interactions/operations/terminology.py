"""Terminology resources that are stored here, found by their canonical URL.

Source: R4 references.html#canonical
"""

from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.fhir.terminology import Concept, Terminology
from fhirbridge.interactions.context import Context
from fhirbridge.interactions.operations.inputs import Inputs
from fhirbridge.interactions.read import existing
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Resource
from fhirbridge.search import query
from fhirbridge.search.escapes import escape
from fhirbridge.storage import resources, search
from fhirbridge.storage.session import Session


def terminology(session: Session, context: Context) -> Terminology:
    """Everything that is stored."""
    return Terminology(
        code_system=lambda url, version: find(
            session, context, "CodeSystem", url=url, version=version
        ),
        value_set=lambda url, version: find(session, context, "ValueSet", url=url, version=version),
    )


def find(
    session: Session, context: Context, resource_type: str, *, url: str, version: str = ""
) -> Resource | None:
    """The stored resource with this URL; of several versions the one written last."""
    pairs = [("url", escape(url)), ("_sort", "-_lastUpdated"), ("_count", "1")]
    if version:
        pairs.append(("version", escape(version)))
    found = matching(session, context, resource_type, pairs)
    return found[0] if found else None


def matching(
    session: Session, context: Context, resource_type: str, pairs: list[tuple[str, str]]
) -> list[Resource]:
    """The resources of the first page of a search."""
    wanted = query.parse(resource_type, pairs, context=context.search_context())
    page = search.run(session, wanted, custodian_id=context.custodian_id)
    return [wire.parse(version.content) for version in page.matches]


def instance(session: Session, context: Context, route: Route) -> Resource:
    """The resource that the address names. Raises NotFound or Gone."""
    version = resources.read(session, context.custodian_id, route.resource_type, route.resource_id)
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
