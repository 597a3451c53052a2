"""Issues <-> OperationOutcome, the one shape in which FHIR answers say what went wrong.

Source: R4 operationoutcome.html
"""

import re
from collections.abc import Iterable
from typing import cast, get_args

from fhirbridge.errors import Issue, Severity
from fhirbridge.jsontypes import JsonObject, Resource

# No string of FHIR may hold them, and words may quote what the caller named a parameter.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SEVERITIES = frozenset(get_args(Severity))


def to_outcome(issues: Iterable[Issue]) -> Resource:
    """Make the OperationOutcome that says the issues; without any it says that all is well."""
    entries = [_entry(issue) for issue in issues]
    if not entries:
        entries = [
            {
                "severity": "information",
                "code": "informational",
                "diagnostics": "No issues were found.",
            }
        ]
    return {"resourceType": "OperationOutcome", "issue": entries}


def from_outcome(outcome: Resource) -> list[Issue]:
    """Read the issues of an OperationOutcome that anybody wrote.

    What is missing or of a wrong type is replaced: severity `error`, code `processing`.
    """
    entries = outcome.get("issue")
    if not isinstance(entries, list):
        return []
    return [_issue(entry) for entry in entries if isinstance(entry, dict)]


def _entry(issue: Issue) -> JsonObject:
    entry: JsonObject = {
        "severity": issue.severity,
        "code": issue.code,
        "diagnostics": _CONTROL.sub("\ufffd", issue.diagnostics),
    }
    if issue.expression:
        entry["expression"] = list(issue.expression)
    return entry


def _issue(entry: JsonObject) -> Issue:
    severity = entry.get("severity")
    code = entry.get("code")
    expression = entry.get("expression") or entry.get("location") or []
    return Issue(
        code=code if isinstance(code, str) and code else "processing",
        diagnostics=_words(entry),
        severity=cast("Severity", severity) if severity in _SEVERITIES else "error",
        expression=tuple(e for e in expression if isinstance(e, str))
        if isinstance(expression, list)
        else (),
    )


def _words(entry: JsonObject) -> str:
    details = entry.get("details")
    details = details if isinstance(details, dict) else {}
    codings = details.get("coding")
    first = codings[0] if isinstance(codings, list) and codings else {}
    display = first.get("display") if isinstance(first, dict) else None
    for words in (entry.get("diagnostics"), details.get("text"), display):
        if isinstance(words, str) and words.strip():
            return words
    return "The server gave no explanation."
