"""What is left of a resource for somebody who may not see all of it.

Elements of withheld classes, references to withheld resources and contained ones go; the narrative
is told again from what remains. What would not be a valid resource any more is dropped whole.
Source: design.md section 9; R4 narrative.html
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fhirbridge.consent.classes import (
    CLASSES,
    TYPE_CLASSES,
    content_class,
    element_classes,
    everywhere,
    parts,
    reference_class,
)
from fhirbridge.fhir import references
from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.narrative import narrate
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Json, JsonObject, Resource

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


def redact(resource: Resource, view: View, *, of_class: str) -> Resource | None:
    """The resource itself, a smaller one, or None where nothing valid is left.

    `of_class` is the class of the resource, which is permitted.
    """
    resource_type = str(resource["resourceType"])
    hidden = _hidden_contained(resource, view)
    withheld = frozenset(
        name for name, each in everywhere(of_class).items() if not view.permits(each)
    )
    kept = _without_names(resource, withheld) if _has_any(resource, withheld) else resource
    kept = _without_elements(kept, element_classes(resource_type, of_class), view)
    if hidden:
        inside = [each for each in kept["contained"] if f"#{each.get('id')}" not in hidden]
        kept = {name: value for name, value in kept.items() if name != "contained"}
        kept = {**kept, "contained": inside} if inside else kept
    if view.is_limited:
        kept = _without_inner(kept, view)
    # The actors of a Consent are mostly names, and to whom it permits something sees all of it.
    is_consent = resource_type == "Consent"
    stripped = _Stripping(view, hidden, keeps_unclear=is_consent).strip(kept, resource_type)
    if stripped is None:
        return None
    if view.is_limited and resource_type == "Composition":
        stripped = _without_section_texts(stripped)
    # A text of ours is valid, so that only what was taken out can make the rest invalid.
    if stripped is not resource and any(issue.is_error for issue in check(stripped)):
        return None
    if "text" in stripped and (view.is_limited or stripped is not resource):
        return {**stripped, "text": narrate(stripped)}
    return stripped


def removed_elements(before: Resource, after: Resource) -> Mapping[str, Json]:
    """Top-level elements of which something is missing, as they were; the text is no loss."""
    return {
        name: value
        for name, value in before.items()
        if name not in ("text", "meta") and after.get(name) != value
    }


def _without_elements(resource: Resource, classes: Mapping[str, str], view: View) -> Resource:
    kept = resource
    for place, of_element in classes.items():
        if view.permits(of_element):
            continue
        name, _, inner = place.partition(".")
        name, _, url_end = name.partition(":")
        if name not in kept and f"_{name}" not in kept:
            continue
        if not inner and not url_end:
            kept = {key: value for key, value in kept.items() if key not in (name, f"_{name}")}
            continue
        items = [_item_without(item, inner, url_end) for item in kept[name]]
        left = [item for item in items if item]
        if left == kept[name]:
            continue
        rest = {key: value for key, value in kept.items() if key != name}
        kept = {**rest, name: left} if left else rest
    return kept


def _has_any(resource: Resource, names: frozenset[str]) -> bool:
    """Whether elements of these names are there, at any depth."""
    if not names:
        return False
    names |= {f"_{name}" for name in names}
    waiting: list[Json] = [resource]
    for node in waiting:  # which grows
        if isinstance(node, dict):
            if not names.isdisjoint(node):
                return True
            node = node.values()
        waiting += [child for child in node if isinstance(child, dict | list)]
    return False


def _without_names(value: Json, names: frozenset[str]) -> Json:
    """The value without elements of these names at any depth; itself if there are none."""
    if isinstance(value, list):
        items = [_without_names(item, names) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if not isinstance(value, dict):
        return value
    kept = {
        name: child if name == "meta" else _without_names(child, names)
        for name, child in value.items()
        if name.removeprefix("_") not in names
    }
    same = kept.keys() == value.keys() and all(kept[name] is value[name] for name in kept)
    return value if same else kept


def _item_without(item: Json, inner: str, url_end: str) -> Json:
    if not isinstance(item, dict):
        return item
    if url_end:
        return None if str(item.get("url", "")).endswith(f"/{url_end}") else item
    return {key: value for key, value in item.items() if key not in (inner, f"_{inner}")}


def _hidden_contained(resource: Resource, view: View) -> frozenset[str]:
    contained = resource.get("contained")
    return frozenset(
        f"#{each.get('id')}"
        for each in (contained if isinstance(contained, list) else ())
        if isinstance(each, dict) and not _may_be_contained(each, view)
    )


def _without_inner(resource: Resource, view: View) -> Resource:
    """The resources inside of one, each without what it would lose alone."""
    kept = resource
    if kept.get("contained"):
        kept = {**kept, "contained": [_inner(each, view) for each in kept["contained"]]}
    if kept["resourceType"] == "Bundle" and kept.get("entry"):
        entries = [_entry(each, view) for each in kept["entry"]]
        kept = {**kept, "entry": [each for each in entries if each is not None]}
    return resource if kept == resource else kept


def _inner(contained: Resource, view: View) -> Resource:
    of_class = content_class(contained)
    kept = _without_elements(
        contained, element_classes(str(contained["resourceType"]), of_class), view
    )
    return {name: value for name, value in kept.items() if name != "text"}


def _entry(entry: JsonObject, view: View) -> JsonObject | None:
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        return entry
    kept = redact(resource, view, of_class=content_class(resource))
    return None if kept is None else {**entry, "resource": kept}


def _may_be_contained(contained: Resource, view: View) -> bool:
    of_class = content_class(contained)
    return of_class == "directory" or view.permits(of_class)


def _without_section_texts(composition: Resource) -> Resource:
    """A section's text tells of all its entries, so it goes; empty sections go with it."""

    def bare(section: JsonObject) -> JsonObject | None:
        kept = {name: value for name, value in section.items() if name not in ("text", "section")}
        inner = [found for each in section.get("section", ()) if (found := bare(each))]
        if inner:
            kept["section"] = inner
        return kept if inner or kept.get("entry") else None

    sections = [found for each in composition.get("section", ()) if (found := bare(each))]
    rest = {name: value for name, value in composition.items() if name != "section"}
    return {**rest, "section": sections} if sections else rest


class _Stripping:
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
