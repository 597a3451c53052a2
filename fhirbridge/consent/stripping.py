"""What somebody may see, and references to what is hidden taken out of a resource.

Source: design.md section 9 (references to what is withheld are removed)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fhirbridge.consent.classes import CLASSES, TYPE_CLASSES, parts, reference_class
from fhirbridge.fhir import references
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.jsontypes import Json, JsonObject

_NPI = "http://hl7.org/fhir/sid/us-npi"


@dataclass(frozen=True, slots=True)
class View:
    """What somebody may see: classes of content, and resources of this server by `Type/id`.

    `patients` are those whom the resource is about; a reference to them says nothing new.
    """

    classes: frozenset[str]
    sees: Callable[[str], bool]
    patients: frozenset[str]
    bases: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()  # texts of references, e.g. of entries that stay
    has_exceptions: bool = False  # single resources may be hidden, whatever their class

    def permits(self, content_class: str) -> bool:
        """True if every part of a class may be seen."""
        return self.classes.issuperset(parts(content_class))

    @property
    def is_limited(self) -> bool:
        """True if something may not be seen, be it in this resource or not."""
        return self.has_exceptions or not self.classes.issuperset(CLASSES)


class Stripping:
    """Takes references to what is hidden out of one resource."""

    def __init__(self, view: View, hidden: frozenset[str], *, keeps_unclear: bool) -> None:
        """`keeps_unclear`: also what only a name or a number tells of, whatever it may be."""
        self._view = view
        self._hidden = hidden
        self._keeps_unclear = keeps_unclear

    def strip(self, value: JsonObject, type_name: str) -> JsonObject | None:
        """The value without hidden references, itself if there is none; None if too little is left.

        What loses a required element, or everything, is left out with it.
        """
        known = definitions()
        if type_name not in known:
            return value
        elements = known.elements(type_name)
        kept: JsonObject = {}
        changed = False
        for name, child in value.items():
            if not isinstance(child, dict | list):
                kept[name] = child
                continue
            element = elements.get(name)
            new = child if element is None else self._child(child, element)
            changed = changed or new is not child
            if new is not None:
                kept[name] = new
        if not changed:
            return value
        is_top = type_name in known.resource_types
        return kept if _is_whole(kept, value, elements, is_top=is_top) else None

    def _child(self, child: Json, element: ElementInfo) -> Json:
        if not isinstance(child, list):
            return self._one(child, element)
        items = [self._one(item, element) for item in child]
        if all(new is old for new, old in zip(items, child, strict=True)):
            return child
        return [item for item in items if item is not None] or None

    def _one(self, value: Json, element: ElementInfo) -> Json:
        if not isinstance(value, dict):
            return value
        if element.type == "Reference":
            return self._reference(value, element.targets)
        if element.type == "Resource":
            return self.strip(value, str(value.get("resourceType")))
        return self.strip(value, element.children)

    def _reference(self, reference: JsonObject, targets: Sequence[str]) -> JsonObject | None:
        parsed = references.parse_element(reference)
        target = f"{parsed.resource_type}/{parsed.resource_id}"
        if parsed.text in self._view.hidden:
            return None
        if parsed.kind == "fragment":
            return None if parsed.text in self._hidden else reference
        if target in self._view.patients:
            return self._bare(reference)
        is_local = parsed.kind == "relative" or (
            parsed.kind == "absolute"
            and bool(parsed.resource_id)
            and parsed.base.rstrip("/") in self._view.bases
        )
        if is_local:
            return reference if self._view.sees(target) else None
        declared = parsed.resource_type or str(reference.get("type") or "")
        if declared:
            of_class = reference_class(declared)
            return reference if not of_class or self._view.permits(of_class) else None
        possible = _named_by(reference) or targets or tuple(TYPE_CLASSES)
        is_clear = self._keeps_unclear or parsed.text.startswith("urn:")  # an entry that stays
        return reference if is_clear or all(map(self._may_mean, possible)) else None

    def _may_mean(self, target_type: str) -> bool:
        """False if a name alone would tell of something withheld, should it be of this type."""
        of_class = set(parts(reference_class(target_type))).intersection(CLASSES)
        return self._view.classes.issuperset(of_class)

    def _bare(self, reference: JsonObject) -> JsonObject:
        """A reference to the patient, without the name where that may not be seen."""
        if self._view.permits("identity") or not reference.keys() - {"reference", "type"}:
            return reference
        return {name: value for name, value in reference.items() if name in ("reference", "type")}


def _named_by(reference: JsonObject) -> tuple[str, ...]:
    """What a reference without a type must mean, by its identifier; empty if that tells nothing."""
    identifier = reference.get("identifier")
    system = identifier.get("system") if isinstance(identifier, dict) else ""
    return ("Organization",) if system == _NPI else ()


def _is_whole(
    kept: JsonObject, before: JsonObject, elements: Mapping[str, ElementInfo], *, is_top: bool
) -> bool:
    """True if nothing went without which the rest means nothing.

    A required element, or, below the resource itself, a reference: an activity without its order,
    a participant without the person.
    """
    lost = [elements[name] for name in before.keys() - kept.keys() if name in elements]
    if any(element.min or (element.type == "Reference" and not is_top) for element in lost):
        return False
    return bool(kept.keys() - {"id", "extension", "resourceType"})
