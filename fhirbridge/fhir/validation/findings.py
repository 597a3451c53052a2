"""Where a fault is, and the list of faults that a check fills.

A place is a chain of steps that costs next to nothing; it becomes a FHIRPath only for a fault.
Source: R4 fhirpath.html#simple
"""

import re
from typing import TypeAlias

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Resource

# A step is a name, or an index into the list that its parent names.
Path: TypeAlias = tuple["Path | None", str | int]

MAX_ISSUES = 1000
_SAFE_NAME = re.compile(r"_?[A-Za-z][A-Za-z0-9]{0,63}")


class TooManyIssues(Exception):
    """Enough was found; a body with a thousand faults needs no longer list."""


class Findings:
    """The issues found so far, and the resource whose elements are being checked.

    `container` is the innermost resource that is not contained: what `#id` refers to.
    """

    __slots__ = ("container", "issues")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.container: Resource = {}

    def add(self, code: str, diagnostics: str, path: Path, *, rule: str = "") -> None:
        """Add an error at a place. Raises TooManyIssues at the thousandth."""
        self.issues.append(Issue(code, diagnostics, expression=(write(path),), rule=rule or code))
        if len(self.issues) >= MAX_ISSUES:
            raise TooManyIssues


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
