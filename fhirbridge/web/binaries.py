"""Binary as what it holds: raw content in and out under its own Content-Type.

Whoever does not ask for a FHIR format reads the content itself; what is written under another
type than a FHIR format is content too.
Source: R4 binary.html#rest
"""

import base64
import re
from collections.abc import Mapping
from types import MappingProxyType

from fhirbridge.errors import BridgeError, Issue, TooLarge
from fhirbridge.fhir import wire, xml
from fhirbridge.interactions.messages import Pairs
from fhirbridge.interactions.supported import Route
from fhirbridge.jsontypes import Resource
from fhirbridge.web import negotiation

_READS = frozenset({"read", "vread"})
_WRITES = frozenset({"create", "update", "conditional_update"})
_ANY = "application/octet-stream"
_PRINTABLE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

# Content that somebody stored here must not act in a browser as if it were ours.
_HARMLESS: Mapping[str, str] = MappingProxyType(
    {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}
)


def wants_content(route: Route, accept: str, query: Pairs) -> bool:
    """True for a read of a Binary that asks for no FHIR format, neither first nor by `_format`."""
    if route.resource_type != "Binary" or route.interaction.name not in _READS or query:
        return False
    return not negotiation.prefers_fhir(accept)


def is_content(route: Route) -> bool:
    """True for a write of a Binary, whose body may be content."""
    return route.resource_type == "Binary" and route.interaction.name in _WRITES


def read(
    body: bytes, content_type: str, route: Route, *, security_context: str, max_bytes: int
) -> Resource:
    """The Binary that a body is or is the content of.

    `security_context` is the header X-Security-Context, "" if it was not sent. Raises
    InvalidContent for a body that claims to be FHIR and cannot be read, TooLarge above `max_bytes`.
    """
    if len(body) > max_bytes:
        raise TooLarge(
            Issue("too-long", f"The body is larger than the limit of {max_bytes} bytes.")
        )
    media_type = content_type.partition(";")[0].strip().lower()
    if negotiation.is_fhir(media_type):
        found = _resource(body, media_type, max_bytes)
        if found is not None:
            return found
    resource: Resource = {"resourceType": "Binary"}
    if route.resource_id:
        resource["id"] = route.resource_id
    resource["contentType"] = " ".join(content_type.split())
    if security_context.strip():
        resource["securityContext"] = {"reference": security_context.strip()}
    resource["data"] = base64.b64encode(body).decode()
    return resource


def _resource(body: bytes, media_type: str, max_bytes: int) -> Resource | None:
    """The body, if it is a Binary in a FHIR format; other JSON and XML is content as well."""
    parse = xml.parse if "xml" in media_type else wire.parse
    try:
        found = parse(body, max_bytes=max_bytes)
    except BridgeError:
        if "fhir" in media_type:
            raise
        return None
    return found if found.get("resourceType") == "Binary" else None


def content_of(binary: Resource) -> bytes:
    """The bytes that a Binary holds."""
    return base64.b64decode(binary.get("data", ""))


def headers_of(binary: Resource) -> dict[str, str]:
    """What goes with the content: its type, and on whose behalf it is protected."""
    content_type = binary.get("contentType", _ANY)
    found = {
        "Content-Type": content_type if _PRINTABLE.fullmatch(content_type) else _ANY,
        **_HARMLESS,
    }
    reference = binary.get("securityContext", {}).get("reference", "")
    if _PRINTABLE.fullmatch(reference):
        found["X-Security-Context"] = reference
    return found
