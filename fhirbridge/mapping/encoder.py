"""Templates -> Python source -> functions that build resources.

The generated function is straight-line code, as one would write it by hand: read the native
fields, build the objects that have content, leave out the rest. The traced form wraps every
primitive with its leaf number and list indexes, from which `lineage` computes FHIR paths.
"""

from collections.abc import Callable, Mapping
from functools import cache

from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.mapping.model import Entry
from fhirbridge.mapping.selections import SELECTIONS
from fhirbridge.mapping.source import Scope, Writer
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Slot, Template

Encoded = Callable[..., JsonObject]


class _Emitter(Writer):
    """Writes the function of one template."""

    def source(self) -> str:
        """The whole function `encode(n, d, refs, c, at)`."""
        scope = Scope("n", ("at",) if self._anchored() else (), {})
        entry = self._template.entry
        if entry.list_path:
            scope.lists = {entry.list_path: "at"}
        self._line(f"o = {{'resourceType': {entry.type!r}}}")
        for name, child in self._template.root.children.items():
            if self._active(child):
                value = self._value(child, scope)
                self._line(f"if {value} is not None: o[{name!r}] = {value}")
            else:
                self._passive(child, "o", name, scope)
        self._line("return o")
        return "def encode(n, d, refs, c, at):\n" + "\n".join(self._lines) + "\n"

    def _anchored(self) -> bool:
        return bool(self._template.entry.list_path)

    # structure ---------------------------------------------------------------------------

    def _active(self, child: Child) -> bool:
        """True when the child has content of its own; constants and links only accompany."""
        if isinstance(child, Leaf):
            return child.live or child.rule.required or bool(child.rule.condition)
        if isinstance(child, ObjectNode):
            return any(self._active(grandchild) for grandchild in child.children.values())
        return any(
            slot.kind in ("each", "links") or self._active(slot.item) for slot in child.slots
        )

    def _always(self, child: Child) -> bool:
        """True when the child is there whatever the document says."""
        if isinstance(child, Leaf):
            constant = child.kind == "const" and child.rule.required and not child.rule.condition
            stands_in = bool(child.rule.absent and child.kind == "native")
            return constant or (stands_in and not child.rule.condition)
        if isinstance(child, ObjectNode):
            return any(self._always(grandchild) for grandchild in child.children.values())
        return any(
            self._always(slot.item) for slot in child.slots if slot.kind in ("slice", "sole")
        )

    def _value(self, child: Child, scope: Scope) -> str:
        if isinstance(child, Leaf):
            return self._leaf(child, scope)
        if isinstance(child, ObjectNode):
            return self._object(child, scope)
        return self._array(child, scope)

    def _object(self, node: ObjectNode, scope: Scope) -> str:
        result = self._new("o")
        active = {
            name: self._value(child, scope)
            for name, child in node.children.items()
            if self._active(child)
        }
        guarded = not self._always(node)
        if guarded:
            condition = " or ".join(f"{value} is not None" for value in active.values())
            self._line(f"{result} = None")
            self._line(f"if {condition}:")
            self._depth += 1
        self._line(f"{result} = {{}}")
        for name, child in node.children.items():
            if name not in active:
                self._passive(child, result, name, scope)
            elif self._always(child):
                self._line(f"{result}[{name!r}] = {active[name]}")
            else:
                self._line(f"if {active[name]} is not None: {result}[{name!r}] = {active[name]}")
        if guarded:
            self._depth -= 1
        return result

    def _passive(self, child: Child, target: str, name: str, scope: Scope) -> None:
        """Write constants and links beside content that is there."""
        if isinstance(child, Leaf):
            value = self._leaf(child, scope)
            guard = f"if {value} is not None: " if child.kind == "link" else ""
            self._line(f"{guard}{target}[{name!r}] = {value}")
            return
        made = self._new("p")
        if isinstance(child, ObjectNode):
            self._line(f"{made} = {{}}")
            for inner, grandchild in child.children.items():
                self._passive(grandchild, made, inner, scope)
        else:
            self._line(f"{made} = []")
            for slot in child.slots:
                if isinstance(slot.item, Leaf):
                    self._line(f"{made}.append({self._leaf(slot.item, scope)})")
                    continue
                item = self._new("p")
                self._line(f"{item} = {{}}")
                assert isinstance(slot.item, ObjectNode)  # noqa: S101
                for inner, grandchild in slot.item.children.items():
                    self._passive(grandchild, item, inner, scope)
                self._line(f"if {item}: {made}.append({item})")
        self._line(f"if {made}: {target}[{name!r}] = {made}")

    def _array(self, node: ArrayNode, scope: Scope) -> str:
        result = self._new("a")
        self._line(f"{result} = []")
        for slot in node.slots:
            if slot.kind == "each":
                self._each(slot, result, scope)
            elif slot.kind == "links":
                self._links(slot, result, scope)
            elif self._active(slot.item):
                value = self._value(slot.item, scope)
                self._line(f"if {value} is not None: {result}.append({value})")
        passive = [
            s for s in node.slots if s.kind in ("slice", "sole") and not self._active(s.item)
        ]
        if passive:
            # A slice of constants alone accompanies the other slices of its list.
            self._line(f"if {result}:")
            self._depth += 1
            for slot in passive:
                holder = self._new("p")
                self._line(f"{holder} = {{}}")
                self._passive(slot.item, holder, "x", scope)
                self._line(f"if 'x' in {holder}: {result}.append({holder}['x'])")
            self._depth -= 1
        self._line(f"{result} = {result} or None")
        return result

    def _each(self, slot: Slot, result: str, scope: Scope) -> None:
        index, item = self._new("i"), self._new("n")
        source = self._read(slot.native, scope)
        self._line(f"if {source} is not None:")
        self._depth += 1
        self._line(f"for {index}, {item} in enumerate({source}):")
        self._depth += 1
        if slot.each is not None and slot.each.where:
            selected = self._constant(SELECTIONS[slot.each.where].test)
            self._line(f"if not {selected}({item}, d): continue")
        path = ".".join(step for step in slot.trail if step != "[]")
        inner = Scope(item, (*scope.indexes, index), {**scope.lists, path: index})
        value = self._value(slot.item, inner)
        self._line(f"if {value} is not None: {result}.append({value})")
        self._depth -= 2

    def _links(self, slot: Slot, result: str, scope: Scope) -> None:
        leaf = _only_leaf(slot.item)
        rule = slot.each
        assert rule is not None  # noqa: S101
        reference = self._new("r")
        if rule.condition:
            self._line(f"if {self._read(rule.condition, scope)} is not None:")
            self._depth += 1
        for target in leaf.targets:
            self._line(f"for {reference} in {self._targets(target, scope)}:")
            self._depth += 1
            item = self._chain(slot.item, leaf, reference, scope)
            self._line(f"{result}.append({item})")
            self._depth -= 1
        if rule.condition:
            self._depth -= 1

    def _chain(self, child: Child, leaf: Leaf, reference: str, scope: Scope) -> str:
        """The nested literal from a link item down to its reference."""
        if child is leaf:
            return self._wrap(reference, leaf, scope)
        assert isinstance(child, ObjectNode)  # noqa: S101
        ((name, inner),) = child.children.items()
        return f"{{{name!r}: {self._chain(inner, leaf, reference, scope)}}}"

    # leaves ------------------------------------------------------------------------------

    def _leaf(self, leaf: Leaf, scope: Scope) -> str:
        result = self._new("v")
        rule = leaf.rule
        if leaf.kind == "const":
            expression = self._wrap(self._constant(leaf.const), leaf, scope)
            self._line(f"{result} = {self._guard(expression, rule.condition, scope)}")
        elif leaf.kind == "link":
            single = self._new("r")
            self._line(f"{single} = {self._single(leaf.targets, scope)}")
            expression = f"{self._wrap(single, leaf, scope)} if {single} is not None else None"
            self._line(f"{result} = {self._guard(expression, rule.condition, scope)}")
        elif rule.direction == "decode":
            self._line(f"{result} = None")
        else:
            self._native(leaf, result, scope)
        return result

    def _native(self, leaf: Leaf, result: str, scope: Scope) -> None:
        raw = self._read(leaf.native, scope)
        codec = leaf.codec
        self._line(f"{result} = {raw}")
        if leaf.kind == "carry":
            assert codec is not None and codec.table is not None  # noqa: S101
            lossy = {
                row.native
                for row in codec.table.rows
                if codec.table.reverse[row.fhir].native != row.native
                or (leaf.rule.absent and row.fhir == leaf.rule.absent)
            }
            self._line(f"if {result} not in {self._constant(frozenset(lossy))}: {result} = None")
        elif codec is not None:
            stem = leaf.native.rpartition(".")[0]
            beside = [self._read(f"{stem}.{n}" if stem else n, scope) for n in codec.beside]
            argument = f"({', '.join((result, *beside))})" if beside else result
            call = (
                f"{self._constant(codec.plain)}({argument})"
                if codec.plain is not None
                else f"{self._constant(codec.encode)}({argument}, c)"
            )
            self._line(f"if {result} is not None: {result} = {call}")
        if leaf.rule.absent and leaf.kind == "native":
            self._line(f"if {result} is None: {result} = {leaf.rule.absent!r}")
        if self._traced:
            self._line(f"if {result} is not None: {result} = {self._wrap(result, leaf, scope)}")
        if leaf.rule.condition:
            self._line(f"{result} = {self._guard(result, leaf.rule.condition, scope)}")


def _only_leaf(child: Child) -> Leaf:
    while isinstance(child, ObjectNode):
        (child,) = child.children.values()
    assert isinstance(child, Leaf)  # noqa: S101
    return child


def compile_encoder(template: Template, entries: Mapping[str, Entry], *, traced: bool) -> Encoded:
    """The function of one template, which is generated when it is first called, and kept.

    Called as `encode(native, document, refs, context, index)`; `refs` maps entry names to
    references: one, a list by index, or lists of lists for expanded entries.
    """

    @cache
    def generated() -> Encoded:
        emitter = _Emitter(template, entries, traced)
        source = emitter.source()
        namespace: dict[str, Json] = dict(emitter.constants)
        name = f"<mapping {template.entry.place.file} {template.entry.name}>"
        exec(compile(source, name, "exec"), namespace)  # noqa: S102  source is generated from checked rules
        encode: Encoded = namespace["encode"]
        return encode

    return lambda *arguments: generated()(*arguments)
