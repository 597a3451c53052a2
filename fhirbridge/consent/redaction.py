"""What is left of a resource for somebody who may not see all of it.

Elements of withheld classes, references to withheld resources and contained ones go; the narrative
is told again from what remains. What would not be a valid resource any more is dropped whole.
Source: design.md section 9; R4 narrative.html
"""

from collections.abc import Mapping

from fhirbridge.consent.classes import content_class, element_classes, everywhere
from fhirbridge.consent.stripping import Stripping, View
from fhirbridge.fhir.narrative import narrate
from fhirbridge.fhir.validation import check
from fhirbridge.jsontypes import Json, JsonObject, Resource


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
    stripped = Stripping(view, hidden, keeps_unclear=is_consent).strip(kept, resource_type)
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
