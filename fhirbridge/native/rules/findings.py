"""Collect findings by path, and turn them into issues with JSON paths."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fhirbridge.errors import Issue, Severity
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.blanks import Path, Positions
from fhirbridge.native.dates import to_datetime

_UNREAD = ("type", "form", "code", "range", "exactness", "characters")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Finding:
    """An issue whose place is still a path."""

    path: Path
    sentence: str
    rule: str
    severity: Severity
    code: str


@dataclass(slots=True)
class Findings:
    """What the checks of one document found, in the order in which they ran."""

    found: list[Finding] = field(default_factory=list)

    def error(self, path: Path, sentence: str, rule: str, *, code: str = "invariant") -> None:
        """Refuse the document."""
        self.found.append(Finding(path, sentence, rule, "error", code))

    def warn(self, path: Path, sentence: str, rule: str, *, code: str = "business-rule") -> None:
        """Doubt something; the document travels."""
        self.found.append(Finding(path, sentence, rule, "warning", code))

    def inform(self, path: Path, sentence: str, rule: str) -> None:
        """Say something that may be meant so."""
        self.found.append(Finding(path, sentence, rule, "information", "informational"))

    @property
    def has_errors(self) -> bool:
        """True when the document is refused."""
        return any(finding.severity == "error" for finding in self.found)

    def issues(self, positions: Positions) -> tuple[Issue, ...]:
        """All findings as issues, with the paths of the input.

        What is refused at a place is not called missing as well.
        """
        unread = {finding.path for finding in self.found if finding.rule in _UNREAD}
        refused = {path[:1] for path in unread}
        return tuple(
            Issue(
                finding.code,
                finding.sentence,
                severity=finding.severity,
                expression=(json_path(positions.original(finding.path)),),
                rule=finding.rule,
            )
            for finding in self.found
            if not (finding.rule.startswith("expected-") and finding.path in refused)
            and not (finding.severity == "warning" and finding.path in unread)
        )


def json_path(path: Path) -> str:
    """Write a path as `$.schedule[0].tz`; a name that no schema would use becomes `*`."""
    steps = (
        f"[{step}]" if isinstance(step, int) else f".{step if _NAME.fullmatch(step) else '*'}"
        for step in path
    )
    return "$" + "".join(steps)


def entries(parent: JsonObject, name: str) -> Iterator[tuple[int, JsonObject]]:
    """The readable objects of a list, with their index."""
    for index, item in enumerate(parent.get(name) or ()):
        if isinstance(item, dict):
            yield index, item


def texts(parent: JsonObject, name: str) -> list[str]:
    """The readable texts of a list."""
    return [item for item in parent.get(name) or () if isinstance(item, str)]


def member(parent: JsonObject, name: str) -> JsonObject:
    """The object of that name, or an empty one."""
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def is_after(first: str, second: str) -> bool:
    """True when a date or instant lies after another; a date and an instant compare by day."""
    if len(first) == 10 or len(second) == 10:
        return first[:10] > second[:10]
    return to_datetime(first) > to_datetime(second)


def require_order(
    findings: Findings, parent: JsonObject, path: Path, *, first: str, second: str
) -> None:
    """Refuse two dates of one object whose order is wrong."""
    earlier, later = parent.get(first), parent.get(second)
    if earlier and later and is_after(earlier, later):
        findings.error((*path, second), f"`{second}` lies before `{first}`.", "date-order")


def require_chronology(
    findings: Findings, parent: JsonObject, path: Path, *, name: str, refuse: bool
) -> None:
    """Refuse, or doubt, a log whose entries go back in time."""
    latest: dict[str, Any] | None = None
    for index, entry in entries(parent, name):
        if latest and entry.get("at") and is_after(latest["at"], entry["at"]):
            report = findings.error if refuse else findings.warn
            report((*path, name, index, "at"), "The entries are not in time order.", "date-order")
        if entry.get("at"):
            latest = entry
