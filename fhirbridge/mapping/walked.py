"""What walking one resource gives: native values, what was seen, what is left to do."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.mapping import paths
from fhirbridge.mapping.codec import DecodeContext
from fhirbridge.mapping.merging import COPIED_KEY
from fhirbridge.mapping.model import Rule
from fhirbridge.mapping.template import Leaf, Template

Step = Callable[[DecodeContext], None]


@dataclass(slots=True)  # not frozen: one is made for every primitive, and that takes twice as long
class Seen:
    """One primitive that a leaf took."""

    leaf: Leaf
    path: str
    value: Json


@dataclass(slots=True)
class Sink:
    """A native object (or plain value, under the name `.`) being filled."""

    values: JsonObject = field(default_factory=dict)

    @property
    def copied(self) -> JsonObject:
        """Copied fields that tell which native item this is; not values of their own."""
        found: JsonObject = self.values.setdefault(COPIED_KEY, {})
        return found

    def set(self, path: str, value: Json) -> None:
        """Write a native path; `.` is the value itself."""
        if path == ".":
            self.values["."] = value
        else:
            paths.write(self.values, path, value)

    def plain(self) -> Json:
        """The value itself for lists of plain values, else the object."""
        return self.values.get(".", self.values)


@dataclass(slots=True)
class Walked:
    """What one resource gave."""

    template: Template
    resource: Resource
    sink: Sink = field(default_factory=Sink)
    seen: list[Seen] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    # Steps that follow in this order, over all resources of the bundle.
    codecs: list[Step] = field(default_factory=list)
    keys: list[Step] = field(default_factory=list)
    references: list[Step] = field(default_factory=list)
    collectors: list[Step] = field(default_factory=list)


@dataclass(slots=True)
class Coded:
    """A FHIR code and the native code carried beside it, until one is chosen."""

    sink: Sink
    rule: Rule
    path: str
    leaf: Leaf | None = None
    code: Json = None
    carried: Json = None
    told: dict[str, tuple[Leaf, Json]] = field(default_factory=dict)  # by narrowing rules


def coded(carried: dict[tuple[int, str], Coded], sink: Sink, rule: Rule, path: str) -> Coded:
    """What is known so far of the code that one rule reads into one native object."""
    return carried.setdefault((id(sink), rule.name), Coded(sink, rule, path))
