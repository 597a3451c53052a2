"""Where a fault is, and the list of faults that a check fills.

A place is a chain of steps that costs next to nothing; it becomes a FHIRPath only for a fault.
Source: R4 fhirpath.html#simple
"""

import re
from collections.abc import Callable
from typing import TypeAlias

from fhirbridge.errors import Issue
from fhirbridge.fhir.bundles import entries_of
from fhirbridge.jsontypes import Json, JsonObject

# A step is a name, or an index into the list that its parent names.
Path: TypeAlias = tuple["Path | None", str | int]

MAX_ISSUES = 1000
_SAFE_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


class TooManyIssues(Exception):
    """Enough was found; a body with a thousand faults needs no longer list."""


class Findings:
    """The issues found so far, and the resource whose elements are being checked.

    `container_type` is the type of the innermost resource that is not contained, `contained` the
    types of what it contains, by id: together they are what `#` and `#id` refer to. A type that
    is not said is "". `entries` holds the types of the innermost Bundle's resources by fullUrl.
    """

    __slots__ = ("contained", "container_type", "entries", "issues")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.container_type = ""
        self.contained: dict[str, str] = {}
        self.entries: dict[str, str] = {}

    def enter(self, resource: Json) -> None:
        """Make a resource the one that fragments, or the fullUrls of its entries, refer to."""
        self.container_type, self.contained = "", {}
        if not isinstance(resource, dict):
            return
        self.container_type = _type_of(resource)
        if self.container_type == "Bundle":
            self.entries = {
                entry.full_url: _type_of(entry.resource)
                for entry in entries_of(resource)
                if entry.full_url and entry.resource is not None
            }
        inner = resource.get("contained")
        for contained in inner if isinstance(inner, list) else ():
            if isinstance(contained, dict) and isinstance(contained.get("id"), str):
                self.contained[contained["id"]] = _type_of(contained)

    def add(self, code: str, diagnostics: str, path: Path, *, rule: str = "") -> None:
        """Add an error at a place. Raises TooManyIssues at the thousandth."""
        self.issues.append(Issue(code, diagnostics, expression=(write(path),), rule=rule or code))
        if len(self.issues) >= MAX_ISSUES:
            raise TooManyIssues


# Checks a value of one type: the value and its place.
TypeChecker: TypeAlias = Callable[[Json, Path, Findings], None]
# Checks one member of an object: its value, the object, the place of the object.
MemberChecker: TypeAlias = Callable[[Json, JsonObject, Path, Findings], None]


class Checker:
    """What checks a value of one type at a place."""

    __slots__ = ("check",)

    def __init__(self, check: TypeChecker) -> None:
        self.check = check


def is_filled_list(value: Json, path: Path, found: Findings) -> bool:
    """True for an array with items; anything else is reported."""
    if not isinstance(value, list):
        found.add("structure", "The element repeats, so it must be a JSON array.", path)
        return False
    if not value:
        found.add("structure", "An array must not be empty; leave it out instead.", path)
        return False
    return True


def _type_of(resource: JsonObject) -> str:
    resource_type = resource.get("resourceType")
    return resource_type if isinstance(resource_type, str) else ""


def write(path: Path) -> str:
    """The FHIRPath of a place: `CarePlan.activity[0].detail.status`."""
    steps: list[str] = []
    current: Path | None = path
    while current is not None:
        current, step = current
        steps.append(f"[{step}]" if isinstance(step, int) else f".{step}")
    return "".join(reversed(steps)).removeprefix(".")


def shown(name: str) -> str | None:
    """A name from the input if it is safe to repeat, None if it may hold a value."""
    return name if _SAFE_NAME.fullmatch(name) else None
