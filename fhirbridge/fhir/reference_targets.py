"""Which type of resource a Reference points to, as far as its text says so.

Source: R4 references.html
"""

import re

from fhirbridge.jsontypes import Json, Resource

_REFERENCE = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?$")


def reference_type(reference: Json, resource: Resource) -> str:
    """The resource type that a Reference points to as far as it can be seen; "" otherwise."""
    if isinstance(reference, str):
        text: Json = reference
    elif isinstance(reference, dict):
        text = reference.get("reference")
    else:
        return ""
    if isinstance(text, str):
        if text.startswith("#"):
            return _contained_type(text[1:], resource)
        match = _REFERENCE.search(text)
        if match:
            return match[1]
    found = reference.get("type") if isinstance(reference, dict) else None
    return found if isinstance(found, str) else ""


def _contained_type(resource_id: str, resource: Resource) -> str:
    for contained in resource.get("contained", ()):
        if isinstance(contained, dict) and contained.get("id") == resource_id:
            return str(contained.get("resourceType", ""))
    return ""
