"""From traced output to plain resources and one explanation per element."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fhirbridge.jsontypes import Json, JsonObject
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


def written(value: Json, found: list[tuple[int, Json]]) -> None:
    """List what each leaf wrote: its number and the value."""
    if isinstance(value, Traced):
        several = value.value if isinstance(value.value, list) else (value.value,)
        found.extend((value.leaf, item) for item in several)
    elif isinstance(value, dict):
        for item in value.values():
            written(item, found)
    elif isinstance(value, list):
        for item in value:
            written(item, found)


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is the same for every value of one leaf."""

    rule: str
    place: str
    layer: str
    content_class: str
    codec: str
    pieces: tuple[str, ...]  # the native path around its indexes; none for constants and links
    trail: tuple[str, ...]
    rows: Mapping[str, str]  # native code -> file:line

    def native(self, indexes: tuple[int, ...]) -> str:
        """The document path with the list indexes filled in, as a JSON path."""
        if len(self.pieces) < 2:
            return self.pieces[0] if self.pieces else ""
        text = self.pieces[0]
        for number, piece in enumerate(self.pieces[1:]):
            text += f"[{indexes[number] if number < len(indexes) else '*'}]{piece}"
        return text

    def row(self, indexes: tuple[int, ...], document: JsonObject) -> str:
        """The row of the code table that the native value stands in."""
        value = native_value(self.trail, indexes, document)
        return self.rows.get(value, "") if isinstance(value, str) else ""


class Origins:
    """Explains what one template wrote."""

    def __init__(self, template: Template) -> None:
        self._origins = tuple(_origin(leaf) for leaf in template.leaves)

    def explain(
        self,
        label: str,
        found: Iterable[tuple[str, Traced]],
        document: JsonObject,
        *,
        session: tuple[int, ...] | None = None,
    ) -> Iterator[Explanation]:
        """One explanation a value. `session` is where the session of an occurrence stands in the
        document, empty for one that was not recorded.
        """
        for path, traced in found:
            origin, indexes = self._origins[traced.leaf], traced.indexes
            if session is not None and origin.trail[:1] == ("sessions",):
                indexes = (*session, *indexes[1:]) if session else ()
            yield Explanation(
                label,
                path,
                origin.rule,
                origin.place,
                origin.layer,
                origin.content_class,
                origin.native(indexes),
                origin.codec,
                origin.row(indexes, document) if origin.rows else "",
            )


def _origin(leaf: Leaf) -> _Origin:
    rule = leaf.rule
    table = leaf.codec.table if leaf.codec is not None else None
    has_native = leaf.kind in ("native", "carry")
    path = "".join("[]" if step == "[]" else f".{step}" for step in leaf.trail)
    return _Origin(
        rule.name,
        str(rule.place),
        rule.place.layer,
        rule.content_class,
        rule.codec,
        tuple(f"${path}".split("[]")) if has_native else (),
        leaf.trail,
        {row.native: str(row.place) for row in table.rows} if table is not None else {},
    )


def native_value(trail: tuple[str, ...], indexes: tuple[int, ...], document: JsonObject) -> Json:
    """The native value at a trail; None for derived ones."""
    remaining = iter(indexes)
    value: Json = document
    for step in trail:
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
