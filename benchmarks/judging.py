"""Who notices a mutant: the check of the pack, a golden Bundle, or a law on its document."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from benchmarks.mutants import Mutant
from benchmarks.timing import ROOT
from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mapping
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.mapping.check import check
from fhirbridge.mapping.compiler import Compiled, Mapping, compile_entry
from fhirbridge.mapping.decoder import Decoder
from fhirbridge.mapping.template import ArrayNode, Child, Leaf, Template
from fhirbridge.native import documents
from fhirbridge.native.documents import Kind

By = Literal["check", "golden", "law", "same", "nobody"]
IDENTITY = Identity()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant; `why` says how it was noticed, or why it cannot be."""

    mutant: str
    by: By
    why: str = ""


class Case:
    """One fixture: its document, what each entry of it becomes, and what is read from that."""

    def __init__(self, folder: Path, mapping: Mapping) -> None:
        data = wire.parse((folder / "native.json").read_bytes())
        self.name = folder.name
        self._mapping = mapping
        document = documents.load(documents.kind_of(data), data)
        self.plan = mapping.plan(document.data, IDENTITY.namespace)
        self._made: dict[str, bytes] = {}
        self._read: dict[str, bytes] = {}

    def made(self, entry: str) -> bytes:
        """The resources of one entry, as they are without a mutant."""
        if entry not in self._made:
            self._made[entry] = self.encoded(self._mapping.compiled[entry])
        return self._made[entry]

    def read(self, entry: str) -> bytes:
        """What is read from them, without a mutant."""
        if entry not in self._read:
            self._read[entry] = self.decoded(self._mapping.compiled[entry])
        return self._read[entry]

    def encoded(self, item: Compiled) -> bytes:
        """The resources of one entry and what was said of them, to be compared."""
        result = self.plan.encode(item)
        said = [[*issue.expression, issue.diagnostics] for issue in result.issues]
        return wire.dump({"made": [one.resource for one in result.resources], "said": said})

    def decoded(self, item: Compiled) -> bytes:
        """What one entry reads from its golden resources, and what it says of them."""
        decoder = Decoder(item.template, self._points)
        told = []
        for resource in self._golden[item.entry.name]:
            walked = decoder.walk(resource)
            steps = (walked.codecs, walked.keys, walked.references, walked.collectors)
            for step in (step for several in steps for step in several):
                step(self)
            seen = sorted(one.path for one in walked.seen)
            issues = [[*issue.expression, issue.diagnostics] for issue in walked.issues]
            told.append([walked.sink.values, issues, seen])
        return wire.canonical({"read": told})

    def key_behind(self, entries: tuple[str, ...], reference: str) -> str | None:
        """The native key of the resource a reference points to, for codec `reference`."""
        return next(
            (
                instance.native_key
                for name in entries
                for instance in self.plan.instances[name]
                if instance.reference == reference
            ),
            None,
        )

    def _points(self, reference: str, entry: str) -> bool:
        return reference in self._references[entry]

    @cached_property
    def _references(self) -> dict[str, set[str]]:
        return {
            name: {instance.reference for instance in found}
            for name, found in self.plan.instances.items()
        }

    @cached_property
    def _golden(self) -> dict[str, list[Resource]]:
        return {
            name: [one.resource for one in self.plan.encode(item).resources]
            for name, item in self._mapping.compiled.items()
        }


class Judge:
    """Holds the mutants of one document's mapping against everything that could notice them."""

    def __init__(self, kind: Kind) -> None:
        self.mapping = load_mapping(kind, base=DEFAULT_BASE)
        folders = sorted(path.parent for path in ROOT.glob(f"fixtures/{kind}/*/native.json"))
        # the fullest first: it notices most
        folders.sort(key=lambda folder: -(folder / "bundle.json").stat().st_size)
        folders.sort(key=lambda folder: folder.name != "maximal")
        self.cases = [Case(folder, self.mapping) for folder in folders]

    def judge(self, mutant: Mutant) -> Verdict:
        """The first who notices."""
        entry = replace(self.mapping.pack.entries[mutant.entry], rules=mutant.rules)
        pack = replace(
            self.mapping.pack, entries={**self.mapping.pack.entries, mutant.entry: entry}
        )
        proven = {name: one for name, one in self._templates.items() if name != entry.name}
        faults = check(pack, self.mapping.shape, proven=proven)
        if faults:
            return Verdict(str(mutant), "check", faults[0].diagnostics)
        changed = compile_entry(pack, entry)
        if meaning(changed.template) == meaning(self._templates[entry.name]):
            return Verdict(str(mutant), "same", "both directions run over the same tree")
        for case in self.cases:
            if _raises_or_differs(case.encoded, changed, case.made(entry.name)):
                return Verdict(str(mutant), "golden", case.name)
        for case in self.cases:
            if _raises_or_differs(case.decoded, changed, case.read(entry.name)):
                return Verdict(str(mutant), "law", case.name)
        return Verdict(str(mutant), "nobody")

    @cached_property
    def _templates(self) -> dict[str, Template]:
        return {name: item.template for name, item in self.mapping.compiled.items()}


def _raises_or_differs(act: Callable[[Compiled], bytes], item: Compiled, expected: bytes) -> bool:
    try:
        return act(item) != expected
    except Exception:
        return True  # a test that runs into it fails


def meaning(template: Template) -> str:
    """All that encode and decode run by. Two templates of one meaning do the same.

    Names, lines and content classes of rules are no part of it, the order of list items is.
    """
    key = template.key_leaf
    return f"{_tree(template.root)} key {_leaf(key) if key is not None else ''} {template.key_path}"


def _tree(child: Child) -> str:
    if isinstance(child, Leaf):
        return _leaf(child)
    if isinstance(child, ArrayNode):
        slots = (
            f"({slot.kind} {slot.constraints} {_each(slot.each)} {slot.native} {_tree(slot.item)})"
            for slot in child.slots
        )
        return f"[{' '.join(slots)}]"
    return f"{{{', '.join(f'{name}: {_tree(below)}' for name, below in child.children.items())}}}"


def _each(rule: object) -> str:
    parts = ("key", "where", "condition", "copy", "direction", "form")
    return "" if rule is None else " ".join(str(getattr(rule, name)) for name in parts)


def _leaf(leaf: Leaf) -> str:
    rule, codec = leaf.rule, leaf.codec
    when = (leaf.kind, rule.condition, rule.required)
    if leaf.kind == "const":
        return f"<{when} {leaf.const!r}>"
    if leaf.kind == "link":
        return f"<{when} {leaf.targets}>"
    rows = ""
    if codec is not None and codec.table is not None:
        rows = str([(row.native, row.fhir, row.display) for row in codec.table.rows])
    word = rule.codec.partition(" ")[0] if rows else rule.codec
    told = (leaf.native, word, rows, rule.copy, rule.direction, rule.carry, rule.narrow)
    narrows = leaf.narrows.rule.name if leaf.narrows is not None else ""
    return f"<{when} {told} {rule.absent} {rule.stamp} {leaf.identifies} {narrows}>"
