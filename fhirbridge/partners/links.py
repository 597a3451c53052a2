"""Links between the entries of a Bundle: what a resource refers to, and links that cannot be kept.

Source: R4 references.html#logical, bundle.html#references.
"""

from collections.abc import Mapping
from copy import deepcopy

from fhirbridge.fhir import references
from fhirbridge.jsontypes import JsonObject, Resource


def links_of(resource: Resource) -> set[str]:
    """The texts of all Reference.reference in a resource, contained and extensions included."""
    return {
        found.reference["reference"]
        for found in references.walk(resource)
        if isinstance(found.reference.get("reference"), str)
    }


def unlink(resource: Resource, logical: Mapping[str, JsonObject]) -> Resource:
    """A copy in which links to these fullUrls become logical references: identifier, no link.

    `logical` maps a fullUrl to the Identifier by which the target is known, or to {} when it has
    none; then only a display remains.
    """
    copied = deepcopy(resource)
    for found in references.walk(copied):
        reference = found.reference
        identifier = logical.get(str(reference.get("reference")))
        if identifier is None:
            continue
        del reference["reference"]
        if identifier:
            reference["identifier"] = dict(identifier)
        else:
            reference.setdefault("display", "not available here")
    return copied
