"""Hold a pack against the native shapes and the R4 definitions; all faults at once.

Checked when the program starts and by `mappings check`: paths exist, lists are lists, types fit the
codec, codes are in the required value sets, every native field is read by exactly one rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import Definitions, ElementInfo, definitions
from fhirbridge.jsontypes import NativeNode
from fhirbridge.mapping.compiler import build_template
from fhirbridge.mapping.expanders import EXPANDERS
from fhirbridge.mapping.model import MappingFault, Pack, Place, fault
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Slot, Template

# What a native kind may be written as without a codec.
_PLAIN: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string", "markdown"}),
    "markdown": frozenset({"string", "markdown"}),
    "code": frozenset({"code", "string", "uri", "markdown"}),
    "uri": frozenset({"uri", "url", "string"}),
    "integer": frozenset({"integer", "decimal"}),
    "decimal": frozenset({"decimal"}),
    "boolean": frozenset({"boolean"}),
    "date": frozenset({"date", "dateTime", "string"}),
    "datetime": frozenset({"dateTime", "instant", "string"}),
    "localdatetime": frozenset({"string", "dateTime"}),
    "time": frozenset({"string"}),
}


@dataclass(frozen=True, slots=True)
class Reader:
    """Where a native field is read from FHIR."""

    leaf: Leaf
    entry: str
    resource_type: str

    @property
    def home(self) -> str:
        """`carrier`, `extension` or `element`."""
        if self.resource_type == "QuestionnaireResponse":
            return "carrier"
        return "extension" if "xtension" in self.leaf.fhir_path else "element"


def check(pack: Pack, shape: NativeNode) -> list[Issue]:
    """All faults of a pack, each with file, line and rule; empty when it may run."""
    faults: list[Issue] = []
    templates: dict[str, Template] = {}
    for name, entry in pack.entries.items():
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
    for template in templates.values():
        faults.extend(_Types(pack, template, shape).faults())
        faults.extend(_items(template))
    if len(templates) == len(pack.entries):
        faults.extend(_coverage_faults(pack, shape, templates))
    return faults


def readers(templates: Mapping[str, Template]) -> dict[str, list[Reader]]:
    """Native path -> the rules that decode reads it from."""
    found: dict[str, list[Reader]] = {}
    for name, template in templates.items():
        for leaf in template.leaves:
            if leaf.kind == "native" and leaf.rule.reads:
                path = native_text(leaf.trail)
                found.setdefault(path, []).append(Reader(leaf, name, template.entry.type))
    return found


def native_text(trail: tuple[str, ...]) -> str:
    """`("goals", "[]", "text")` as `goals[].text`."""
    return ".".join(trail).replace(".[]", "[]")


def leaves(node: NativeNode, path: str = "") -> Iterator[tuple[str, NativeNode]]:
    """All leaves of a native shape, with their paths."""
    if node.kind == "object":
        if not node.fields:  # a free object, such as `extra`
            yield path, node
        for name, child in node.fields.items():
            yield from leaves(child, f"{path}.{name}" if path else name)
    elif node.kind == "list" and node.item is not None:
        yield from leaves(node.item, f"{path}[]")
    else:
        yield path, node


def node_at(shape: NativeNode, trail: tuple[str, ...]) -> NativeNode | None:
    """The native node at a trail; None where there is none."""
    node: NativeNode | None = shape
    for step in trail:
        if node is None:
            return None
        node = node.item if step == "[]" else node.fields.get(step)
    return node


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
        elif len(found) > 1:
            first, second = found[0].leaf.rule, found[1].leaf.rule
            message = (
                f"{path} is also read by {first.name} ({first.place}); one of them needs copy."
            )
            yield fault(second.place, second.name, message)


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


class _Types:
    """The checks of one template against definitions and shape."""

    def __init__(self, pack: Pack, template: Template, shape: NativeNode) -> None:
        self._pack = pack
        self._template = template
        self._shape = shape
        self._definitions: Definitions = definitions()
        self._faults: list[Issue] = []

    def faults(self) -> list[Issue]:
        self._object(self._template.root, self._template.entry.type)
        anchor = self._template.entry
        trail = () if anchor.of == "." else tuple(anchor.of.replace("[]", ".[]").split("."))
        if node_at(self._shape, trail) is None:
            self._faults.append(
                fault(anchor.place, anchor.name, f"the document has no {anchor.of}.")
            )
        return self._faults

    def _object(self, node: ObjectNode, type_name: str) -> None:
        for name, child in node.children.items():
            info = self._definitions.resolve(type_name, (name,))
            if info is None:
                self._say(child, f"R4 has no element {name} in {type_name}.")
                continue
            if isinstance(child, ArrayNode):
                if not info.is_list:
                    self._say(
                        child, f"{node.path}.{name} is not a list in R4; write it without []."
                    )
                for slot in child.slots:
                    self._value(slot.item, info)
            else:
                many = isinstance(child, Leaf) and child.codec is not None and child.codec.many
                if info.is_list and not many and info.type != "Element":
                    self._say(child, f"{node.path}.{name} is a list in R4; write it with [].")
                self._value(child, info)

    def _value(self, child: Child, info: ElementInfo) -> None:
        if isinstance(child, ObjectNode):
            if info.is_primitive:
                self._say(child, f"{info.path} is a {info.type}, which has no elements.")
            else:
                self._object(child, info.children)
        elif isinstance(child, Leaf):
            if not info.is_primitive:
                self._say(child, f"{info.path} is a {info.type}; name one of its elements.")
            else:
                self._leaf(child, info)

    def _leaf(self, leaf: Leaf, info: ElementInfo) -> None:
        if leaf.kind == "const":
            if info.codes is not None and leaf.const not in info.codes:
                self._say(leaf, f"R4 does not allow this constant in {info.path}.")
            return
        if leaf.kind != "native":
            return
        rule = leaf.rule
        if info.codes is not None:
            wanted = (
                {row.fhir for row in leaf.codec.table.rows}
                if leaf.codec and leaf.codec.table
                else set()
            )
            if rule.absent:
                wanted.add(rule.absent)
            outside = wanted - info.codes
            if outside:
                self._say(leaf, f"R4 does not allow {', '.join(sorted(outside))} in {info.path}.")
        if any(step.startswith("(") for step in leaf.trail):
            return  # made by an expander
        node = node_at(self._shape, leaf.trail)
        if node is None:
            self._say(leaf, f"the document has no field {native_text(leaf.trail)}.")
        elif not (rule.copy or rule.direction == "encode"):
            self._fits(leaf, info, node)

    def _fits(self, leaf: Leaf, info: ElementInfo, node: NativeNode) -> None:
        codec = leaf.codec
        if codec is None:
            fits = node.codes and info.codes is not None and set(node.codes) <= info.codes
            if info.type not in _PLAIN.get(node.kind, frozenset()) and not fits:
                self._say(leaf, f"a native {node.kind} needs a codec to become a {info.type}.")
            elif info.codes is not None and not fits:
                self._say(leaf, f"{info.path} allows only codes of R4; use codec code TABLE.")
            return
        if codec.native_kinds and node.kind not in codec.native_kinds:
            self._say(leaf, f"codec {codec.name} does not take a native {node.kind}.")
        if codec.fhir_types and info.type not in codec.fhir_types:
            self._say(leaf, f"codec {codec.name} does not make a {info.type}.")
        if codec.table is not None and not codec.table.open:
            missing = [code for code in node.codes if code not in codec.table.forward]
            if not node.codes:
                self._say(
                    leaf, f"table {codec.table.name} must be open: the field allows any code."
                )
            elif missing:
                text = f"table {codec.table.name} has no row for {', '.join(missing)}."
                self._say(leaf, text)
            if not leaf.rule.carry and not leaf.rule.copy:
                self._reversible(leaf, node)

    def _reversible(self, leaf: Leaf, node: NativeNode) -> None:
        assert leaf.codec is not None and leaf.codec.table is not None  # noqa: S101
        table = leaf.codec.table
        lost = [
            code
            for code in node.codes
            if code in table.forward and table.reverse[table.forward[code].fhir].native != code
        ]
        if lost:
            text = f"the way back from table {table.name} loses {', '.join(lost)}; add carry."
            self._say(leaf, text)

    def _say(self, child: Child, message: str) -> None:
        rule = _a_rule(child)
        place, name = (
            (rule.rule.place, rule.rule.name) if rule else (self._template.entry.place, "")
        )
        self._faults.append(fault(Place(place.file, place.line, place.layer), name, message))


def _a_rule(child: Child) -> Leaf | None:
    """Some rule at or below a place, to point at."""
    if isinstance(child, Leaf):
        return child
    below = (
        child.children.values()
        if isinstance(child, ObjectNode)
        else [slot.item for slot in child.slots]
    )
    return next((leaf for leaf in map(_a_rule, below) if leaf is not None), None)
