"""Hold a pack against the native shapes and the R4 definitions; all faults at once.

Checked when the program starts and by `mappings check`: paths exist, lists are lists, types fit the
codec, codes are in the required value sets, every native field is read by exactly one rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.validation.profiles import is_known
from fhirbridge.jsontypes import NativeNode
from fhirbridge.mapping.compiler import build_template
from fhirbridge.mapping.expanders import EXPANDERS
from fhirbridge.mapping.model import MappingFault, Pack, fault
from fhirbridge.mapping.native_paths import leaves, native_text, node_at
from fhirbridge.mapping.selections import group_of
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Slot, Template
from fhirbridge.mapping.type_check import TypeCheck


@dataclass(frozen=True, slots=True)
class Reader:
    """Where a native field is read from FHIR."""

    leaf: Leaf
    entry: str
    resource_type: str
    reason: str = ""  # why a QuestionnaireResponse is the proper home

    @property
    def home(self) -> str:
        """`carrier`, `extension` or `element`."""
        if self.resource_type == "QuestionnaireResponse" and not self.reason:
            return "carrier"
        return "extension" if "xtension" in self.leaf.fhir_path else "element"


def check(
    pack: Pack, shape: NativeNode, *, proven: Mapping[str, Template] | None = None
) -> list[Issue]:
    """All faults of a pack, each with file, line and rule; empty when it may run.

    `proven` are templates of entries that were checked before and have not changed.
    """
    return checked(pack, shape, proven=proven)[1]


def checked(
    pack: Pack, shape: NativeNode, *, proven: Mapping[str, Template] | None = None
) -> tuple[dict[str, Template], list[Issue]]:
    """The templates of a pack, ready to be compiled, and the faults that `check` tells."""
    faults: list[Issue] = []
    known = proven or {}
    templates: dict[str, Template] = dict(known)
    for name, entry in pack.entries.items():
        if name in known:
            continue
        if entry.type not in definitions().resource_types:
            faults.append(fault(entry.place, name, f"R4 has no resource type {entry.type}."))
            continue
        if entry.expand and entry.expand not in EXPANDERS:
            faults.append(fault(entry.place, name, f"there is no expander {entry.expand}."))
            continue
        try:
            templates[name] = build_template(pack, entry)
        except MappingFault as error:
            faults.extend(error.issues)
    for template in (template for name, template in templates.items() if name not in known):
        faults.extend(TypeCheck(pack, template, shape).faults())
        faults.extend(_items(template))
        faults.extend(_conditions(template, shape))
        faults.extend(_engine_made(template))
    if len(templates) == len(pack.entries):
        faults.extend(_coverage_faults(pack, shape, templates))
    return templates, faults


def readers(templates: Mapping[str, Template]) -> dict[str, list[Reader]]:
    """Native path -> the rules that decode reads it from."""
    found: dict[str, list[Reader]] = {}
    for name, template in templates.items():
        for leaf in template.leaves:
            if leaf.kind == "native" and leaf.rule.reads:
                path = native_text(leaf.trail)
                entry = template.entry
                found.setdefault(path, []).append(Reader(leaf, name, entry.type, entry.home))
    return found


def excused(pack: Pack, path: str) -> bool:
    """True for a path that the pack excuses, or that lies below one."""
    return any(path == name or path.startswith((f"{name}.", f"{name}[")) for name in pack.excused)


def _coverage_faults(
    pack: Pack, shape: NativeNode, templates: Mapping[str, Template]
) -> Iterator[Issue]:
    by_path = readers(templates)
    covered = {
        path
        for entry in pack.entries.values()
        if entry.expand
        for path in EXPANDERS[entry.expand].covers
    }
    for path, _ in leaves(shape):
        found = by_path.get(path, [])
        if excused(pack, path):
            if found:
                yield fault(
                    found[0].leaf.rule.place,
                    found[0].leaf.rule.name,
                    f"{path} is mapped and excused.",
                )
        elif path in covered:
            continue
        elif not found:
            yield fault(pack.place, "", f"no rule reads the native field {path}.")
        elif (within := {reader.leaf.rule.within for reader in found}) != {""}:
            if len(within) != len(found) or not group_of(within, path.rpartition(".")[2]):
                rule = found[0].leaf.rule
                message = f"{path} is read only where {rule.within}; the other items need a rule."
                yield fault(rule.place, rule.name, message)
        elif len(found) > 1:
            first, second = found[0].leaf.rule, found[1].leaf.rule
            message = (
                f"{path} is also read by {first.name} ({first.place}); one of them needs copy."
            )
            yield fault(second.place, second.name, message)


def _conditions(template: Template, shape: NativeNode) -> Iterator[Issue]:
    """An entry that exists only with some fields may read no others: they would be lost."""
    entry = template.entry
    if not entry.condition:
        return
    anchor = () if entry.of == "." else tuple(entry.of.replace("[]", ".[]").split("."))
    named = [(*anchor, *name.split(".")) for name in entry.condition.split("|")]
    for trail in named:
        if node_at(shape, trail) is None:
            yield fault(entry.place, entry.name, f"the document has no {native_text(trail)}.")
    for leaf in template.leaves:
        inside = any(leaf.trail[: len(trail)] == trail for trail in named)
        if leaf.kind == "native" and leaf.rule.reads and not inside:
            message = f"{native_text(leaf.trail)} is not among the fields of the entry's `if`."
            yield fault(leaf.rule.place, leaf.rule.name, message)


def _engine_made(template: Template) -> Iterator[Issue]:
    """Rules for what the engine writes itself: the text, and claims to US Core."""
    for leaf in template.leaves:
        is_text = leaf.fhir_path.startswith(f"{template.entry.type}.text.")
        if is_text or is_known(str(leaf.const)):
            message = "the engine writes text and claims to US Core itself."
            yield fault(leaf.rule.place, leaf.rule.name, message)


def _items(template: Template) -> Iterator[Issue]:
    """Lists in which an item could belong to two slots."""
    pending: list[Child] = [template.root]
    while pending:
        child = pending.pop()
        if isinstance(child, ObjectNode):
            pending.extend(child.children.values())
        elif isinstance(child, ArrayNode):
            pending.extend(slot.item for slot in child.slots)
            yield from _ambiguous(child)


def _ambiguous(array: ArrayNode) -> Iterator[Issue]:
    sole = next((slot for slot in array.slots if slot.kind == "sole"), None)
    for slot in array.slots:
        if slot.kind == "links" and sole is not None:
            message = (
                f"this link writes an item of {array.path} for each reference, and the rules on "
                f"{array.path}[] ({sole.place}) another item; give both a slice, or use each."
            )
            yield fault(slot.place, slot.label, message)
    marks: dict[frozenset[str], Slot] = {}
    for slot in array.slots:
        mark = frozenset(
            f"{'.'.join(map(str, c.path))} {c.link or c.value}" for c in slot.constraints
        )
        if slot.kind == "links" and not mark:
            mark = frozenset({f"links {slot.label}"})
        if mark in marks:
            other = marks[mark]
            message = (
                f"an item of {array.path} could belong to this rule and to "
                f"{other.label or 'another'} ({other.place}); "
                "give them slices or required constants that differ."
            )
            yield fault(slot.place, slot.label, message)
        marks[mark] = slot
