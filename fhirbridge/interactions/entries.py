"""The entries of a batch or transaction Bundle, read as requests.

Source: R4 bundle.html#Bundle.entry.request, http.html#transaction
"""

from dataclasses import replace

from fhirbridge.errors import BridgeError, InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, Preferences, parse_target
from fhirbridge.interactions.supported import Route, route
from fhirbridge.jsontypes import JsonObject
from fhirbridge.records import record

METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")

# element of Bundle.entry.request -> condition of a FhirRequest
_CONDITIONS = {
    "ifMatch": "if-match",
    "ifNoneMatch": "if-none-match",
    "ifModifiedSince": "if-modified-since",
    "ifNoneExist": "if-none-exist",
}
WITH_RESOURCE = frozenset({"create", "update", "conditional_update", "patch", "conditional_patch"})
_PHRASES = {
    200: "OK",
    201: "Created",
    204: "No Content",
    304: "Not Modified",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    422: "Unprocessable Entity",
    500: "Internal Server Error",
}


@record()
class Entry:
    """One entry: its place, its fullUrl ("" if none), and the request that it makes."""

    index: int
    full_url: str
    request: FhirRequest
    route: Route
    is_head: bool = False  # as GET, and answered without the body

    @property
    def place(self) -> str:
        """The FHIRPath of the entry."""
        return place_of(self.index)


def place_of(index: int) -> str:
    """The FHIRPath of an entry of the posted Bundle."""
    return f"Bundle.entry[{index}]"


def read_entry(entry: bundles.BundleEntry, preferences: Preferences) -> Entry:
    """Read one entry. Raises InvalidContent, NotFound or NotSupported if it asks for nothing."""
    method = entry.request.get("method")
    url = entry.request.get("url")
    if not isinstance(method, str) or not isinstance(url, str):
        raise InvalidContent(Issue("required", "The entry needs request.method and request.url."))
    if method not in METHODS:
        raise InvalidContent(
            Issue("not-supported", f"request.method must be one of {', '.join(METHODS)}.")
        )
    if url.startswith(("http:", "https:", "//")):
        raise InvalidContent(Issue("invalid", "request.url must be relative to the base address."))
    target = parse_target(url)
    conditions = {
        _CONDITIONS[name]: value
        for name, value in entry.request.items()
        if name in _CONDITIONS and isinstance(value, str)
    }
    request = FhirRequest(
        method="GET" if method == "HEAD" else method,
        path=target.path,
        query=target.query,
        resource=entry.resource,
        conditions=conditions,
        preferences=preferences,
    )
    found = route(request.method, request.path)
    if found.interaction.name == "bundle":
        raise InvalidContent(Issue("not-supported", "A Bundle cannot hold a batch request."))
    if entry.resource is None and found.interaction.name in WITH_RESOURCE:
        raise InvalidContent(Issue("required", f"An entry with {method} needs a resource."))
    return Entry(entry.index, entry.full_url, request, found, is_head=method == "HEAD")


def within(error: BridgeError, index: int) -> BridgeError:
    """The same error, its issues naming the entry and the place inside of it."""
    kind = type(error)
    return kind(*(in_entry(issue, index) for issue in error.issues))


def in_entry(issue: Issue, index: int) -> Issue:
    """The issue, naming the entry and the place inside of it."""
    place = place_of(index)
    return replace(
        issue,
        diagnostics=f"Entry {index}: {issue.diagnostics}",
        expression=tuple(_inside(place, path) for path in issue.expression) or (place,),
    )


def _inside(place: str, path: str) -> str:
    if path.startswith("Bundle.entry["):
        return path
    _, point, rest = path.partition(".")
    return f"{place}.resource.{rest}" if point else f"{place}.resource"


def respond(entry: Entry, response: FhirResponse, base: str) -> JsonObject:
    """The entry that answers one request of the Bundle."""
    if entry.is_head:
        response = replace(response, resource=None, content=b"", entries=())
    resource = response.resource
    outcome = None
    if isinstance(resource, dict) and resource.get("resourceType") == "OperationOutcome":
        resource, outcome = None, resource
    body = wire.embed(text) if (text := response.text) else resource
    address = response.location.partition("/_history/")[0]
    return bundles.response_entry(
        status_line(response.status),
        location=response.location,
        etag=response.etag,
        last_modified=response.last_updated,
        outcome=outcome,
        resource=body,
        full_url=f"{base}/{address}" if body is not None and address else "",
    )


def refuse(error: BridgeError) -> JsonObject:
    """The entry of a batch response that says what was wrong."""
    return bundles.response_entry(status_line(error.http_status), outcome=to_outcome(error.issues))


def status_line(status: int) -> str:
    """A status code with its words, e.g. `201 Created`."""
    phrase = _PHRASES.get(status)
    return f"{status} {phrase}" if phrase else str(status)
