"""Where the packs write codes, extensions and identifiers: read from the compiled templates."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fhirbridge.conversion.mappings import Mappings
from fhirbridge.jsontypes import Json, NativeNode, Resource
from fhirbridge.mapping.model import CodeTable
from fhirbridge.mapping.native_paths import native_text, node_at
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode, Template
from fhirbridge.native.documents import KINDS

PUBLISHER = "fhirbridge"


@dataclass(frozen=True, slots=True)
class Field:
    """A native field, e.g. `goals[].status`, of one document."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Place:
    """One object of a template: its document, resource type, path of JSON names, and parent."""

    kind: str
    shape: NativeNode
    path: tuple[str, ...]  # from the resource type
    node: ObjectNode
    repeats: bool

    def constant(self, name: str) -> Json:
        """The constant that always stands in a child, or None."""
        child = self.node.children.get(name)
        return child.const if isinstance(child, Leaf) and child.kind == "const" else None

    def leaf(self, name: str) -> Leaf | None:
        """A child that is a value, also the values of a list."""
        child = self.node.children.get(name)
        if isinstance(child, ArrayNode) and len(child.slots) == 1:
            child = child.slots[0].item
        return child if isinstance(child, Leaf) else None

    def field(self, leaf: Leaf) -> "Field":
        """The native field of a leaf."""
        return Field(native_text(leaf.trail), self.kind)

    def native_node(self, leaf: Leaf) -> NativeNode | None:
        """The native field's shape."""
        return node_at(self.shape, leaf.trail)


@dataclass(frozen=True, slots=True)
class Places:
    """All objects of all templates; `base` is the canonical base of what is ours.

    `titles` are displays of native codes by document, native trail and the system beside.
    """

    base: str
    all: tuple[Place, ...]
    tables: dict[str, CodeTable]
    titles: dict[tuple[str, tuple[str, ...], Json], dict[str, str]]

    @property
    def edition(self) -> str:
        """The date of the newest code table."""
        return max(table.date for table in self.tables.values())

    def codings(self) -> Iterator[tuple[Place, str, Leaf]]:
        """Each place of a code beside a constant system: place, system, code."""
        for place in self.all:
            system, code = place.constant("system"), place.leaf("code")
            if isinstance(system, str) and code is not None:
                yield place, system, code

    def displays(self, place: Place, code: Leaf) -> dict[str, str]:
        """What the packs write for people beside a native code of this system."""
        beside = self.titles.get((place.kind, code.trail, place.constant("system")), {})
        return {**self.titles.get((place.kind, code.trail, None), {}), **beside}

    def head(self, resource_type: str, url: str, *, date: str = "") -> Resource:
        """What every public form begins with."""
        name = url.rpartition("/")[2]
        return {
            "resourceType": resource_type,
            "id": name,
            "url": url,
            "version": date or self.edition,
            "name": camel(name),
            "title": words(name),
            "status": "active",
            "experimental": False,
            "date": date or self.edition,
            "publisher": PUBLISHER,
        }


def read_places(mappings: Mappings) -> Places:
    """All places of the compiled mappings."""
    found: list[Place] = []
    tables: dict[str, CodeTable] = {}
    base = ""
    for kind, mapping in mappings.items():
        base = mapping.pack.base
        tables.update(mapping.pack.tables)
        for item in mapping.compiled.values():
            found += _walk(kind, mapping.shape, item.template)
    return Places(base, tuple(found), tables, _titles(found, tables))


def _titles(
    places: Iterable[Place], tables: Mapping[str, CodeTable]
) -> dict[tuple[str, tuple[str, ...], Json], dict[str, str]]:
    found: dict[tuple[str, tuple[str, ...], Json], dict[str, str]] = {}
    for place in places:
        for name in ("display", "text"):
            leaf = place.leaf(name)
            codec, _, table = leaf.rule.codec.partition(" ") if leaf is not None else ("", "", "")
            if leaf is not None and codec == "display":
                key = (place.kind, leaf.trail, place.constant("system"))
                rows = tables[table].rows
                found.setdefault(key, {}).update({row.native: row.display for row in rows})
    return found


def _walk(kind: str, shape: NativeNode, template: Template) -> Iterator[Place]:
    def below(child: Child, path: tuple[str, ...], repeats: bool) -> Iterator[Place]:
        if isinstance(child, ArrayNode):
            for slot in child.slots:
                yield from below(slot.item, path, slot.kind in ("each", "links"))
        elif isinstance(child, ObjectNode):
            yield Place(kind, shape, path, child, repeats)
            for name, grandchild in child.children.items():
                yield from below(grandchild, (*path, name), False)

    return below(template.root, (template.entry.type,), False)


def tell(fields: Iterable[Field]) -> str:
    """Native fields in words: `a, b of enrollment; c of any document`."""
    kinds: dict[str, set[str]] = {}
    for one in fields:
        kinds.setdefault(one.path, set()).add(one.kind)
    paths: dict[str, list[str]] = {}
    for path in sorted(kinds):
        several = sorted(kinds[path])
        where = "any document" if len(several) == len(KINDS) else " and ".join(several)
        paths.setdefault(where, []).append(path)
    return "; ".join(f"{', '.join(found)} of {where}" for where, found in paths.items())


def words(name: str) -> str:
    """`step-down` as `Step down`; what has digits or capitals stays as it is."""
    if name != name.lower() or any(character.isdigit() for character in name):
        return name
    text = name.replace("-", " ").replace(".", " ")
    return text[:1].upper() + text[1:]


def camel(name: str) -> str:
    """A name that programs can use: letters and digits, a capital first."""
    parts = [part for part in name.replace(".", "-").replace("_", "-").split("-") if part]
    joined = "".join(part[:1].upper() + part[1:] for part in parts)
    return joined if joined[:1].isalpha() else f"X{joined}"
