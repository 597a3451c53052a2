"""Build and read Bundles: transaction, batch, their responses, searchset, history.

Source: R4 bundle.html, http.html#transaction, http.html#history, search.html#summary
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from fhirbridge.fhir import references, wire
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.records import record

SearchMode = Literal["match", "include", "outcome"]


@record()
class BundleEntry:
    """An entry as it is read: its place, its fullUrl ("" if none), resource and request."""

    index: int
    full_url: str
    resource: Resource | None
    request: JsonObject


def create_entry(resource: Resource, *, full_url: str, if_none_exist: str = "") -> JsonObject:
    """A transaction entry that creates, or finds by `if_none_exist` (`identifier=system|value`)."""
    request = {"method": "POST", "url": resource["resourceType"]}
    if if_none_exist:
        request["ifNoneExist"] = if_none_exist
    return {"fullUrl": full_url, "resource": resource, "request": request}


def update_entry(resource: Resource, *, full_url: str, if_match: str = "") -> JsonObject:
    """A transaction entry that updates the resource by its id."""
    request = {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}
    if if_match:
        request["ifMatch"] = if_match
    return {"fullUrl": full_url, "resource": resource, "request": request}


def transaction(entries: Iterable[JsonObject]) -> Resource:
    """A Bundle that a server stores as a whole or not at all."""
    return _bundle("transaction", entries)


def batch(entries: Iterable[JsonObject]) -> Resource:
    """A Bundle whose entries succeed or fail on their own."""
    return _bundle("batch", entries)


def response_entry(
    status: str,
    *,
    location: str = "",
    etag: str = "",
    last_modified: str = "",
    outcome: Json = None,
    resource: Json = None,
    full_url: str = "",
) -> JsonObject:
    """One answer in a batch-response or transaction-response. `status` is like `201 Created`."""
    response: JsonObject = {"status": status}
    if location:
        response["location"] = location
    if etag:
        response["etag"] = etag
    if last_modified:
        response["lastModified"] = last_modified
    if outcome is not None:
        response["outcome"] = outcome
    entry: JsonObject = {"fullUrl": full_url} if full_url else {}
    if resource is not None:
        entry["resource"] = resource
    entry["response"] = response
    return entry


def transaction_response(entries: Iterable[JsonObject]) -> Resource:
    """The answer to a transaction, its entries in the order of the request."""
    return _bundle("transaction-response", entries)


def batch_response(entries: Iterable[JsonObject]) -> Resource:
    """The answer to a batch, its entries in the order of the request."""
    return _bundle("batch-response", entries)


def search_entry(resource: Json, *, full_url: str, mode: SearchMode = "match") -> JsonObject:
    """One hit, include or outcome. `resource` may be the embedded bytes of `wire.embed`."""
    entry: JsonObject = {"fullUrl": full_url} if full_url else {}
    return {**entry, "resource": resource, "search": {"mode": mode}}


def searchset(
    entries: Iterable[JsonObject], *, links: Mapping[str, str], total: int | None = None
) -> Resource:
    """The answer to a search. `total` counts matches on all pages; None leaves it out."""
    return _bundle("searchset", entries, links=links, total=total)


def search_entry_text(content: bytes, *, full_url: str, mode: SearchMode = "match") -> bytes:
    """The text of `search_entry` for stored bytes, which are not looked at."""
    return b'{"fullUrl":%b,"resource":%b,"search":{"mode":"%b"}}' % (
        wire.dump(full_url),
        content,
        mode.encode(),
    )


def with_entries(bundle: Resource, entries: Iterable[bytes]) -> bytes:
    """The text of a Bundle that has no entries yet, with the texts of its entries."""
    listed = b",".join(entries)
    text = wire.dump(bundle)
    return text[:-1] + b',"entry":[' + listed + b"]}" if listed else text


def history_entry(
    *,
    full_url: str,
    method: str,
    url: str,
    status: str,
    etag: str,
    last_modified: str,
    resource: Json = None,
) -> JsonObject:
    """One version. A deletion has method DELETE and no resource."""
    entry: JsonObject = {"fullUrl": full_url}
    if resource is not None:
        entry["resource"] = resource
    entry["request"] = {"method": method, "url": url}
    entry["response"] = {"status": status, "etag": etag, "lastModified": last_modified}
    return entry


def history(
    entries: Iterable[JsonObject], *, links: Mapping[str, str], total: int | None = None
) -> Resource:
    """The answer to a history interaction, newest version first."""
    return _bundle("history", entries, links=links, total=total)


def _bundle(
    bundle_type: str,
    entries: Iterable[JsonObject],
    *,
    links: Mapping[str, str] | None = None,
    total: int | None = None,
) -> Resource:
    bundle: Resource = {"resourceType": "Bundle", "type": bundle_type}
    if total is not None:
        bundle["total"] = total
    if links:
        bundle["link"] = [{"relation": name, "url": url} for name, url in links.items()]
    listed = list(entries)
    if listed:  # R4 has no empty arrays
        bundle["entry"] = listed
    return bundle


def entries_of(bundle: Resource) -> Iterator[BundleEntry]:
    """The entries of a Bundle. What has the wrong JSON type is read as missing."""
    entries = bundle.get("entry")
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        content = entry if isinstance(entry, dict) else {}
        full_url = content.get("fullUrl")
        resource = content.get("resource")
        request = content.get("request")
        yield BundleEntry(
            index=index,
            full_url=full_url if isinstance(full_url, str) else "",
            resource=resource if isinstance(resource, dict) else None,
            request=request if isinstance(request, dict) else {},
        )


def resources_of(bundle: Resource, resource_type: str = "") -> list[Resource]:
    """The resources of a Bundle in order, all or those of one type."""
    return [
        entry.resource
        for entry in entries_of(bundle)
        if entry.resource is not None
        and (not resource_type or entry.resource.get("resourceType") == resource_type)
    ]


def resolve(bundle: Resource, reference: str, *, from_full_url: str = "") -> Resource | None:
    """The resource of the Bundle that a reference means; None if it is not there.

    An absolute URL or urn is compared with each fullUrl; a relative reference is first made
    absolute with the base of the RESTful fullUrl of the entry that holds it, and otherwise
    compared with type and id.

    Source: R4 bundle.html#references
    """
    wanted = references.parse(reference)
    target = reference.partition("#")[0]
    base = references.parse(from_full_url).base
    if wanted.kind == "relative" and base:
        target = references.write(wanted.resource_type, wanted.resource_id, base=base)
    for entry in entries_of(bundle):
        if entry.full_url and entry.full_url == target:
            return entry.resource
    if wanted.kind != "relative" or base:
        return None
    for entry in entries_of(bundle):
        resource = entry.resource
        if (
            resource is not None
            and resource.get("resourceType") == wanted.resource_type
            and resource.get("id") == wanted.resource_id
        ):
            return resource
    return None
