"""Find, read and layer mapping packs. A bad file fails at start-up.

A pack is a folder with one folder per document, `codes/`, and folders that several documents `use`.
A site's own pack is laid over ours rule by rule: same document, entry and rule name replace; new
ones are added. In the same way a document's file is laid over the one it uses.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.codes import read_tables
from fhirbridge.mapping.model import CodeTable, Entry, MappingFault, Pack, Place, Rule
from fhirbridge.mapping.rule_reader import TOP_KEYS, known_keys, read_entry, read_rules, with_rules
from fhirbridge.mapping.yaml_source import Located, read_yaml

HEAD = "mapping.yaml"


@dataclass(frozen=True, slots=True)
class Layer:
    """One pack folder: its name in `explain`, and where it is."""

    name: str
    folder: Path


def packaged_folder() -> Path:
    """The pack that comes with fhirbridge: inside the wheel, or beside an editable install."""
    packaged = Path(str(resources.files("fhirbridge"))) / "_mappings"
    if packaged.is_dir():
        return packaged
    root = Path(str(resources.files("fhirbridge"))).parent
    if (root / "pyproject.toml").is_file() and (root / "mappings").is_dir():
        return root / "mappings"
    raise MappingFault.at(Place("mappings", 0), "", "fhirbridge's own mapping pack is missing.")


def layers(site: Path | None) -> tuple[Layer, ...]:
    """Our pack, and over it the site's own if there is one."""
    ours = Layer("fhirbridge", packaged_folder())
    if site is None:
        return (ours,)
    if not site.is_dir():
        raise MappingFault.at(Place(site.name, 0, "site"), "", "the mapping folder does not exist.")
    return (ours, Layer("site", site))


def read_pack(document: str, stack: Iterable[Layer], *, base: str) -> Pack:
    """Read one document's mapping through all layers. Raises MappingFault."""
    reading = _Reading(document, tuple(stack), base)
    folders = reading.heads()
    complete = reading.entries_with_rules(folders)
    tables = _tables(reading.stack, reading.digest)
    merged = reading.merged
    return Pack(
        document=document,
        name="+".join(str(top.get("pack", layer.name)) for layer, top in reading.tops),
        version="+".join(str(top.get("version", "0")) for _, top in reading.tops),
        hash=reading.digest.hexdigest()[:16],
        base=base,
        systems=merged["systems"],
        extensions=merged["extensions"],
        slices=merged["slices"],
        excused=merged["excused"],
        entries=complete,
        tables=tables,
        place=Place(f"{document}/{HEAD}", reading.tops[0][1].line),
    )


@dataclass(slots=True)
class _Reading:
    """One document's files on their way into a pack."""

    document: str
    stack: tuple[Layer, ...]
    base: str
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    tops: list[tuple[Layer, Located]] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    homes: dict[str, list[str]] = field(default_factory=dict)  # entry -> folders that define it
    merged: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {k: {} for k in ("systems", "extensions", "slices", "excused")}
    )

    def heads(self) -> list[str]:
        """Read every mapping.yaml, those that the document uses first; returns the folders."""
        used: list[str] = []
        for layer in self.stack:
            top = self._head(layer, self.document)
            if top is not None:
                self.tops.append((layer, top))
                used += [name for name in (top.get("use") or []) if name not in used]
        if not self.tops:
            place = Place(f"{self.document}/{HEAD}", 0)
            raise MappingFault.at(place, "", "the file is missing.")
        for folder in used:
            found = [(layer, self._head(layer, folder)) for layer in self.stack]
            if not any(top is not None for _, top in found):
                place = Place(f"{self.document}/{HEAD}", self.tops[0][1].lines["use"])
                raise MappingFault.at(place, "use", f"there is no folder {folder} with {HEAD}.")
            for layer, top in found:
                if top is not None:
                    self._take(layer, folder, top)
        for layer, top in self.tops:
            self._take(layer, self.document, top)
        return [*used, self.document]

    def entries_with_rules(self, folders: list[str]) -> dict[str, Entry]:
        """All entries with the rules of their files, layer over layer, folder over folder."""
        files = {name: self._file_of(name) for name in self.entries}
        rules: dict[str, dict[str, Rule]] = {}
        for layer in self.stack:
            for name, file in files.items():
                for folder in dict.fromkeys((*self.homes[name], self.document)):
                    path = layer.folder / folder / file
                    if path.is_file():
                        source = self._read(path, folder, layer)
                        found = read_rules(source, f"{folder}/{file}", layer.name)
                        rules.setdefault(name, {}).update({rule.name: rule for rule in found})
            for folder in folders:
                self._no_stray_files(layer, folder, set(files.values()))
        for name, entry in self.entries.items():
            if name not in rules:
                raise MappingFault.at(entry.place, name, f"its file {files[name]} is missing.")
        return {
            name: with_rules(entry, tuple(rules[name].values()))
            for name, entry in self.entries.items()
        }

    def _head(self, layer: Layer, folder: str) -> Located | None:
        path = layer.folder / folder / HEAD
        if not path.is_file():
            return None
        top = self._read(path, folder, layer)
        known_keys(top, TOP_KEYS, Place(f"{folder}/{HEAD}", 1, layer.name), "")
        return top

    def _take(self, layer: Layer, folder: str, top: Located) -> None:
        for part, values in self.merged.items():
            _merge(values, top.get(part) or {}, self.base)
        for name, raw in (top.get("resources") or {}).items():
            line = top["resources"].lines[name]
            self.homes.setdefault(name, []).append(folder)
            self.entries[name] = read_entry(name, raw, Place(f"{folder}/{HEAD}", line, layer.name))

    def _read(self, path: Path, folder: str, layer: Layer) -> Located:
        self.digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return read_yaml(path, file=f"{folder}/{path.name}", layer=layer.name)

    def _file_of(self, name: str) -> str:
        entry = self.entries[name]
        if entry.file:
            return entry.file
        several = sum(other.type == entry.type for other in self.entries.values()) > 1
        return f"{entry.type}.{name}.yaml" if several else f"{entry.type}.yaml"

    def _no_stray_files(self, layer: Layer, folder: str, known: set[str]) -> None:
        for path in sorted((layer.folder / folder).glob("*.yaml")):
            if path.name != HEAD and path.name not in known:
                place = Place(f"{folder}/{path.name}", 1, layer.name)
                raise MappingFault.at(place, "", f"no entry of {HEAD} uses this file.")


def _tables(stack: tuple[Layer, ...], digest: "hashlib._Hash") -> Mapping[str, CodeTable]:
    """All code tables; a table of a later layer stands in the place of one of the same name."""
    tables: dict[str, CodeTable] = {}
    for layer in stack:
        own: dict[str, CodeTable] = {}
        for path in sorted((layer.folder / "codes").glob("*.yaml")):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
            stat = path.stat()
            for name, table in _table_file(
                path, layer.name, stat.st_mtime_ns, stat.st_size
            ).items():
                if name in own:
                    message = f"the table stands in {own[name].place} too."
                    raise MappingFault.at(table.place, name, message)
                own[name] = table
        tables |= own
    return tables


@cache
def _table_file(path: Path, layer: str, modified: int, size: int) -> Mapping[str, CodeTable]:
    """One code file, read once for all documents; `modified` and `size` tell a changed one."""
    file = f"codes/{path.name}"
    return read_tables(read_yaml(path, file=file, layer=layer), file, layer)


def _merge(into: dict[str, Json], values: Mapping[str, Json], base: str) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            slot = into.setdefault(name, {})
            _merge(slot, value, base)
        else:
            into[name] = value.replace("{base}", base) if isinstance(value, str) else value
