"""FHIR -> document: the same mapping, read the other way."""

from collections.abc import Iterable

from fhirbridge.conversion.model import ToNative
from fhirbridge.conversion.to_fhir import stamp
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.mapping.assembly import decode
from fhirbridge.mapping.check import excused
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.merging import sort_keyed


def to_native(bundle: Resource, mapping: Mapping) -> ToNative:
    """Read a Bundle (any type) into a document. What cannot be represented is in `issues`."""
    return resources_to_native(_pairs(bundle), mapping)


def resources_to_native(pairs: Iterable[tuple[str, Resource]], mapping: Mapping) -> ToNative:
    """The same from `(fullUrl, resource)` pairs."""
    decoded = decode(mapping, pairs)
    document = sort_keyed(decoded.document, mapping.shape)
    return ToNative(document, decoded.issues, stamp(mapping))


def round_trippable(document: JsonObject, mapping: Mapping) -> JsonObject:
    """The document without exactly those fields that the pack excuses with a reason."""
    return {name: value for name, value in document.items() if not excused(mapping.pack, name)}


def _pairs(bundle: Resource) -> list[tuple[str, Resource]]:
    """Full URL and resource of each entry; an entry without one (a deletion) keeps its place, so
    that it is listed like a resource that no rule takes."""
    if bundle.get("resourceType") != "Bundle":
        return [("", bundle)]
    entries = [entry if isinstance(entry, dict) else {} for entry in bundle.get("entry", ())]
    return [
        (str(entry.get("fullUrl", "")), resource if isinstance(resource, dict) else {})
        for entry in entries
        for resource in (entry.get("resource"),)
    ]
