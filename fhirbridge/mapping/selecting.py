"""Read FHIR paths with selectors, and tell which slot of a list an item belongs to."""

from collections.abc import Callable, Iterator, Sequence

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.model import PRESENT
from fhirbridge.mapping.paths import Segment
from fhirbridge.mapping.template import ArrayNode, Constraint, Slot

Points = Callable[[str, str], bool]  # (reference, entry name) -> does it point there


def values_at(value: Json, segments: Sequence[Segment]) -> Iterator[Json]:
    """All values at a FHIR path; `[k=v]` filters, other brackets take every item."""
    if not segments:
        yield value
        return
    if not isinstance(value, dict):
        return
    head, rest = segments[0], segments[1:]
    found = value.get(head.name)
    for item in found if isinstance(found, list) else (found,):
        if item is None:
            continue
        selector = head.selector
        if selector and not (isinstance(item, dict) and item.get(selector[0]) == selector[1]):
            continue
        yield from values_at(item, rest)


def satisfies(item: Json, constraint: Constraint, points: Points) -> bool:
    """Whether a list item has what a slot asks for."""
    first = constraint.path[0] if len(constraint.path) == 1 else None
    if first is not None and first.bracket is None and not constraint.link:
        found = item.get(first.name) if isinstance(item, dict) else None
        if not isinstance(found, list):  # the usual case, and a list may have many slots
            return found is not None and constraint.value in (found, PRESENT)
    values = values_at(item, constraint.path)
    if constraint.link:
        return any(isinstance(value, str) and points(value, constraint.link) for value in values)
    if constraint.value == PRESENT:
        return next(values, None) is not None
    return any(value == constraint.value for value in values)


def slot_of(node: ArrayNode, item: Json, points: Points) -> Slot | None:
    """The slot of a list that an item belongs to: the one that asks for most."""
    for _, slot in node.ranked():
        if all(satisfies(item, constraint, points) for constraint in slot.constraints):
            return slot
    return None
