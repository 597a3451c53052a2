"""The code systems under `{base}/CodeSystem/`, as the packs use them: which codes each one has.

A system is closed where every rule that writes it takes its codes from a closed native code set, a
closed table or a constant; one open source makes it open.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from fhirbridge.conversion.mappings import Mappings, compiled
from fhirbridge.fhir.validation.own_codes import OwnCodes
from fhirbridge.jsontypes import NativeNode
from fhirbridge.mapping.native_paths import node_at
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, ObjectNode

# Written by the program itself, not by a pack: the tags of withdrawn and of trial resources.
_ENGINE: Mapping[str, frozenset[str]] = {
    "document-state": frozenset({"withdrawn"}),
    "tag": frozenset({"sandbox"}),
}


def own_codes(mappings: Mappings) -> OwnCodes:
    """The systems and codes of all documents' packs."""
    prefix = ""
    systems: dict[str, frozenset[str] | None] = {}
    for mapping in mappings.values():
        prefix = f"{mapping.pack.base}/CodeSystem/"
        for item in mapping.compiled.values():
            for system, leaf in _codings(item.template.root):
                if system.startswith(prefix):
                    _add(systems, system, _codes(leaf, mapping.shape))
    for name, codes in _ENGINE.items():
        _add(systems, prefix + name, codes)
    return OwnCodes(prefix, systems)


@cache
def known_codes(base: str, site: Path | None) -> OwnCodes:
    """The same for our packs and a site's, kept for the life of the process."""
    return own_codes(compiled(base, site))


def _add(
    systems: dict[str, frozenset[str] | None], system: str, codes: frozenset[str] | None
) -> None:
    known = systems.get(system, frozenset())
    systems[system] = None if known is None or codes is None else known | codes


def _codings(child: Child) -> Iterator[tuple[str, Leaf]]:
    """Each place that writes a code beside a constant system."""
    if isinstance(child, ArrayNode):
        for slot in child.slots:
            yield from _codings(slot.item)
    elif isinstance(child, ObjectNode):
        system, code = child.children.get("system"), child.children.get("code")
        if isinstance(system, Leaf) and isinstance(system.const, str) and isinstance(code, Leaf):
            yield system.const, code
        for grandchild in child.children.values():
            yield from _codings(grandchild)


def _codes(leaf: Leaf, shape: NativeNode) -> frozenset[str] | None:
    """The codes that a leaf can write; None where any may come."""
    if leaf.kind == "const":
        return frozenset({str(leaf.const)})
    table = leaf.codec.table if leaf.codec is not None else None
    if table is not None:
        written = table.forward if leaf.kind == "carry" else table.reverse
        return None if table.open else frozenset(written)
    node = node_at(shape, leaf.trail)
    if leaf.codec is not None or node is None or not node.codes:
        return None
    return frozenset(node.codes)
