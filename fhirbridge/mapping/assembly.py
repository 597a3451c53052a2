"""Resources -> one document: find which resource is which, walk them, put the parts together.

The result is proved by encoding it again: every primitive that was read must come out the same,
else it is listed. So nothing that decode took can hide a loss (laws 3 and 5, design.md section 6).
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote
from uuid import UUID

from fhirbridge.errors import Issue, Severity
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.decoder import Decoder
from fhirbridge.mapping.expanders import EXPANDERS
from fhirbridge.mapping.instances import key_of
from fhirbridge.mapping.matching import Found, Matched, classify
from fhirbridge.mapping.merging import COPIED_KEY, merge_native, nest, prune
from fhirbridge.mapping.paths import Segment, parse
from fhirbridge.mapping.selecting import values_at
from fhirbridge.mapping.template import Leaf
from fhirbridge.mapping.walked import Seen, Walked

_Mark = tuple[int, Hashable]  # number of a leaf, and what it wrote

_NAMESPACE = UUID(int=0)  # ids are not compared, so any namespace serves the proof


@dataclass(frozen=True, slots=True)
class DecodedDocument:
    """A document from resources, not yet loaded (checked), and everything that did not fit."""

    document: JsonObject
    issues: tuple[Issue, ...]


@dataclass(slots=True)
class _Part:
    """One resource, walked: its native object, and the anchor item that an occurrence is of."""

    found: Found
    walked: Walked
    anchor_key: str = ""

    @property
    def native(self) -> JsonObject:
        return self.walked.sink.values

    @property
    def identified(self) -> JsonObject:
        """The native object with the fields by which it was found."""
        return {**self.native.get(COPIED_KEY, {}), **self.native}


@dataclass(slots=True)
class _Assembly:
    mapping: Mapping
    matched: Matched
    parts: list[_Part]
    issues: list[Issue] = field(default_factory=list)
    by_position: dict[int, _Part] = field(init=False)

    def __post_init__(self) -> None:
        self.by_position = {part.found.position: part for part in self.parts}

    def part_at(self, reference: str) -> _Part | None:
        position = self.matched.positions.get(reference)
        return self.by_position.get(position) if position is not None else None

    def key_behind(self, entries: tuple[str, ...], reference: str) -> str | None:
        """The native key of the resource a reference points to, for codec `reference`."""
        part = self.part_at(reference)
        if part is None or part.found.entry not in entries:
            return None
        key = self.native_key(part)
        return key if isinstance(key, str) else None

    def native_key(self, part: _Part) -> Json:
        """The identifying value of a part: its id, else the last field of its key."""
        entry = self.mapping.pack.entries[part.found.entry]
        native = part.identified
        own = native.get("id")
        return own if own is not None else native.get(entry.key[-1].split("|")[-1])


def decode(mapping: Mapping, resources: Iterable[tuple[str, Resource]]) -> DecodedDocument:
    """Decode `(fullUrl, resource)` pairs into a document. Never raises for content."""
    templates = {name: item.template for name, item in mapping.compiled.items()}
    matched = classify(templates, list(resources))
    parts = [
        _Part(found, Decoder(templates[found.entry], matched.points).walk(found.resource))
        for found in matched.found
    ]
    work = _Assembly(mapping, matched, parts, list(matched.issues))
    for part in parts:
        for step in part.walked.codecs:
            step(work)
    repeating = [part for part in parts if templates[part.found.entry].repeats]
    for part in parts:
        if not templates[part.found.entry].repeats:
            _name_missing(work, part)
    for part in parts:
        for step in part.walked.keys:
            step(work)
    for part in repeating:
        _drop_unidentified(work, part)
    for steps in ([p.walked.references for p in parts], [p.walked.collectors for p in parts]):
        for step in (step for several in steps for step in several):
            step(work)
    document = _assemble(work)
    work.issues += [issue for part in parts for issue in part.walked.issues]
    _prove(work, document)
    return DecodedDocument(document, tuple(work.issues))


def _name_missing(work: _Assembly, part: _Part) -> None:
    """A resource made elsewhere has no key of ours: its FHIR id serves, and that is said."""
    entry = work.mapping.pack.entries[part.found.entry]
    if entry.expand:
        part.anchor_key = _anchor_key(work, part)
        return
    name = entry.key[-1].split("|")[-1]
    if name in part.native or name.startswith("/"):
        return
    resource_id = part.found.resource.get("id") or f"{entry.name}-{part.found.position}"
    part.native[name] = resource_id
    text = f"The resource has no identifier of ours; its id became the document's {name}."
    path = f"Bundle.entry[{part.found.position}].resource"
    work.issues.append(Issue("informational", text, "information", (path,)))


def _drop_unidentified(work: _Assembly, part: _Part) -> None:
    """A resource that only says more about an item is of no use if nothing tells which one."""
    entry = work.mapping.pack.entries[part.found.entry]
    if entry.key[-1].split("|")[-1] in part.identified:
        return
    part.native.clear()
    text = "Nothing tells which item of the document the resource is about; it is not carried over."
    path = f"Bundle.entry[{part.found.position}].resource"
    work.issues.append(Issue("not-supported", text, "warning", (path,)))


def _anchor_key(work: _Assembly, part: _Part) -> str:
    """Which anchor item an occurrence belongs to: by its identifier, else along `find`."""
    template = work.mapping.compiled[part.found.entry].template
    for value in values_at(part.found.resource, _without_slices(template.key_path)):
        pieces = value.split("/") if isinstance(value, str) else []
        if len(pieces) >= 2:
            return unquote(pieces[-2])
    find = template.entry.find
    if isinstance(find, dict):
        for path, entry in find.items():
            for value in values_at(part.found.resource, parse(f"{path}.reference")):
                key = work.key_behind((entry,), value)
                if key is not None:
                    return key
    return ""


def _without_slices(path: tuple[Segment, ...]) -> tuple[Segment, ...]:
    return tuple(Segment(s.name, s.bracket if s.selector else None) for s in path)


def _assemble(work: _Assembly) -> JsonObject:
    document: JsonObject = {}
    shape = work.mapping.shape
    occurrences: dict[str, dict[str, list[JsonObject]]] = {}
    for part in work.parts:
        entry = work.mapping.pack.entries[part.found.entry]
        if entry.expand:
            occurrences.setdefault(entry.name, {}).setdefault(part.anchor_key, []).append(
                part.native
            )
        elif entry.list_path:
            merge_native(document, nest(entry.list_path, [part.native]), shape)
        else:
            whole = part.native if entry.of == "." else nest(entry.of, part.native)
            merge_native(document, whole, shape)
    for name, groups in occurrences.items():
        entry = work.mapping.pack.entries[name]
        anchors = document.get(entry.list_path, [])
        known = {anchor.get("id"): anchor for anchor in anchors if isinstance(anchor, dict)}
        for key, found in groups.items():
            _collapse(work, document, entry.expand, known.get(key), found)
    pruned: JsonObject = prune(document)
    return pruned


def _collapse(
    work: _Assembly, document: JsonObject, expander: str, anchor: Json, found: list[JsonObject]
) -> None:
    if anchor is None:
        text = "Occurrences of a series that is not in the bundle are not carried over."
        work.issues.append(Issue("not-supported", text, "warning"))
        return
    try:
        collapsed = EXPANDERS[expander].collapse(anchor, found)
    except (KeyError, ValueError, TypeError):
        text = "A series cannot be rebuilt from its resource; its occurrences are not carried over."
        work.issues.append(Issue("not-supported", text, "warning"))
        return
    work.issues.extend(collapsed.issues)
    for name, entries in collapsed.lists.items():
        merge_native(document, {name: entries}, work.mapping.shape)


def _prove(work: _Assembly, document: JsonObject) -> None:
    """List what was read and does not come out the same when the document is encoded again."""
    try:
        again = work.mapping.encode(document, _NAMESPACE, trace=True, raw=True)
    except (KeyError, ValueError, TypeError, AttributeError):
        text = "The document is too incomplete to be checked against what it was made from."
        work.issues.append(Issue("incomplete", text, "warning"))
        return
    names = {
        item.instance.reference: (item.instance.entry.name, item.instance.key)
        for item in again.resources
    }
    written: dict[tuple[str, tuple[str, ...]], Counter[_Mark]] = {}
    for item in again.resources:
        place = (item.instance.entry.name, item.instance.key)
        counter = written.setdefault(place, Counter())
        for leaf, value in item.written:
            counter[leaf, _told(value, names)] += 1
    keys = _keys(work, document)
    for part in work.parts:
        key = keys.get(part.found.position)
        known = written.get((part.found.entry, key)) if key is not None else None
        _compare(work, part, known, keys)


def _keys(work: _Assembly, document: JsonObject) -> dict[int, tuple[str, ...]]:
    """The key under which each part's resource is encoded again."""
    keys: dict[int, tuple[str, ...]] = {}
    for part in work.parts:
        entry = work.mapping.pack.entries[part.found.entry]
        native = (
            {**part.native, "schedule": {"id": part.anchor_key}}
            if entry.expand
            else part.identified
        )
        keys[part.found.position] = key_of(entry, native, document)
    return keys


def _compare(
    work: _Assembly,
    part: _Part,
    counter: Counter[_Mark] | None,
    keys: dict[int, tuple[str, ...]],
) -> None:
    if counter is None:
        text = "The resource has no place in the document that was made; it is not carried over."
        path = f"Bundle.entry[{part.found.position}].resource"
        work.issues.append(Issue("not-supported", text, "warning", (path,)))
        return
    told = {issue.expression for issue in part.walked.issues}
    for seen in part.walked.seen:
        mark = (seen.leaf.number, _told_again(work, seen, keys))
        if counter[mark] > 0:
            counter[mark] -= 1
        elif (seen.path,) not in told:
            work.issues.append(_differs(seen))


def _differs(seen: Seen) -> Issue:
    rule = seen.leaf.rule
    if rule.stamp:
        text = "The time differs from the document's: the resource changed at another time."
    elif seen.leaf.kind in ("const", "link") or rule.copy:
        text = "The value differs from what the document says here; it is not carried over."
    else:
        text = "The value is carried over in part only, or not at all."
    severity: Severity = "information" if rule.stamp else "warning"
    return Issue("value", text, severity, (seen.path,), str(rule.place))


def _told(value: Json, names: dict[str, tuple[str, tuple[str, ...]]]) -> Hashable:
    if isinstance(value, str):
        return names.get(value, value)
    return _exact(value)


def _told_again(work: _Assembly, seen: Seen, keys: dict[int, tuple[str, ...]]) -> Hashable:
    value = seen.value
    if not isinstance(value, str):
        return _exact(value)
    part = work.part_at(value) if _is_reference(seen.leaf) else None
    return value if part is None else (part.found.entry, keys[part.found.position])


def _is_reference(leaf: Leaf) -> bool:
    return leaf.kind == "link" or (leaf.codec is not None and bool(leaf.codec.targets))


def _exact(value: Json) -> Hashable:
    """What is the same only for the same value in the same digits: `1`, `1.0` and true differ."""
    return type(value).__name__, str(getattr(value, "text", value))
