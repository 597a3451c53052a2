"""Whether what a partner says has a form that can be read, by whatever way it came."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir.primitives import is_instant
from fhirbridge.fhir.shapes import misshapen
from fhirbridge.jsontypes import Resource

TYPES = ("Task", "Appointment")
GONE = "-gone"  # how the code of what a partner does not have any more ends
_MOST_ISSUES = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something is not taken in: a code, and a sentence without values of the record."""

    code: str
    reason: str


def unreadable(resource: Resource, place: str) -> Iterator[Issue]:
    """Why a Task or an Appointment cannot be read; nothing about what is not read here."""
    if resource.get("resourceType") not in TYPES:
        return
    yield from misshapen(resource, place)
    start = resource.get("start")
    if resource["resourceType"] == "Appointment" and start is not None and not is_instant(start):
        yield Issue("value", "This must be an instant.", expression=(f"{place}.start",))


def refuse(issues: Iterator[Issue]) -> None:
    """Raise InvalidContent if there are any."""
    found = list(islice(issues, _MOST_ISSUES))
    if found:
        raise InvalidContent(*found)
