"""Which resource of a bundle is which entry of a mapping.

First by our own identifiers, then by what `find` says: along a reference from a resource that is
already known, or by content. What nobody claims is listed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.mapping.model import ABSENT, PRESENT, Entry
from fhirbridge.mapping.paths import Segment, parse
from fhirbridge.mapping.selecting import Points, satisfies, values_at
from fhirbridge.mapping.template import ArrayNode, Leaf, ObjectNode, Slot, Template


@dataclass(frozen=True, slots=True)
class Found:
    """A resource and the entry that it belongs to."""

    entry: str
    position: int
    resource: Resource


@dataclass(frozen=True, slots=True)
class Matched:
    """All resources that have an entry, how references resolve, and what was left."""

    found: tuple[Found, ...]
    issues: tuple[Issue, ...]
    positions: Mapping[str, int]  # reference text -> position in the bundle
    points: Points


@dataclass(slots=True)
class _Search:
    entries: Mapping[str, Entry]
    resources: list[Resource]
    positions: dict[str, int]
    claimed: dict[int, str] = field(default_factory=dict)

    def points(self, reference: str, entry: str) -> bool:
        position = self.positions.get(reference)
        return position is not None and self.claimed.get(position) == entry

    def unclaimed(self, type_name: str) -> Iterator[int]:
        for position, resource in enumerate(self.resources):
            if position not in self.claimed and resource.get("resourceType") == type_name:
                yield position

    def claim(self, position: int, entry: Entry) -> bool:
        """Take a resource for an entry; a single anchor takes one only."""
        single = not entry.list_path and not entry.expand
        if single and entry.name in self.claimed.values():
            return False
        self.claimed[position] = entry.name
        return True


def classify(templates: Mapping[str, Template], pairs: list[tuple[str, Resource]]) -> Matched:
    """Give each `(fullUrl, resource)` its entry."""
    entries = {name: template.entry for name, template in templates.items()}
    search = _Search(entries, [resource for _, resource in pairs], _positions(pairs))
    for name, template in templates.items():
        for position in list(search.unclaimed(entries[name].type)):
            if _has_own_identifier(template, search.resources[position]):
                search.claim(position, entries[name])
    while _find_more(search):
        pass
    found = [
        Found(name, position, search.resources[position])
        for name in entries
        for position in sorted(p for p, n in search.claimed.items() if n == name)
    ]
    issues = [
        Issue(
            "not-supported",
            "No entry of the mapping takes this resource; it is not carried over.",
            "warning",
            (f"Bundle.entry[{position}].resource",),
        )
        for position in range(len(pairs))
        if position not in search.claimed
    ]
    return Matched(tuple(found), tuple(issues), search.positions, search.points)


def _positions(pairs: list[tuple[str, Resource]]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for position, (full_url, resource) in enumerate(pairs):
        names = [full_url] if full_url else []
        resource_id = resource.get("id")
        if resource_id:
            names += [f"{resource.get('resourceType')}/{resource_id}", f"urn:uuid:{resource_id}"]
        for name in names:
            positions.setdefault(name, position)
    return positions


def _has_own_identifier(template: Template, resource: Resource) -> bool:
    identifier = resource.get("identifier")
    node = template.root.children.get("identifier")
    leaf = template.key_leaf
    if leaf is None or identifier is None:
        return False
    if isinstance(node, ObjectNode) and isinstance(identifier, dict):
        constants = [child for child in node.children.values() if isinstance(child, Leaf)]
        return all(
            identifier.get(child.fhir_path.rsplit(".", 1)[-1]) == child.const
            for child in constants
            if child.kind == "const"
        )
    if isinstance(node, ArrayNode) and isinstance(identifier, list):
        slot = next((slot for slot in node.slots if _holds(slot, leaf)), None)
        return slot is not None and any(
            all(satisfies(item, constraint, _nowhere) for constraint in slot.constraints)
            for item in identifier
            if isinstance(item, dict) and "value" in item
        )
    return False


def _holds(slot: Slot, leaf: Leaf) -> bool:
    return isinstance(slot.item, ObjectNode) and leaf in slot.item.children.values()


def _nowhere(reference: str, entry: str) -> bool:
    return False


def _find_more(search: _Search) -> bool:
    progress = False
    for entry in search.entries.values():
        single = not entry.list_path and not entry.expand
        if entry.find is None or (single and entry.name in search.claimed.values()):
            continue
        finder: Callable[[_Search, Entry], Iterator[int]] = (
            _along if isinstance(entry.find, str) else _by_content
        )
        for position in list(finder(search, entry)):
            progress |= search.claim(position, entry)
    return progress


def _along(search: _Search, entry: Entry) -> Iterator[int]:
    """`plan.subject`: what the references of another entry's resources lead to."""
    assert isinstance(entry.find, str)  # noqa: S101
    start, *steps = parse(entry.find)
    path: tuple[Segment, ...] = tuple(steps)
    if not path or path[-1].name != "reference":
        path = (*path, Segment("reference"))
    for position, name in list(search.claimed.items()):
        if name != start.name:
            continue
        for reference in values_at(search.resources[position], path):
            target = search.positions.get(reference) if isinstance(reference, str) else None
            if target is None or target in search.claimed:
                continue
            if search.resources[target].get("resourceType") == entry.type:
                yield target


def _by_content(search: _Search, entry: Entry) -> Iterator[int]:
    assert isinstance(entry.find, Mapping)  # noqa: S101
    for position in list(search.unclaimed(entry.type)):
        resource = search.resources[position]
        if all(
            _condition(search, list(values_at(resource, parse(path))), wanted)
            for path, wanted in entry.find.items()
        ):
            yield position


def _condition(search: _Search, values: list[Json], wanted: str) -> bool:
    if wanted == ABSENT:
        return not values
    if wanted == PRESENT:
        return bool(values)
    if wanted in search.entries:
        return any(
            search.points(value.get("reference", ""), wanted)
            for value in values
            if isinstance(value, dict)
        )
    return any(wanted in _codes(value) for value in values)


def _codes(value: Json) -> set[Json]:
    if isinstance(value, dict):
        codings = value.get("coding", [])
        found = {coding.get("code") for coding in codings if isinstance(coding, dict)}
        return found | {value.get("code") if isinstance(value.get("code"), str) else None}
    return {value} if isinstance(value, str) else set()
