"""Links between the entries of a Bundle: which fullUrls a resource refers to, and their rewriting.

Source: R4 bundle.html#references, http.html#trules.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhirbridge.jsontypes import Json, JsonObject, Resource


def _references(value: Json) -> Iterator[JsonObject]:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield value
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def links_of(resource: Resource) -> set[str]:
    """The texts of all Reference.reference in a resource, contained and extensions included."""
    return {reference["reference"] for reference in _references(resource)}


def copy_tree(value: Any) -> Any:
    """A copy of JSON; leaves are shared, so that numbers keep their digits."""
    if isinstance(value, dict):
        return {name: copy_tree(child) for name, child in value.items()}
    if isinstance(value, list):
        return [copy_tree(child) for child in value]
    return value


def rewrite(resource: Resource, locations: Mapping[str, str]) -> Resource:
    """A copy in which every link that has a location points there."""
    copied: Resource = copy_tree(resource)
    for reference in _references(copied):
        reference["reference"] = locations.get(reference["reference"], reference["reference"])
    return copied


def unlink(resource: Resource, logical: Mapping[str, JsonObject]) -> Resource:
    """A copy in which links to these fullUrls become logical references: identifier, no link.

    `logical` maps a fullUrl to the Identifier by which the target is known, or to {} when it has
    none; then only a display remains. Source: R4 references.html#logical.
    """
    copied: Resource = copy_tree(resource)
    for reference in _references(copied):
        identifier = logical.get(reference["reference"])
        if identifier is None:
            continue
        del reference["reference"]
        if identifier:
            reference["identifier"] = copy_tree(identifier)
        else:
            reference.setdefault("display", "not available here")
    return copied
