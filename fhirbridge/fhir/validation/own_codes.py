"""Codes of our own code systems: a closed one takes only its codes, and no other system is ours.

The systems belong to the mapping packs, so the caller passes them in.
Source: R4 codesystem.html#4.8.3 (the system defines what its codes are)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fhirbridge.errors import Issue
from fhirbridge.fhir.validation.findings import MAX_ISSUES, Path, write
from fhirbridge.jsontypes import Json, Resource


@dataclass(frozen=True, slots=True)
class OwnCodes:
    """The code systems under `prefix`: URL -> its codes; None where any code may stand."""

    prefix: str
    systems: Mapping[str, frozenset[str] | None]

    def accepts(self, system: str, code: Json) -> bool:
        """True for a code that its system has, and for systems of others."""
        if not system.startswith(self.prefix):
            return True
        if system not in self.systems:
            return False
        codes = self.systems[system]
        return codes is None or code is None or code in codes


def check_own_codes(resource: Resource, own: OwnCodes) -> list[Issue]:
    """All codings in a system of ours whose code it does not have (code `business-rule`: 422)."""
    if not _is_wrong(resource, own):
        return []
    root: Path = (None, str(resource.get("resourceType")))
    issues = []
    for place, system in _places(resource, own, root):
        if system in own.systems:
            text = f"The code system {system} has no such code."
        else:
            text = f"There is no such code system under {own.prefix}."
        issues.append(Issue("business-rule", text, expression=(write(place),), rule="own-code"))
        if len(issues) >= MAX_ISSUES:
            break
    return issues


def _is_wrong(resource: Resource, own: OwnCodes) -> bool:
    """True if there is such a coding somewhere; fast, because nearly always there is none."""
    waiting: list[Json] = [resource]
    for node in waiting:  # which grows
        if type(node) is dict:
            system = node.get("system")
            if type(system) is str and "code" in node and not own.accepts(system, node["code"]):
                return True
            node = node.values()
        for child in node:
            if type(child) is dict or type(child) is list:
                waiting.append(child)
    return False


def _places(value: Json, own: OwnCodes, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, dict):
        system = value.get("system")
        if isinstance(system, str) and "code" in value and not own.accepts(system, value["code"]):
            yield (path, "code"), system
        for name, item in value.items():
            if not isinstance(item, str):
                yield from _places(item, own, (path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if not isinstance(item, str):
                yield from _places(item, own, (path, index))
