"""The rules of one entry laid out as a tree in the shape of its resource.

Both directions run over this tree, which `builder` makes: the encoder generates code from it, the
decoder walks a resource along it.
"""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.codec import Codec
from fhirbridge.mapping.model import Entry, Place, Rule
from fhirbridge.mapping.paths import Segment

LeafKind = Literal["native", "const", "link", "carry"]
SlotKind = Literal["slice", "sole", "each", "links"]


@dataclass(slots=True, eq=False)
class Leaf:
    """One primitive that a rule writes. `number` is unique in its template."""

    number: int
    kind: LeafKind
    rule: Rule
    fhir_path: str
    native: str = ""  # relative to the scope, or absolute with "/"
    trail: tuple[str, ...] = ()  # native path from the document, "[]" where an index goes
    codec: Codec | None = None
    const: Json = None
    targets: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    narrows: "Leaf | None" = None  # whose native code it helps to choose
    identifies: bool = False  # a copy by which decode finds the native item

    @property
    def live(self) -> bool:
        """True when its value alone creates the objects around it."""
        return self.kind in ("native", "carry") or (self.kind == "link" and self.rule.required)


@dataclass(slots=True, eq=False)
class ObjectNode:
    """A FHIR object: children by element name."""

    children: "dict[str, Child]" = field(default_factory=dict)
    path: str = ""


@dataclass(frozen=True, slots=True)
class Constraint:
    """What an item must have to belong to a slot: a value, anything, or a link to an entry."""

    path: tuple[Segment, ...]
    value: Json = None
    link: str = ""


@dataclass(slots=True, eq=False)
class Slot:
    """A group of items in a FHIR list: one slice, the sole item, one per native item, or links."""

    kind: SlotKind
    label: str
    item: "Child"
    place: Place
    constraints: list[Constraint] = field(default_factory=list)
    each: Rule | None = None
    native: str = ""  # native list of an each, relative to the scope around it
    trail: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class ArrayNode:
    """A FHIR list: its slots, in the order of the rules."""

    slots: list[Slot] = field(default_factory=list)
    path: str = ""
    _ranked: list[tuple[int, Slot]] = field(default_factory=list)

    def ranked(self) -> list[tuple[int, Slot]]:
        """The slots with their numbers, those first that ask for most; asked once all are there."""
        if len(self._ranked) != len(self.slots):
            self._ranked = sorted(enumerate(self.slots), key=lambda pair: -len(pair[1].constraints))
        return self._ranked


Child: TypeAlias = Leaf | ObjectNode | ArrayNode


@dataclass(slots=True, eq=False)
class Template:
    """The tree of one entry, its leaves by number, and the leaf that holds the key."""

    entry: Entry
    root: ObjectNode
    leaves: list[Leaf]
    key_leaf: Leaf | None = None
    key_path: tuple[Segment, ...] = ()

    @property
    def repeats(self) -> bool:
        """True when another entry reads the key; this one only says more about the same item."""
        names = {name for part in self.entry.key for name in part.split("|")}
        own = [
            leaf
            for leaf in self.leaves
            if leaf.native in names and leaf.kind == "native" and leaf.rule in self.entry.rules
        ]
        return any(leaf.identifies for leaf in own) and not any(leaf.rule.reads for leaf in own)

    @property
    def key_slot(self) -> "ObjectNode | None":
        """The identifier (object or item of the list) that the key is written into."""
        node = self.root.children.get("identifier")
        holders = [slot.item for slot in node.slots] if isinstance(node, ArrayNode) else [node]
        for holder in holders:
            if isinstance(holder, ObjectNode) and self.key_leaf in holder.children.values():
                return holder
        return None

    @property
    def key_system(self) -> str:
        """The constant system beside the key; empty where it is not a constant."""
        slot = self.key_slot
        system = slot.children.get("system") if slot is not None else None
        return str(system.const) if isinstance(system, Leaf) and system.kind == "const" else ""
