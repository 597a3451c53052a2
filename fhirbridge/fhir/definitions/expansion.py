"""Expands the value sets of required bindings, for `extract.py`.

Only what can be listed from the CodeSystems of the package is expanded; a value set that needs
SNOMED CT, LOINC, media types or languages is left out, and its binding is then not enforced.
Source: R4 valueset.html#compositions, valueset.html#expansion
"""

from collections.abc import Iterable, Iterator

from fhirbridge.jsontypes import JsonObject


class CannotExpand(Exception):
    """A value set holds something that cannot be listed from this package."""


class Terminology:
    """The CodeSystems and ValueSets of the package, by canonical URL."""

    def __init__(self, resources: Iterable[JsonObject]) -> None:
        self._code_systems: dict[str, JsonObject] = {}
        self._value_sets: dict[str, JsonObject] = {}
        for resource in resources:
            if resource["resourceType"] == "CodeSystem":
                self._code_systems.setdefault(resource["url"], resource)
            elif resource["resourceType"] == "ValueSet":
                self._value_sets.setdefault(resource["url"], resource)

    def expand_all(self, urls: Iterable[str]) -> JsonObject:
        """URL -> code system -> codes, for the value sets that can be listed."""
        expanded: JsonObject = {}
        for url in sorted(urls):
            try:
                pairs = self.expand(url)
            except CannotExpand:
                continue
            by_system: dict[str, list[str]] = {}
            for system, code in pairs:
                by_system.setdefault(system, []).append(code)
            expanded[url] = by_system
        return expanded

    def expand(self, url: str) -> dict[tuple[str, str], None]:
        """The (system, code) pairs of a value set, in order. Raises CannotExpand."""
        value_set = self._value_sets.get(url.split("|")[0])
        if value_set is None or "compose" not in value_set:
            raise CannotExpand(url)
        compose = value_set["compose"]
        found: dict[tuple[str, str], None] = {}
        for include in compose["include"]:
            found.update(self._include(include))
        for exclude in compose.get("exclude", []):
            for pair in self._include(exclude):
                found.pop(pair, None)
        return found

    def _include(self, include: JsonObject) -> dict[tuple[str, str], None]:
        own: dict[tuple[str, str], None] | None = None
        if "system" in include:
            system = include["system"]
            if "concept" in include:
                codes: Iterable[str] = [concept["code"] for concept in include["concept"]]
            else:
                codes = self._filtered(system, include.get("filter", []))
            own = {(system, code): None for code in codes}
        for url in include.get("valueSet", []):
            imported = self.expand(url)
            own = imported if own is None else {pair: None for pair in own if pair in imported}
        if own is None:
            raise CannotExpand("an include without system and value set")
        return own

    def _filtered(self, system: str, filters: list[JsonObject]) -> list[str]:
        code_system = self._code_systems.get(system)
        if code_system is None or code_system.get("content") != "complete":
            raise CannotExpand(system)
        concepts = list(_concepts(code_system.get("concept", []), None))
        parents = {concept["code"]: _parents(concept, above) for concept, above in concepts}
        codes = [concept["code"] for concept, _ in concepts if not _is_abstract(concept)]
        for condition in filters:
            operator, value = condition["op"], condition["value"]
            if condition["property"] != "concept" or operator not in ("is-a", "descendent-of"):
                raise CannotExpand(operator)
            codes = [
                code
                for code in codes
                if (operator == "is-a" and code == value) or value in _ancestors(code, parents)
            ]
        return codes


def _concepts(
    concepts: list[JsonObject], above: str | None
) -> Iterator[tuple[JsonObject, str | None]]:
    """Each concept with the code of the one that it is nested in."""
    for concept in concepts:
        yield concept, above
        yield from _concepts(concept.get("concept", []), concept["code"])


def _parents(concept: JsonObject, above: str | None) -> list[str]:
    """The parent by nesting, and those by property, as the V3 code systems have them."""
    named = [
        prop["valueCode"]
        for prop in concept.get("property", [])
        if prop["code"] in ("subsumedBy", "parent") and "valueCode" in prop
    ]
    return named if above is None else [above, *named]


def _ancestors(code: str, parents: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(parents.get(code, []))
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting.extend(parents.get(parent, []))
    return found


def _is_abstract(concept: JsonObject) -> bool:
    return any(
        prop["code"] in ("notSelectable", "abstract") and prop.get("valueBoolean") is True
        for prop in concept.get("property", [])
    )
