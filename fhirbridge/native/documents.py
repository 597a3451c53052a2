"""Load native documents: refuse what cannot travel, speak of what is doubtful, normalise the rest.

Source: design.md section 5.
"""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, ValidationError

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native import walk
from fhirbridge.native.blanks import Path, drop_blanks
from fhirbridge.native.containers import Listing, Object
from fhirbridge.native.faults import Fault
from fhirbridge.native.rules import aftercare_plan, consents, enrollment, envelope, referral
from fhirbridge.native.rules.appointments import normal_start
from fhirbridge.native.rules.findings import Findings
from fhirbridge.native.shapes import KINDS, SCHEMAS, Kind, shape

__all__ = [
    "KINDS",
    "OWN_IDS",
    "Document",
    "InvalidDocument",
    "Kind",
    "dump",
    "kind_of",
    "load",
    "schema_of",
    "shape",
]

MAJOR, MINOR = 1, 0
_SCHEMA = re.compile(r"fhirbridge\.([a-z-]+)/(\d{1,3})(?:\.(\d{1,3}))?", re.ASCII)

# the field that repeats `recordId`
OWN_IDS: Mapping[Kind, str] = {
    "enrollment": "enrollmentId",
    "aftercare-plan": "planId",
    "referral": "referralId",
}
_RULES: Mapping[Kind, Callable[[JsonObject, Findings], None]] = {
    "enrollment": enrollment.check,
    "aftercare-plan": aftercare_plan.check,
    "referral": referral.check,
}

Upcaster = Callable[[JsonObject], JsonObject]
# kind -> the step from each lower minor version to the next
UPCASTERS: Mapping[Kind, Sequence[Upcaster]] = {kind: () for kind in KINDS}


class InvalidDocument(InvalidContent):
    """A native document that is refused; carries every finding, the errors first."""


@dataclass(frozen=True, slots=True)
class Document:
    """A normalised native document, with what is doubtful about it."""

    kind: Kind
    data: JsonObject
    issues: tuple[Issue, ...] = ()


def kind_of(data: JsonObject) -> Kind:
    """The kind that a document's `schema` names. Raises InvalidDocument if it names none."""
    match = _SCHEMA.fullmatch(data["schema"].strip()) if _is_text(data.get("schema")) else None
    for kind in KINDS:
        if match is not None and match[1] == kind:
            return kind
    raise _wrong_schema(f"Expected one of {', '.join(map(schema_of, KINDS))}.")


def schema_of(kind: Kind) -> str:
    """The `schema` that a document of the present version has."""
    return f"fhirbridge.{kind}/{MAJOR}.{MINOR}"


def load(kind: Kind, data: JsonObject) -> Document:
    """Read a native document into its normal form; idempotent.

    Raises InvalidDocument with all findings at once: JSON path, what was found (never a value),
    what is expected. Warnings and information come with the Document.
    """
    kept, positions = drop_blanks(_upcast(kind, data))
    schema, findings = SCHEMAS[kind], Findings()
    try:
        document = schema.load(kept)
    except ValidationError as error:
        document = error.valid_data if isinstance(error.valid_data, dict) else {}
        _report(error.messages_dict, schema, (), findings)
    walk.check(schema, document, findings)
    envelope.check(document, findings, own_id=OWN_IDS[kind])
    consents.check(document, findings)
    _RULES[kind](document, findings)
    issues = findings.issues(positions)
    if findings.has_errors:
        raise InvalidDocument.of(issues)
    return Document(kind, _normalise(kind, walk.arrange(schema, document)), issues)


def dump(document: Document) -> JsonObject:
    """The JSON of a document."""
    return document.data


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _wrong_schema(sentence: str, *, code: str = "value") -> InvalidDocument:
    issue = Issue(code, sentence, expression=("$.schema",), rule="schema")
    return InvalidDocument(issue)


def _upcast(kind: Kind, data: JsonObject) -> JsonObject:
    """The document in the present minor version of its schema."""
    if kind_of(data) != kind:
        raise _wrong_schema(f"The document is of another kind; expected fhirbridge.{kind}.")
    match = _SCHEMA.fullmatch(data["schema"].strip())
    major, minor = (int(match[2]), int(match[3] or 0)) if match else (0, 0)
    if major != MAJOR or minor > MINOR:
        raise _wrong_schema(
            f"Version {major}.{minor} of fhirbridge.{kind} is not read here; "
            f"the newest that is read is {MAJOR}.{MINOR}.",
            code="not-supported",
        )
    for step in UPCASTERS[kind][minor:]:
        data = step(data)
    return {**data, "schema": f"fhirbridge.{kind}/{MAJOR}.{MINOR}"}


def _report(messages: Any, field: Any, path: Path, findings: Findings) -> None:
    """Turn marshmallow's error tree into findings, walking the schema beside it."""
    if isinstance(messages, list):
        for fault in messages:
            if isinstance(fault, Fault):
                findings.error(path, str(fault), fault.rule, code=fault.code)
        return
    for step, below in messages.items():
        part = field.item if isinstance(field, Listing) else _member(field, step)
        if part is None:
            known = _members(field)
            near = difflib.get_close_matches(str(step)[:64], known, 1)
            hint = f"did you mean `{near[0]}`?" if near else "nothing like it is."
            findings.error(
                (*path, step),
                f"This field is not known here; {hint}",
                "unknown-field",
                code="structure",
            )
        else:
            _report(below, part, (*path, step), findings)


def _members(field: Any) -> Mapping[str, Any]:
    if isinstance(field, Object):
        return field.schema.fields
    return field.fields if isinstance(field, Schema) else {}


def _member(field: Any, step: object) -> Any:
    return _members(field).get(str(step))


def _normalise(kind: Kind, data: JsonObject) -> JsonObject:
    """Bring what has several forms into one, beyond single values and the order of lists."""
    data.setdefault("part2Program", True)
    if data["patient"].get("sex") == "unknown":
        # the same as not stated: domain.md section 4.0, design.md section 5
        del data["patient"]["sex"]
    if kind == "enrollment":
        # says nothing that the schedule does not say
        told = [session for session in data.get("sessions", ()) if not _is_as_planned(session)]
        data["sessions"] = told
        if not told:
            del data["sessions"]
    appointments = [*data.get("followUpAppointments", ())]
    if "appointment" in data:
        appointments.append(data["appointment"])
    for appointment in appointments:
        if "startLocal" in appointment:
            appointment["startLocal"] = normal_start(appointment["startLocal"], appointment["tz"])
    return data


def _is_as_planned(session: JsonObject) -> bool:
    return len(session) == 3 and session["status"] == "scheduled"
