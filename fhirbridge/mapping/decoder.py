"""Walk a resource along its template: native values, what was seen, what is left over.

Nothing is skipped: every element is either taken by a leaf of the template or listed.
"""

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping import paths
from fhirbridge.mapping.codec import CodecError, DecodeContext
from fhirbridge.mapping.engine_made import bare
from fhirbridge.mapping.model import Rule
from fhirbridge.mapping.narrowing import native_of
from fhirbridge.mapping.selecting import Points, satisfies
from fhirbridge.mapping.template import (
    ArrayNode,
    Child,
    Leaf,
    ObjectNode,
    Slot,
    Template,
)
from fhirbridge.mapping.walked import Coded, Seen, Sink, Step, Walked, coded

# Written by servers and by the bridge itself, not by a document.
_OWN = frozenset({"resourceType", "id"})
_OWN_META = frozenset({"versionId", "lastUpdated"})


class Decoder:
    """Walks resources of one template. `points` tells which entry a reference points to."""

    def __init__(self, template: Template, points: Points) -> None:
        self._template = template
        self._points = points

    def walk(self, resource: Resource) -> Walked:
        """Take a resource apart. Never raises for content; what does not fit becomes issues."""
        walked = Walked(self._template, resource)
        content = {name: value for name, value in bare(resource).items() if name not in _OWN}
        if isinstance(content.get("meta"), dict):
            meta = {k: v for k, v in content["meta"].items() if k not in _OWN_META}
            content["meta"] = meta
            if not meta:
                del content["meta"]
        carried: dict[tuple[int, str], Coded] = {}
        path = str(resource.get("resourceType"))
        self._object(self._template.root, content, path, walked.sink, walked, carried)
        for one in carried.values():
            self._settle(one, walked)
        return walked

    def _object(
        self,
        node: ObjectNode,
        value: JsonObject,
        path: str,
        sink: Sink,
        walked: Walked,
        carried: "dict[tuple[int, str], Coded]",
    ) -> None:
        for name, item in value.items():
            child = node.children.get(name)
            if child is None:
                self._leave(f"{path}.{name}", item, walked)
            else:
                self._child(child, item, f"{path}.{name}", sink, walked, carried)

    def _child(
        self,
        child: Child,
        value: Json,
        path: str,
        sink: Sink,
        walked: Walked,
        carried: "dict[tuple[int, str], Coded]",
    ) -> None:
        if isinstance(child, ArrayNode):
            if isinstance(value, list):
                self._array(child, value, path, sink, walked, carried)
            else:
                self._leave(path, value, walked)
        elif isinstance(child, ObjectNode):
            if isinstance(value, dict):
                self._object(child, value, path, sink, walked, carried)
            else:
                self._leave(path, value, walked)
        else:
            self._leaf(child, value, path, sink, walked, carried)

    def _array(
        self,
        node: ArrayNode,
        values: list[Json],
        path: str,
        sink: Sink,
        walked: Walked,
        carried: "dict[tuple[int, str], Coded]",
    ) -> None:
        taken: set[int] = set()
        items: dict[int, list[Sink]] = {}
        ordered = node.ranked()
        for index, item in enumerate(values):
            where = f"{path}[{index}]"
            slot_number = self._claim(ordered, item, taken)
            if slot_number is None:
                self._leave(where, item, walked)
                continue
            slot = node.slots[slot_number]
            if slot.kind == "each":
                inner = Sink()
                items.setdefault(slot_number, []).append(inner)
                self._child(slot.item, item, where, inner, walked, carried)
            else:
                if slot.kind != "links":
                    taken.add(slot_number)
                self._child(slot.item, item, where, sink, walked, carried)
        for slot_number, sinks in items.items():
            native = node.slots[slot_number].native
            if not native.startswith("/"):  # a copy from elsewhere in the document
                walked.collectors.append(_collector(sink, native, sinks))

    def _claim(self, slots: list[tuple[int, Slot]], item: Json, taken: set[int]) -> int | None:
        for number, slot in slots:
            if number in taken:
                continue
            for constraint in slot.constraints:
                if not satisfies(item, constraint, self._points):
                    break
            else:
                if slot.kind != "links" or self._linked(slot, item):
                    return number
        return None

    def _linked(self, slot: Slot, item: Json) -> bool:
        child: Child = slot.item
        value = item
        while isinstance(child, ObjectNode):
            ((name, child),) = child.children.items()
            if not isinstance(value, dict) or name not in value:
                return False
            value = value[name]
        assert isinstance(child, Leaf)  # noqa: S101
        return isinstance(value, str) and any(self._points(value, t) for t in child.targets)

    def _leaf(
        self,
        leaf: Leaf,
        value: Json,
        path: str,
        sink: Sink,
        walked: Walked,
        carried: "dict[tuple[int, str], Coded]",
    ) -> None:
        many = leaf.codec is not None and leaf.codec.many
        if isinstance(value, dict) or (isinstance(value, list) and not many) or value is None:
            self._leave(path, value, walked)
            return
        if isinstance(value, list):
            walked.seen.extend(Seen(leaf, f"{path}[{i}]", item) for i, item in enumerate(value))
        else:
            walked.seen.append(Seen(leaf, path, value))
        rule = leaf.rule
        if leaf.kind == "link":
            if not any(self._points(value, target) for target in leaf.targets):
                entry = " or ".join(leaf.targets)
                self._say(
                    path, rule, f"The reference does not lead to {entry} in this bundle.", walked
                )
        elif leaf.kind == "carry":
            coded(carried, sink, rule, path).carried = value
        elif leaf.kind == "native" and rule.direction != "encode":
            self._native(leaf, value, path, sink, walked, carried)

    def _native(
        self,
        leaf: Leaf,
        value: Json,
        path: str,
        sink: Sink,
        walked: Walked,
        carried: "dict[tuple[int, str], Coded]",
    ) -> None:
        rule, codec = leaf.rule, leaf.codec
        if leaf.narrows is not None:
            coded(carried, sink, leaf.narrows.rule, path).told[rule.name] = (leaf, value)
            return
        if rule.copy and (codec is not None or rule.native == "." or rule.native.startswith("/")):
            if leaf.identifies:
                self._identify(leaf, value, path, sink, walked)
            return  # verified against what encode writes
        if rule.copy:
            # A copied key lets a carrier's item find the item that it belongs to.
            sink.copied[rule.native] = value
            return
        if rule.absent and codec is not None and codec.table is None:
            if value == rule.absent:
                return
        elif rule.carry or rule.absent or rule.narrow:
            coded(carried, sink, rule, path).code = value
            coded(carried, sink, rule, path).leaf = leaf
            return
        if codec is None:
            sink.set(rule.native, value)
            return
        decode = codec.decode
        assert decode is not None  # noqa: S101  the template refuses a reading rule without one

        stem = rule.native.rpartition(".")[0]

        def settle(context: DecodeContext) -> None:
            beside = [paths.read(sink.values, f"{stem}.{n}" if stem else n) for n in codec.beside]
            try:
                sink.set(rule.native, decode((value, *beside) if beside else value, context))
            except CodecError as error:
                self._say(path, rule, f"The value cannot be represented: {error}.", walked)

        steps = walked.references if codec.targets else walked.codecs
        steps.append(settle)

    def _identify(self, leaf: Leaf, value: Json, path: str, sink: Sink, walked: Walked) -> None:
        """A copied key in another form: an identifier, or a reference to what has the key."""
        rule, codec = leaf.rule, leaf.codec
        assert codec is not None and codec.decode is not None  # noqa: S101
        decode = codec.decode

        def settle(context: DecodeContext) -> None:
            try:
                sink.copied.setdefault(rule.native, decode(value, context))
            except CodecError as error:
                self._say(path, rule, f"The value cannot be represented: {error}.", walked)
                if sink is not walked.sink:
                    sink.values.clear()  # an item of nothing we know

        (walked.keys if codec.targets else walked.codecs).append(settle)

    def _settle(self, coded: "Coded", walked: Walked) -> None:
        """Choose between a carried native code and the table's reverse."""
        rule, leaf = coded.rule, coded.leaf
        if leaf is None or leaf.codec is None or leaf.codec.table is None:
            if leaf is None:
                self._say(coded.path, rule, "The native code stands beside no FHIR code.", walked)
            elif coded.code != rule.absent:
                coded.sink.set(rule.native, coded.code)
            return
        table = leaf.codec.table
        told = [coded.told[name] for name in rule.narrow if name in coded.told]
        row = table.forward.get(coded.carried) if isinstance(coded.carried, str) else None
        if row is not None and row.fhir == coded.code:
            coded.sink.set(rule.native, row.native)
        elif rule.absent and coded.code == rule.absent:
            return
        elif isinstance(coded.code, str) and coded.code in table.reverse:
            coded.sink.set(rule.native, native_of(table, coded.code, told))
        else:
            text = f"The code is not in table {table.name}, edition {table.edition}."
            self._say(coded.path, rule, text, walked)

    def _leave(self, path: str, value: Json, walked: Walked) -> None:
        text = "The element has no place in the document and is not carried over."
        walked.issues.append(Issue("not-supported", text, "warning", (path,)))

    def _say(self, path: str, rule: Rule, text: str, walked: Walked) -> None:
        walked.issues.append(Issue("value", text, "warning", (path,), str(rule.place)))


def _collector(sink: Sink, native: str, sinks: list[Sink]) -> Step:
    def collect(_: DecodeContext) -> None:
        sink.set(native, [inner.plain() for inner in sinks if inner.values])

    return collect
