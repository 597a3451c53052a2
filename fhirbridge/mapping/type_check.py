"""Hold one template against the R4 definitions and the native shape."""

from collections.abc import Mapping

from fhirbridge.errors import Issue
from fhirbridge.fhir.definitions import Definitions, ElementInfo, definitions
from fhirbridge.jsontypes import NativeNode
from fhirbridge.mapping.model import Pack, Place, fault
from fhirbridge.mapping.narrowing import native_of, written
from fhirbridge.mapping.native_paths import native_text, node_at
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Template

# What a native kind may be written as without a codec.
_PLAIN: Mapping[str, frozenset[str]] = {
    "string": frozenset({"string", "markdown"}),
    "markdown": frozenset({"string", "markdown"}),
    "code": frozenset({"code", "string", "uri", "markdown"}),
    "uri": frozenset({"uri", "url", "string"}),
    "localdatetime": frozenset({"string", "dateTime"}),
    "time": frozenset({"string"}),
}
# What has a form of its own in JSON or FHIR, which a codec checks on the way back.
_FORMED = frozenset({"integer", "decimal", "boolean", "date", "datetime"})


# The Python type of a constant, where it is not text.
_CONSTANTS: Mapping[str, type] = {
    "boolean": bool,
    "integer": int,
    "positiveInt": int,
    "unsignedInt": int,
    "decimal": int,
}


class TypeCheck:
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
            python_type = _CONSTANTS.get(info.type, str)
            if type(leaf.const) is not python_type:
                self._say(leaf, f"{info.path} is a {info.type}; this constant is not.")
            elif info.codes is not None and leaf.const not in info.codes:
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
        if any(step.startswith("(") for step in leaf.trail):  # made by an expander
            if leaf.codec is None and info.type == "instant":
                self._say(leaf, "an instant needs a codec, which checks its form.")
            return
        node = node_at(self._shape, leaf.trail)
        if node is None:
            self._say(leaf, f"the document has no field {native_text(leaf.trail)}.")
        elif not (rule.copy or rule.direction == "encode"):
            self._fits(leaf, info, node)
        elif leaf.codec is None and node.kind in _FORMED:
            self._say(leaf, f"a native {node.kind} needs a codec, which checks its form.")
        elif leaf.codec is None and not set(node.codes) <= (info.codes or set(node.codes)):
            self._say(leaf, f"{info.path} allows only codes of R4; use codec code TABLE.")

    def _fits(self, leaf: Leaf, info: ElementInfo, node: NativeNode) -> None:
        codec = leaf.codec
        if codec is None:
            fits = node.codes and info.codes is not None and set(node.codes) <= info.codes
            if node.kind in _FORMED:
                self._say(leaf, f"a native {node.kind} needs a codec, which checks its form.")
            elif info.type not in _PLAIN.get(node.kind, frozenset()) and not fits:
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
        beside = [one for one in self._template.leaves if one.narrows is leaf]
        lost = [
            code
            for code in node.codes
            if code in table.forward
            and native_of(table, table.forward[code].fhir, written(code, beside)) != code
        ]
        if lost:
            codes = ", ".join(lost)
            text = f"the way back from table {table.name} loses {codes}; add carry or narrow."
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
