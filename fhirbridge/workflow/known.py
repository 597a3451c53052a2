"""Under what keys a Task or an Appointment of our server speaks about a handoff.

Source: domain.md 1.5 (Task.focus, identifiers PLAC and FILL), R4 appointment.html#basedOn
"""

from collections.abc import Iterable, Iterator

from fhirbridge.fhir import references
from fhirbridge.jsontypes import Resource

# the handoffs whose partner has yet to be told of a withdrawal
UNTOLD = "untold withdrawal"


def tokens(resource: Resource) -> Iterator[str]:
    """`system|value` of each identifier."""
    for one in resource.get("identifier") or []:
        if isinstance(one, dict) and one.get("value"):
            yield f"{one.get('system') or ''}|{one['value']}"


def orders(resource: Resource, prefix: str = "order", *, bases: Iterable[str]) -> list[str]:
    """A key for each order of the server at these URLs that an Appointment is based on."""
    found = []
    for one in resource.get("basedOn") or []:
        target = references.parse(str(one.get("reference") or "") if isinstance(one, dict) else "")
        if target.resource_id and any(references.is_local(target, base) for base in ("", *bases)):
            found.append(f"{prefix} {references.write(target.resource_type, target.resource_id)}")
    return found


def disputed(reference: str) -> str:
    """The key of what somebody wrote who is no party to the handoff: it moves nothing."""
    return f"not {reference}"
