"""What mapping files say, as frozen values: packs, entries, rules and code tables."""

from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from typing import Literal

from fhirbridge.errors import Issue, Misconfigured
from fhirbridge.jsontypes import Json

PRESENT = "present"
ABSENT = "absent"

RuleForm = Literal["native", "const", "link", "each"]
Stamp = Literal["", "created", "changed"]
Direction = Literal["both", "encode", "decode"]
Scope = Literal["source", "record", "enrollment", "global"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written: file (relative to its pack), line, and the pack's layer name."""

    file: str
    line: int
    layer: str = "fhirbridge"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class MappingFault(Misconfigured):
    """A mapping pack that may not start; one issue per fault, each with file, line and rule."""

    @classmethod
    def at(cls, place: Place, rule: str, message: str) -> "MappingFault":
        """One fault."""
        return cls(fault(place, rule, message))


def fault(place: Place, rule: str, message: str) -> Issue:
    """A fault as an issue: `enrollment/CarePlan.yaml:12 rule level: …`."""
    named = f" rule {rule}" if rule else ""
    return Issue("invalid", f"{place}{named}: {message}", "fatal", rule=str(place))


@dataclass(frozen=True, slots=True)
class CodeRow:
    """One row of a code table."""

    native: str
    fhir: str
    display: str = ""
    place: Place = Place("", 0)


@dataclass(frozen=True, slots=True)
class CodeTable:
    """A code table; native -> FHIR is a function, FHIR -> native takes the first row."""

    name: str
    edition: str
    date: str
    vocabulary: str
    open: bool
    rows: tuple[CodeRow, ...]
    place: Place
    forward: MappingABC[str, CodeRow] = field(default_factory=dict)
    reverse: MappingABC[str, CodeRow] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Exactly one of `native`, `const`, `link`, `each` says its form."""

    name: str
    form: RuleForm
    fhir: str
    place: Place
    native: str = ""
    const: Json = None
    link: str = ""
    each: str = ""
    codec: str = ""
    copy: bool = False
    direction: Direction = "both"
    reason: str = ""
    carry: str = ""
    narrow: tuple[str, ...] = ()
    absent: str = ""
    condition: str = ""
    content_class: str = ""
    required: bool = False
    stamp: Stamp = ""  # when the resource was made, or last changed
    key: str = ""
    where: str = ""  # (each) the selection of items that it is about
    within: str = ""  # the selection in force: its own, or that of the each or entry around it
    rules: tuple["Rule", ...] = ()

    @property
    def reads(self) -> bool:
        """True when decode takes the native value from this rule."""
        return self.form in ("native", "each") and not self.copy and self.direction != "encode"


SliceConstraint = str | MappingABC[str, str]  # literal, "present", or {"link": entry}


@dataclass(frozen=True, slots=True)
class Entry:
    """One resource of a document: its type, native anchor, identity and rules."""

    name: str
    type: str
    of: str
    key: tuple[str, ...]
    scope: Scope
    identity: str
    content_class: str
    place: Place
    find: str | MappingABC[str, str] | None = None
    expand: str = ""
    identifier: str = "own"
    file: str = ""
    where: str = ""
    condition: str = ""  # only where one of these fields is present, `a|b`
    home: str = ""  # why this QuestionnaireResponse is the proper home of what it holds
    rules: tuple[Rule, ...] = ()

    @property
    def list_path(self) -> str:
        """The native list that the entry repeats over, without `[]`; empty for single anchors."""
        return self.of[:-2] if self.of.endswith("[]") else ""


@dataclass(frozen=True, slots=True)
class Pack:
    """The mapping of one document, layers merged."""

    document: str
    name: str
    version: str
    hash: str
    base: str
    systems: MappingABC[str, str]
    extensions: MappingABC[str, str]
    slices: MappingABC[str, MappingABC[str, MappingABC[str, SliceConstraint]]]
    excused: MappingABC[str, str]
    entries: MappingABC[str, Entry]
    tables: MappingABC[str, CodeTable]
    place: Place
