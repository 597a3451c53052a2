"""Paths in the shape of a native document: trails, leaves and nodes."""

from collections.abc import Iterator

from fhirbridge.jsontypes import NativeNode


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
