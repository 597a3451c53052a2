"""Lay the rules of an entry out as a template.

Building finds the faults that need no outside knowledge: two rules on one place, unknown slices
and systems, wrong codecs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fhirbridge.jsontypes import Json
from fhirbridge.mapping import narrowing
from fhirbridge.mapping.codec import Codec
from fhirbridge.mapping.model import PRESENT, Entry, MappingFault, Pack, Rule
from fhirbridge.mapping.names import Names
from fhirbridge.mapping.paths import Segment, parse
from fhirbridge.mapping.template import (
    ArrayNode,
    Constraint,
    Leaf,
    LeafKind,
    ObjectNode,
    Slot,
    SlotKind,
    Template,
)


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where native paths start: the trail from the document, and conditions in force."""

    trail: tuple[str, ...]
    absolute: bool = False  # the trail is from the document, not from the anchor
    keys: frozenset[str] = frozenset()  # the fields that identify an item of it


class Builder:
    """Builds one entry's template; `trail_of` turns a path from the anchor into the document's."""

    def __init__(
        self, pack: Pack, entry: Entry, trail_of: Callable[[tuple[str, ...]], tuple[str, ...]]
    ) -> None:
        self._pack = pack
        self._entry = entry
        self._names = Names(pack, entry.type)
        self._trail_of = trail_of
        self._leaves: list[Leaf] = []
        self._key: tuple[Leaf, tuple[Segment, ...]] | None = None

    def build(self) -> Template:
        """Lay out all rules. Raises MappingFault at the first place that cannot be built."""
        root = ObjectNode(path=self._entry.type)
        names = (name for part in self._entry.key for name in part.split("|"))
        scope = _Scope((), keys=frozenset(names))
        for rule in self._entry.rules:
            self._add(root, rule, scope)
        narrowing.join(self._leaves)
        template = Template(self._entry, root, self._leaves)
        if self._key is not None:
            template.key_leaf, template.key_path = self._key
        return template

    # rules -------------------------------------------------------------------------------

    def _add(self, node: ObjectNode, rule: Rule, scope: _Scope) -> None:
        segments = self._names.parse(rule)
        if rule.form == "each":
            self._add_each(node, rule, segments, scope)
        elif rule.form == "link":
            self._add_link(node, rule, segments)
        elif rule.form == "const":
            const = self._names.constant(rule, segments)
            self._put(node, segments, self._leaf("const", rule, const=const), rule)
        else:
            self._add_native(node, rule, segments, scope)

    def _add_native(
        self, node: ObjectNode, rule: Rule, segments: tuple[Segment, ...], scope: _Scope
    ) -> None:
        codec = self._names.codec(rule)
        leaf = self._leaf("native", rule, codec=codec, scope=scope)
        copied = rule.copy and rule.native in scope.keys
        leaf.identifies = copied and codec is not None and codec.decode is not None
        parent = self._put(node, segments, leaf, rule)
        own = segments[0].name == "identifier" if segments else False
        if rule.codec == "key" and rule.reads and own and scope.trail == () and not self._key:
            self._key = (leaf, segments)
        if rule.carry:
            if codec is None or codec.table is None:
                raise MappingFault.at(rule.place, rule.name, "carry needs codec: code TABLE.")
            carrier = parse(f"extension[{rule.carry}].valueCoding")
            system = f"{self._pack.base}/CodeSystem/{codec.table.vocabulary}"
            carry = self._leaf("carry", rule, codec=codec, scope=scope)
            self._put(parent, (*carrier, Segment("code")), carry, rule)
            constant = self._leaf("const", rule, const=system)
            self._put(parent, (*carrier, Segment("system")), constant, rule)

    def _add_link(self, node: ObjectNode, rule: Rule, segments: tuple[Segment, ...]) -> None:
        targets = tuple(rule.link.replace(",", " ").split())
        for target in targets:
            if target not in self._pack.entries:
                raise MappingFault.at(
                    rule.place, rule.name, f"there is no entry {target} to link to."
                )
        leaf = self._leaf("link", rule, targets=targets)
        segments = (*segments, Segment("reference"))
        repeats = [i for i, segment in enumerate(segments) if segment.bracket == ""]
        if not repeats:
            self._put(node, segments, leaf, rule)
            return
        at = repeats[-1]
        parent = self._descend(node, segments[:at], rule)
        item = ObjectNode()
        constraints = [Constraint(segments[at + 1 :], link=target) for target in targets[:1]]
        if len(targets) > 1:
            constraints = []
        slot = Slot("links", rule.name, item, rule.place, constraints)
        slot.each = rule
        self._array(parent, segments[at], rule).slots.append(slot)
        self._put(item, segments[at + 1 :], leaf, rule)

    def _add_each(
        self, node: ObjectNode, rule: Rule, segments: tuple[Segment, ...], scope: _Scope
    ) -> None:
        if not rule.each.endswith("[]"):
            raise MappingFault.at(rule.place, rule.name, "each names a native list, ending in [].")
        brackets = [i for i, segment in enumerate(segments) if segment.bracket is not None]
        if not brackets:
            raise MappingFault.at(rule.place, rule.name, "the fhir path of each needs a list, a[].")
        at = brackets[-1]
        parent = self._descend(node, segments[:at], rule)
        array = self._array(parent, segments[at], rule)
        native = rule.each[:-2]
        absolute = native.startswith("/")
        if absolute and (self._entry.list_path or scope.trail or not rule.copy):
            message = "an each from the document's root needs copy, and an anchor that is no list."
            raise MappingFault.at(rule.place, rule.name, message)
        steps = native.removeprefix("/").split(".")
        trail = (*steps, "[]") if absolute else (*scope.trail, *steps, "[]")
        keys = frozenset({rule.key}) - {".", "ordered"} if rule.reads else frozenset()
        inner = _Scope(trail, absolute or scope.absolute, keys)
        rest = segments[at + 1 :]
        whole = [
            child for child in rule.rules if not self._names.parse(child) and child.form == "native"
        ]
        slot: Slot
        if whole and not rest:
            leaf = self._leaf_of(whole[0], inner)
            slot = Slot("each", rule.name, leaf, rule.place)
        else:
            item = ObjectNode(path=f"{array.path}")
            slot = Slot("each", rule.name, item, rule.place)
            self._select(slot, segments[at], rule, array)
            base = self._descend(item, rest, rule)
            for child in rule.rules:
                self._add(base, child, inner)
            slot.constraints.extend(self._item_constraints(rule, rest))
        slot.each, slot.native = rule, native
        slot.trail = trail if inner.absolute else self._trail_of(trail)
        array.slots.append(slot)

    def _item_constraints(self, rule: Rule, rest: tuple[Segment, ...]) -> Iterator[Constraint]:
        for child in rule.rules:
            segments = (*rest, *self._names.expand(parse(child.fhir), child))
            if child.form == "const" and child.required:
                yield Constraint(segments, value=self._names.constant(child, segments))
            elif (
                child.form == "native"
                and child.native == rule.key
                and (child.reads or not child.codec)  # a codec may leave a copy out
            ):
                yield Constraint(segments, value=PRESENT)

    def _leaf_of(self, rule: Rule, scope: _Scope) -> Leaf:
        holder = ObjectNode()
        self._add_native(holder, replace(rule, fhir="value"), (Segment("value"),), scope)
        leaf = holder.children["value"]
        assert isinstance(leaf, Leaf)  # noqa: S101
        return leaf

    # places ------------------------------------------------------------------------------

    def _leaf(
        self,
        kind: LeafKind,
        rule: Rule,
        *,
        codec: Codec | None = None,
        const: Json = None,
        targets: tuple[str, ...] = (),
        scope: _Scope | None = None,
    ) -> Leaf:
        absolute = rule.native.startswith("/")
        bare = rule.native.removeprefix("/")
        steps = () if bare in (".", "") else tuple(bare.split("."))
        trail: tuple[str, ...] = ()
        if scope is not None:
            inside = (*scope.trail, *steps)
            from_root = inside if scope.absolute else self._trail_of(inside)
            trail = steps if absolute else from_root
        leaf = Leaf(
            number=len(self._leaves),
            kind=kind,
            rule=rule,
            fhir_path="",
            native=rule.native,
            trail=trail,
            codec=codec,
            const=const,
            targets=targets,
        )
        self._leaves.append(leaf)
        return leaf

    def _put(
        self, node: ObjectNode, segments: tuple[Segment, ...], leaf: Leaf, rule: Rule
    ) -> ObjectNode:
        if not segments:
            raise MappingFault.at(rule.place, rule.name, "the fhir path names no element.")
        parent = self._descend(node, segments[:-1], rule)
        last = segments[-1]
        leaf.fhir_path = f"{parent.path}.{last.name}"
        if last.bracket is not None:
            array = self._array(parent, last, rule)
            if array.slots:
                raise MappingFault.at(rule.place, rule.name, "another rule writes this list.")
            array.slots.append(Slot("sole", "", leaf, rule.place))
            return parent
        present = parent.children.get(last.name)
        if present is None:
            parent.children[last.name] = leaf
        elif (
            isinstance(present, Leaf)
            and present.kind == leaf.kind == "const"
            and present.const == leaf.const
        ):
            if leaf.rule.required and not present.rule.required:
                parent.children[last.name] = leaf
        else:
            other = present.rule.name if isinstance(present, Leaf) else "another rule"
            message = f"{leaf.fhir_path} is already written by {other}."
            raise MappingFault.at(rule.place, rule.name, message)
        return parent

    def _descend(self, node: ObjectNode, segments: tuple[Segment, ...], rule: Rule) -> ObjectNode:
        for segment in segments:
            if segment.bracket is None:
                child = node.children.setdefault(
                    segment.name, ObjectNode(path=f"{node.path}.{segment.name}")
                )
            else:
                child = self._slot(node, segment, rule).item
            if not isinstance(child, ObjectNode):
                message = f"{node.path}.{segment.name} is written as a value by another rule."
                raise MappingFault.at(rule.place, rule.name, message)
            node = child
        return node

    def _array(self, node: ObjectNode, segment: Segment, rule: Rule) -> ArrayNode:
        path = f"{node.path}.{segment.name}"
        child = node.children.setdefault(segment.name, ArrayNode(path=path))
        if not isinstance(child, ArrayNode):
            message = f"{path} is written as a single element by another rule."
            raise MappingFault.at(rule.place, rule.name, message)
        return child

    def _slot(self, node: ObjectNode, segment: Segment, rule: Rule) -> Slot:
        array = self._array(node, segment, rule)
        label = str(segment)
        kind: SlotKind = "sole" if segment.bracket == "" else "slice"
        for slot in array.slots:
            if slot.label == label and slot.kind == kind:
                return slot
        slot = Slot(kind, label, ObjectNode(path=array.path), rule.place)
        array.slots.append(slot)
        self._select(slot, segment, rule, array)
        return slot

    def _select(self, slot: Slot, segment: Segment, rule: Rule, array: ArrayNode) -> None:
        """Give a slot the constants that mark its items, as constraints and as leaves."""
        for path, wanted in self._names.constants(segment, rule, array):
            segments = self._names.expand(parse(path), rule)
            if isinstance(wanted, dict):
                slot.constraints.append(
                    Constraint((*segments, Segment("reference")), link=wanted["link"])
                )
            elif wanted == PRESENT:
                slot.constraints.append(Constraint(segments, value=PRESENT))
            else:
                slot.constraints.append(Constraint(segments, value=wanted))
                assert isinstance(slot.item, ObjectNode)  # noqa: S101
                # a required link makes its object only where there is something to link to
                marking = replace(rule, required=rule.required and rule.form != "link")
                self._put(slot.item, segments, self._leaf("const", marking, const=wanted), rule)
