"""What a trial of a server found, for people and for programs."""

from collections import Counter
from dataclasses import dataclass, field

from fhirbridge.jsontypes import JsonObject
from fhirbridge.sandbox.compare import Difference


@dataclass(frozen=True, slots=True)
class Check:
    """One question put to the server; `holds` is None where it could not be asked."""

    name: str
    holds: bool | None
    words: str

    def to_json(self) -> JsonObject:
        """The check for programs."""
        return {"name": self.name, "holds": self.holds, "words": self.words}


@dataclass(slots=True)
class Report:
    """A trial, as far as it came."""

    url: str
    software: str = ""
    fhir_version: str = ""
    rung: str = ""
    losses: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)

    @property
    def is_fit(self) -> bool:
        """True if the server can take our handoffs: nothing failed, was changed or stayed."""
        failed = any(check.holds is False for check in self.checks)
        return not (failed or self.differences or self.left_behind)

    def note(self, name: str, holds: bool | None, words: str) -> bool:
        """Add a check; returns whether it holds."""
        self.checks.append(Check(name, holds, words))
        return holds is True

    def counted(self) -> list[tuple[Difference, int]]:
        """Each difference once, with how often it was seen."""
        return sorted(Counter(self.differences).items())

    def to_json(self) -> JsonObject:
        """The report for programs."""
        return {
            "url": self.url,
            "software": self.software,
            "fhirVersion": self.fhir_version,
            "rung": self.rung,
            "losses": self.losses,
            "checks": [check.to_json() for check in self.checks],
            "differences": [
                {"path": one.path, "kind": one.kind, "count": count}
                for one, count in self.counted()
            ],
            "leftBehind": self.left_behind,
            "fit": self.is_fit,
        }
