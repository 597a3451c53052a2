"""Drop what says nothing: null, blank texts, empty lists and empty objects.

Source: design.md section 5 (absent and empty list are one).
"""

from typing import Any

Path = tuple[str | int, ...]
UNTOUCHED = "extra"


class Positions:
    """Where the items of shortened lists stood in the input, so that findings point there."""

    def __init__(self) -> None:
        self._kept: dict[Path, list[int]] = {}

    def keep(self, path: Path, indexes: list[int]) -> None:
        """Note which items of the list at `path` are left."""
        self._kept[path] = indexes

    def original(self, path: Path) -> Path:
        """The path in the input of a path in what is left."""
        if not self._kept:
            return path
        steps: list[str | int] = []
        for depth, step in enumerate(path):
            indexes = self._kept.get(path[:depth])
            moved = isinstance(step, int) and indexes is not None and step < len(indexes)
            steps.append(indexes[step] if moved and indexes else step)  # type: ignore[index]
        return tuple(steps)


def drop_blanks(document: dict[str, Any]) -> tuple[dict[str, Any], Positions]:
    """A copy of a document without blanks; `extra` stays as it is."""
    positions = Positions()
    members = {
        name: value if name == UNTOUCHED else _without_blanks(value, (name,), positions)
        for name, value in document.items()
    }
    return {name: value for name, value in members.items() if not is_blank(value)}, positions


def is_blank(value: Any) -> bool:
    """True for null, a text without a visible character, and an empty list or object."""
    if isinstance(value, str):
        return not value or value.isspace()
    return value is None or (isinstance(value, list | dict) and not value)


def _without_blanks(value: Any, path: Path, positions: Positions) -> Any:
    if isinstance(value, dict):
        members = {
            name: _without_blanks(member, (*path, name), positions)
            for name, member in value.items()
        }
        return {name: member for name, member in members.items() if not is_blank(member)}
    if isinstance(value, list):
        return _items_without_blanks(value, path, positions)
    return value


def _items_without_blanks(items: list[Any], path: Path, positions: Positions) -> list[Any]:
    kept: list[Any] = []
    indexes: list[int] = []
    for index, item in enumerate(items):
        # inside, paths count what is kept so far: those are the paths of what is left
        value = _without_blanks(item, (*path, len(kept)), positions)
        if not is_blank(value):
            kept.append(value)
            indexes.append(index)
    if len(kept) < len(items):
        positions.keep(path, indexes)
    return kept
