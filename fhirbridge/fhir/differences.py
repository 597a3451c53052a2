"""Where two versions of a resource differ: element paths without values."""

from collections.abc import Iterator

from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Json, Resource


def differences(one: Resource, other: Resource) -> list[str]:
    """FHIRPaths of the elements that differ, in the order of the resources.

    Lists are compared item by item; where items were added or removed, the list is named.
    What the server sets (`id`, `meta.versionId`, `meta.lastUpdated`) does not count.
    """
    return list(dict.fromkeys(_object(_bare(one), _bare(other), str(other["resourceType"]))))


def _bare(resource: Resource) -> Resource:
    hidden = ("versionId", "lastUpdated")
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in hidden}
    return {**{k: v for k, v in resource.items() if k != "id"}, "meta": meta}


def _object(one: Resource, other: Resource, path: str) -> Iterator[str]:
    for name in dict.fromkeys((*one, *other)):
        # the companion of a primitive belongs to the element of that name
        below = f"{path}.{name.removeprefix('_')}"
        yield from _value(one.get(name), other.get(name), below)


def _value(one: Json, other: Json, path: str) -> Iterator[str]:
    if wire.canonical(one) == wire.canonical(other):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        yield from _object(one, other, path)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for position, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _value(left, right, f"{path}[{position}]")
    else:
        yield path
