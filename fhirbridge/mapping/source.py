"""Lines of generated Python: variables, native reads, constants and references."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.model import Entry
from fhirbridge.mapping.paths import native_steps
from fhirbridge.mapping.template import Leaf, Template


@dataclass(slots=True)  # not frozen: one is made for every primitive, and that takes twice as long
class Traced:
    """A primitive on its way out, with the leaf that wrote it and the list indexes around it."""

    value: Json
    leaf: int
    indexes: tuple[int, ...]


@dataclass(slots=True)
class Scope:
    """Native reads that are already in a variable; `index` names the loop variables around."""

    root: str
    indexes: tuple[str, ...]
    lists: Mapping[str, str]  # native list path from the document -> its loop index variable
    memo: dict[str, str] = field(default_factory=dict)


class Writer:
    """Collects the lines of one function; each native value is read once in its scope."""

    def __init__(self, template: Template, entries: Mapping[str, Entry], traced: bool) -> None:
        self._template = template
        self._entries = entries
        self._traced = traced
        self._lines: list[str] = []
        self._depth = 1
        self._count = 0
        self.constants: dict[str, Json] = {"Traced": Traced}

    def _guard(self, expression: str, condition: str, scope: Scope) -> str:
        if not condition:
            return expression
        return f"({expression}) if {self._read(condition, scope)} is not None else None"

    def _wrap(self, expression: str, leaf: Leaf, scope: Scope) -> str:
        if not self._traced:
            return expression
        indexes = "".join(f"{name}, " for name in scope.indexes)
        return f"Traced({expression}, {leaf.number}, ({indexes}))"

    def _read(self, native: str, scope: Scope) -> str:
        """A variable that holds the native value at a path, None where it is missing."""
        absolute = native.startswith("/")
        variable = "d" if absolute else scope.root
        key = "/" if absolute else ""
        for position, step in enumerate(native_steps(native)):
            key += f".{step}"
            known = scope.memo.get(key)
            if known is None:
                known = self._new("n")
                nullable = position > 0
                read = f"{variable}.get({step!r})"
                self._line(
                    f"{known} = {read}"
                    + (f" if {variable} is not None else None" if nullable else "")
                )
                scope.memo[key] = known
            variable = known
        return variable

    def _single(self, targets: tuple[str, ...], scope: Scope) -> str:
        return " or ".join(self._one(target, scope) for target in targets)

    def _one(self, target: str, scope: Scope) -> str:
        path = self._entries[target].list_path
        if not path:
            return f"refs[{target!r}]"
        if path in scope.lists and not self._entries[target].expand:
            return f"refs[{target!r}][{scope.lists[path]}]"
        return f"(refs[{target!r}] or (None,))[0]"

    def _targets(self, target: str, scope: Scope) -> str:
        entry = self._entries[target]
        if not entry.list_path:
            return f"([refs[{target!r}]] if refs[{target!r}] is not None else ())"
        if entry.expand:
            if entry.list_path in scope.lists:
                return f"refs[{target!r}][{scope.lists[entry.list_path]}]"
            return f"[r for rs in refs[{target!r}] for r in rs]"
        if entry.list_path in scope.lists:
            own = f"refs[{target!r}][{scope.lists[entry.list_path]}]"
            return f"([{own}] if {own} is not None else ())"
        return f"[r for r in refs[{target!r}] if r is not None]"

    # text --------------------------------------------------------------------------------

    def _constant(self, value: Json) -> str:
        if isinstance(value, str | bool | int) or value is None:
            return repr(value)
        for name, known in self.constants.items():
            if known is value:
                return name
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def _new(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def _line(self, text: str) -> None:
        self._lines.append("    " * self._depth + text)
