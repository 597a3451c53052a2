"""From traced output to plain resources and one explanation per element."""

from collections.abc import Iterator
from dataclasses import dataclass

from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.mapping.model import CodeRow
from fhirbridge.mapping.source import Traced
from fhirbridge.mapping.template import Leaf, Template


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why one FHIR element is there."""

    resource: str  # Type/id
    path: str  # FHIRPath
    rule: str
    place: str  # file:line
    layer: str
    content_class: str
    native: str = ""  # path in the document, empty for constants and links
    codec: str = ""
    code_row: str = ""  # file:line of the row of the code table


def untrace(value: Json, path: str, found: list[tuple[str, Traced]]) -> Json:
    """Replace traced values by plain ones, and list them with their FHIRPath."""
    if isinstance(value, Traced):
        if isinstance(value.value, list):
            for i, item in enumerate(value.value):
                found.append((f"{path}[{i}]", Traced(item, value.leaf, value.indexes)))
        else:
            found.append((path, value))
        return value.value
    if isinstance(value, dict):
        return {name: untrace(item, f"{path}.{name}", found) for name, item in value.items()}
    if isinstance(value, list):
        return [untrace(item, f"{path}[{i}]", found) for i, item in enumerate(value)]
    return value


def native_path(leaf: Leaf, indexes: tuple[int, ...]) -> str:
    """The document path of a leaf with the list indexes filled in, as a JSON path."""
    remaining: Iterator[int] = iter(indexes)
    text = "$"
    for step in leaf.trail:
        if step == "[]":
            text += f"[{next(remaining, '*')}]"
        else:
            text += f".{step}"
    return text


def native_value(leaf: Leaf, indexes: tuple[int, ...], document: JsonObject) -> Json:
    """The native value that a leaf was made from; None for derived ones."""
    remaining = iter(indexes)
    value: Json = document
    for step in leaf.trail:
        if step == "[]":
            position = next(remaining, None)
            if not isinstance(value, list) or position is None:
                return None
            value = value[position]
        elif isinstance(value, dict):
            value = value.get(step)
        else:
            return None
    return value


def explain(
    template: Template, label: str, path: str, traced: Traced, *, source: Json = None
) -> Explanation:
    """The explanation of one traced value; `source` is the native value where it is a code."""
    leaf = template.leaves[traced.leaf]
    rule = leaf.rule
    row: CodeRow | None = None
    if leaf.codec is not None and leaf.codec.table is not None and isinstance(source, str):
        row = leaf.codec.table.forward.get(source)
    return Explanation(
        resource=label,
        path=path,
        rule=rule.name,
        place=str(rule.place),
        layer=rule.place.layer,
        content_class=rule.content_class,
        native=native_path(leaf, traced.indexes) if leaf.kind in ("native", "carry") else "",
        codec=rule.codec,
        code_row=str(row.place) if row is not None else "",
    )
