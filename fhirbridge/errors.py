"""What can go wrong, in the words of FHIR: `Issue`, and the few kinds of `BridgeError`.

Expected findings are values (`Issue` in a list); broken contracts are exceptions that carry
issues. `web/errors.py` and `cli/main.py` are the only places that turn them into answers.
Source: R4 operationoutcome.html, http.html#status-codes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

Severity = Literal["fatal", "error", "warning", "information"]

# Codes of http://hl7.org/fhir/issue-type that make a refused body a 422; all others are 400.
# Source: fhir-rest.md row 14 (400 structure, 422 invariant, profile, reference, business rule).
_UNPROCESSABLE = frozenset({"invariant", "business-rule", "not-found", "conflict", "duplicate"})


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding. `diagnostics` is a full sentence and never holds a value from a record.

    `expression` holds FHIRPaths (resources) or JSON paths (documents); `rule` is a stable key of
    the check or the mapping line that found it, e.g. `enrollment/CarePlan.yaml:12`.
    """

    code: str
    diagnostics: str
    severity: Severity = "error"
    expression: tuple[str, ...] = ()
    rule: str = ""

    @property
    def is_error(self) -> bool:
        """True for the severities that refuse a body."""
        return self.severity in ("fatal", "error")

    def to_json(self) -> dict[str, object]:
        """The finding for programs, wherever it is not an OperationOutcome."""
        return {
            "severity": self.severity,
            "code": self.code,
            "expression": list(self.expression),
            "diagnostics": self.diagnostics,
            "rule": self.rule,
        }


class BridgeError(Exception):
    """A broken contract. Every subclass says which HTTP status it becomes."""

    status: ClassVar[int] = 500

    def __init__(self, *issues: Issue) -> None:
        if not issues:
            raise ValueError("a BridgeError needs at least one issue")
        self.issues: tuple[Issue, ...] = issues
        super().__init__(*issues)  # as it was made, so that it passes between processes

    def __str__(self) -> str:
        return "; ".join(issue.diagnostics for issue in self.issues)

    @property
    def http_status(self) -> int:
        """The HTTP status of the answer."""
        return self.status


class InvalidContent(BridgeError):
    """A body that cannot be accepted: 400 for its form, 422 when only its meaning is at fault."""

    @classmethod
    def of(cls, issues: Iterable[Issue]) -> "InvalidContent":
        """Make one from a list of findings, the errors first."""
        return cls(*sorted(issues, key=lambda issue: not issue.is_error))

    @property
    def http_status(self) -> int:
        errors = [issue for issue in self.issues if issue.is_error]
        return 422 if errors and all(i.code in _UNPROCESSABLE for i in errors) else 400


class NotAuthenticated(BridgeError):
    """No credential, or one that is not accepted."""

    status = 401


class Forbidden(BridgeError):
    """Known caller, not allowed; at the command line exit code 3."""

    status = 403


class NotFound(BridgeError):
    """It is not there, or not for this caller: both look the same."""

    status = 404


class NotSupported(BridgeError):
    """An interaction, search or operation that this server does not offer."""

    status = 405


class NotAcceptable(BridgeError):
    """The answer cannot be written in a format that the caller accepts."""

    status = 406


class Conflict(BridgeError):
    """The state of the record does not allow it."""

    status = 409


class Gone(BridgeError):
    """The resource was deleted."""

    status = 410


class PreconditionFailed(BridgeError):
    """If-Match, or a conditional interaction with several matches."""

    status = 412


class TooLarge(BridgeError):
    """A body over the documented limit."""

    status = 413


class UnsupportedMedia(BridgeError):
    """A Content-Type that is not FHIR JSON (or XML, or a patch)."""

    status = 415


class Misconfigured(BridgeError):
    """Settings, mapping pack or database that do not let the program start; exit code 2."""

    status = 500


class Unavailable(BridgeError):
    """The database cannot be written now (locked, disk full); later it may."""

    status = 503


class PartnerUnreachable(BridgeError):
    """No answer from a partner; at the command line exit code 4."""

    status = 502
