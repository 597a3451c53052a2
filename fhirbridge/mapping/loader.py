"""Find, read and layer mapping packs. A bad file fails at start-up.

A pack is a folder with one folder per document and `codes/`. A site's own pack is laid over ours
rule by rule: same document, entry and rule name replace; new ones are added.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import cast

from fhirbridge.jsontypes import Json
from fhirbridge.mapping.codes import read_tables
from fhirbridge.mapping.model import (
    CONTENT_CLASSES,
    CodeTable,
    Entry,
    MappingFault,
    Pack,
    Place,
    Rule,
    RuleForm,
    Scope,
)
from fhirbridge.mapping.yaml_source import Located, read_yaml

_FORMS: tuple[RuleForm, ...] = ("const", "link", "each", "native")
_RULE_KEYS = frozenset(
    [
        "native",
        "const",
        "link",
        "each",
        "fhir",
        "codec",
        "copy",
        "one-way",
        "reason",
        "carry",
        "absent",
        "if",
        "class",
        "required",
        "key",
        "rules",
    ]
)
_ENTRY_KEYS = frozenset(
    ["type", "of", "key", "scope", "identity", "file", "identifier", "find", "expand", "class"]
)
_TOP_KEYS = frozenset(
    ["pack", "version", "document", "systems", "extensions", "slices", "excused", "resources"]
)


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
    stack = tuple(stack)
    tops: list[tuple[Layer, Located]] = []
    rules: dict[str, dict[str, Rule]] = {}
    entries: dict[str, Entry] = {}
    digest = hashlib.sha256()
    merged: dict[str, dict[str, Json]] = {
        k: {} for k in ("systems", "extensions", "slices", "excused")
    }
    for layer in stack:
        folder = layer.folder / document
        head = folder / "mapping.yaml"
        if not head.is_file():
            continue
        top = _read(head, document, layer, digest)
        tops.append((layer, top))
        place = Place(f"{document}/mapping.yaml", 1, layer.name)
        _known_keys(top, _TOP_KEYS, place, "")
        for part, values in merged.items():
            _merge(values, top.get(part) or {}, base)
        for name, raw in (top.get("resources") or {}).items():
            entries[name] = _entry(
                name, raw, Place(place.file, top["resources"].lines[name], layer.name)
            )
    if not tops:
        raise MappingFault.at(Place(f"{document}/mapping.yaml", 0), "", "the file is missing.")
    files = {name: _file_of(name, entries) for name in entries}
    for layer in stack:
        for name, file in files.items():
            path = layer.folder / document / file
            if path.is_file():
                source = _read(path, document, layer, digest)
                found = _rules(source, f"{document}/{file}", layer.name)
                rules.setdefault(name, {}).update({rule.name: rule for rule in found})
        _no_stray_files(layer, document, set(files.values()))
    for name in entries:
        if name not in rules:
            raise MappingFault.at(entries[name].place, name, f"its file {files[name]} is missing.")
    complete = {
        name: _with_rules(entry, tuple(rules[name].values())) for name, entry in entries.items()
    }
    last = tops[0][1]
    return Pack(
        document=document,
        name="+".join(str(top.get("pack", layer.name)) for layer, top in tops),
        version="+".join(str(top.get("version", "0")) for _, top in tops),
        hash=digest.hexdigest()[:16],
        base=base,
        systems=merged["systems"],
        extensions=merged["extensions"],
        slices=merged["slices"],
        excused=merged["excused"],
        entries=complete,
        tables=_tables(stack),
        place=Place(f"{document}/mapping.yaml", last.line),
    )


@cache
def _cached_tables(stack: tuple[Layer, ...]) -> Mapping[str, CodeTable]:
    tables: dict[str, CodeTable] = {}
    for layer in stack:
        for path in sorted((layer.folder / "codes").glob("*.yaml")):
            file = f"codes/{path.name}"
            source = read_yaml(path, file=file, layer=layer.name)
            tables.update(read_tables(source, file, layer.name))
    return tables


def _tables(stack: tuple[Layer, ...]) -> Mapping[str, CodeTable]:
    return _cached_tables(stack)


def _read(path: Path, document: str, layer: Layer, digest: "hashlib._Hash") -> Located:
    digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return read_yaml(path, file=f"{document}/{path.name}", layer=layer.name)


def _merge(into: dict[str, Json], values: Mapping[str, Json], base: str) -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            slot = into.setdefault(name, {})
            _merge(slot, value, base)
        else:
            into[name] = value.replace("{base}", base) if isinstance(value, str) else value


def _file_of(name: str, entries: Mapping[str, Entry]) -> str:
    entry = entries[name]
    shared = sum(other.type == entry.type for other in entries.values()) > 1
    return f"{entry.type}.{name}.yaml" if shared else f"{entry.type}.yaml"


def _no_stray_files(layer: Layer, document: str, known: set[str]) -> None:
    for path in sorted((layer.folder / document).glob("*.yaml")):
        if path.name != "mapping.yaml" and path.name not in known:
            place = Place(f"{document}/{path.name}", 1, layer.name)
            raise MappingFault.at(place, "", "no entry of mapping.yaml uses this file.")


def _entry(name: str, raw: Json, place: Place) -> Entry:
    if not isinstance(raw, Located):
        raise MappingFault.at(place, name, "an entry is a mapping with type, of and key.")
    _known_keys(raw, _ENTRY_KEYS, place, name)
    for needed in ("type", "of", "key", "class"):
        if not raw.get(needed):
            raise MappingFault.at(place, name, f"an entry needs {needed}.")
    key = raw["key"]
    scope = cast(Scope, raw.get("scope", "record"))
    if scope not in ("source", "record", "enrollment", "global"):
        raise MappingFault.at(place, name, "scope is source, record, enrollment or global.")
    _check_class(raw["class"], place, name)
    shared = scope in ("source", "global")
    return Entry(
        name=name,
        type=str(raw["type"]),
        of=str(raw["of"]),
        key=tuple(str(part) for part in key) if isinstance(key, list) else (str(key),),
        scope=scope,
        identity=str(raw.get("identity") or (raw["type"] if shared else name)),
        content_class=str(raw["class"]),
        place=place,
        find=raw.get("find"),
        expand=str(raw.get("expand") or ""),
        identifier=str(raw.get("identifier") or "own"),
    )


def _with_rules(entry: Entry, rules: tuple[Rule, ...]) -> Entry:
    return replace(entry, rules=tuple(_classed(rule, entry.content_class) for rule in rules))


def _classed(rule: Rule, inherited: str) -> Rule:
    own = rule.content_class or inherited
    return replace(rule, content_class=own, rules=tuple(_classed(r, own) for r in rule.rules))


def _rules(source: Located, file: str, layer: str) -> list[Rule]:
    place = Place(file, 1, layer)
    _known_keys(source, frozenset({"rules", "class"}), place, "")
    raw = source.get("rules")
    if not isinstance(raw, Located):
        raise MappingFault.at(place, "", "the file needs `rules:`, a mapping of names to rules.")
    return [_rule(name, value, Place(file, raw.lines[name], layer)) for name, value in raw.items()]


def _rule(name: str, raw: Json, place: Place) -> Rule:
    if not isinstance(raw, Located):
        raise MappingFault.at(place, name, "a rule is a mapping.")
    _known_keys(raw, _RULE_KEYS, place, name)
    forms = [form for form in _FORMS if form in raw]
    if len(forms) != 1:
        raise MappingFault.at(place, name, "a rule has exactly one of native, const, link, each.")
    if "fhir" not in raw:
        raise MappingFault.at(place, name, "a rule needs fhir, the path it writes.")
    one_way = raw.get("one-way")
    if one_way not in (None, "encode", "decode"):
        raise MappingFault.at(place, name, "one-way is encode or decode.")
    if one_way and not raw.get("reason"):
        raise MappingFault.at(place, name, "a one-way rule needs a reason.")
    if raw.get("class"):
        _check_class(raw["class"], place, name)
    nested = raw.get("rules")
    if forms == ["each"]:
        if not isinstance(nested, Located):
            raise MappingFault.at(place, name, "each needs nested rules.")
        if not raw.get("key"):
            raise MappingFault.at(place, name, "each needs key: a field, `.` or `ordered`.")
    children = (
        tuple(
            _rule(child, value, Place(place.file, nested.lines[child], place.layer))
            for child, value in nested.items()
        )
        if isinstance(nested, Located)
        else ()
    )
    return Rule(
        name=name,
        form=forms[0],
        fhir=str(raw["fhir"]),
        place=place,
        native=str(raw.get("native") or ""),
        const=raw.get("const"),
        link=str(raw.get("link") or ""),
        each=str(raw.get("each") or ""),
        codec=str(raw.get("codec") or ""),
        copy=bool(raw.get("copy")),
        direction=one_way or "both",
        reason=str(raw.get("reason") or ""),
        carry=str(raw.get("carry") or ""),
        absent=str(raw.get("absent") or ""),
        condition=str(raw.get("if") or ""),
        content_class=str(raw.get("class") or ""),
        required=bool(raw.get("required")),
        key=str(raw.get("key") or ""),
        rules=children,
    )


def _check_class(value: Json, place: Place, name: str) -> None:
    if value not in CONTENT_CLASSES:
        known = ", ".join(CONTENT_CLASSES)
        raise MappingFault.at(place, name, f"class is one of {known}.")


def _known_keys(raw: Located, known: frozenset[str], place: Place, name: str) -> None:
    for key in raw:
        if key not in known:
            line = raw.lines.get(key, place.line)
            where = Place(place.file, line, place.layer)
            raise MappingFault.at(where, name, f"`{key}` is not a word of the mapping language.")
