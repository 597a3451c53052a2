"""Document -> FHIR: one transaction Bundle whose entries create each resource once.

Every entry has the resource's deterministic id as `urn:uuid:` fullUrl and a conditional create on
its business identifier, so that sending the Bundle again creates nothing (R4 http.html#ccreate). A
type without identifiers (Provenance) is put under its id instead (R4 http.html#upsert).
"""

from urllib.parse import quote

from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.model import PackStamp, ToFhir
from fhirbridge.conversion.presentation import (
    DEFAULT_USCORE,
    Presentation,
    Presented,
    explanations,
)
from fhirbridge.fhir.definitions import definitions
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.compiler import EncodedResource, Mapping
from fhirbridge.mapping.lineage import Explanation
from fhirbridge.native.documents import Document


def to_fhir(
    document: Document,
    mapping: Mapping,
    identity: Identity,
    *,
    explain: bool = False,
    uscore_version: str = DEFAULT_USCORE,
) -> ToFhir:
    """Convert a loaded document. Warnings of loading it are the caller's to add.

    Each resource claims the US Core profiles that it satisfies in `uscore_version` (`none`: no
    claims), and has a text.
    """
    encoded = mapping.encode(document.data, identity.namespace, trace=explain)
    presentation = Presentation(
        (
            Presented(item.instance.reference, item.resource, item.instance.entry.content_class)
            for item in encoded.resources
        ),
        uscore_version,
    )
    entries: list[JsonObject] = []
    lineage: list[Explanation] = []
    for item in encoded.resources:
        entry = item.instance.entry
        resource = presentation.present(item.resource, entry.content_class)
        entries.append(_entry(item, resource, mapping))
        if explain:
            lineage += [*item.explanations, *explanations(resource, entry)]
    bundle: Resource = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    named = {
        f"{item.instance.entry.type}/{item.instance.resource_id}": item.instance.entry.name
        for item in encoded.resources
    }
    return ToFhir(bundle, encoded.issues, tuple(lineage), stamp(mapping), named, presentation)


def stamp(mapping: Mapping) -> PackStamp:
    """Which pack and code tables a mapping is made of."""
    pack = mapping.pack
    editions = sorted({f"{table.edition} {table.date}" for table in pack.tables.values()})
    return PackStamp(pack.name, pack.version, pack.hash, tuple(editions))


def _entry(item: EncodedResource, resource: Resource, mapping: Mapping) -> JsonObject:
    resource_type = item.instance.entry.type
    request: JsonObject = {"method": "POST", "url": resource_type}
    token = business_identifier(item, mapping)
    if definitions().resolve(resource_type, ("identifier",)) is None:
        request = {"method": "PUT", "url": f"{resource_type}/{item.instance.resource_id}"}
    elif token:
        request["ifNoneExist"] = f"identifier={token}"
    return {
        "fullUrl": item.instance.reference,
        "resource": resource,
        "request": request,
    }


def business_identifier(item: EncodedResource, mapping: Mapping) -> str:
    """`system|value` of the identifier that carries the key, percent-escaped for a URL."""
    template = mapping.compiled[item.instance.entry.name].template
    if template.key_leaf is None:
        return ""
    system = template.key_system
    for identifier in _identifiers(item.resource.get("identifier")):
        if identifier.get("value") and (not system or identifier.get("system") == system):
            space = quote(str(identifier.get("system", "")), safe=":/")
            return f"{space}|{quote(str(identifier['value']), safe='/')}"
    return ""


def _identifiers(value: Json) -> list[JsonObject]:
    if isinstance(value, dict):
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
