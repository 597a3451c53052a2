"""The human-readable text of a resource, generated from its elements alone.

Nothing of other resources gets in, except the names of those that the caller hands over. Whoever
withholds an element or a referenced resource must narrate again from what remains: a stored text
says everything that the resource said when it was made. Conversion hands over only resources of
the same content class, and people and places of a directory; so a text never tells more than its
resource's own class.
Source: R4 narrative.html; status `generated`, as US Core asks of CarePlan
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from html import escape
from types import MappingProxyType

import orjson

from fhirbridge.fhir.definitions import ElementInfo, definitions
from fhirbridge.fhir.value_words import label
from fhirbridge.fhir.wording import Others, Writer, told, writer_of
from fhirbridge.jsontypes import Json, JsonObject, Resource

_START = '<div xmlns="http://www.w3.org/1999/xhtml">'
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Whose identifiers people use: those that say what they are; the others are for machines.
_IDENTIFIED = frozenset({"Coverage", "Device", "Patient"})
# What is told first, in this order; the rest follows in the order of R4.
_FIRST: Mapping[str, str] = {
    "Appointment": "status serviceType description start end minutesDuration participant",
    "CarePlan": "title status intent category description period addresses goal activity careTeam"
    " author contributor",
    "CareTeam": "name status participant",
    "Condition": "code clinicalStatus verificationStatus category severity",
    "Encounter": "status class type serviceType period participant location",
    "Goal": "description lifecycleStatus achievementStatus category priority startDate target",
    "MedicationRequest": "medicationCodeableConcept medicationReference dosageInstruction status",
    "Observation": "code status effectiveDateTime effectivePeriod",
    "Organization": "name type telecom address",
    "Patient": "name birthDate gender identifier telecom address communication contact",
    "Practitioner": "name qualification telecom address",
    "ServiceRequest": "code status intent category occurrenceTiming occurrencePeriod reasonCode",
    "Task": "description code status statusReason businessStatus",
}
# References to records that may not be told are counted here; elsewhere they are left out.
_COUNTED = frozenset({"CarePlan.activity", "CarePlan.goal"})
_LABELS: Mapping[str, str] = {
    "CarePlan.activity": "Activities",
    "CarePlan.goal": "Goals",
    "Goal.lifecycleStatus": "Status",
    "MedicationRequest.medication": "Medication",
    "MedicationRequest.dosageInstruction": "Dosage",
    "QuestionnaireResponse.item": "Answers",
    "Appointment.minutesDuration": "Minutes",
    "Appointment.participant": "Participants",
    "CareTeam.participant": "Participants",
}


@dataclass(frozen=True, slots=True)
class _Line:
    """One element that is told: its place, label and what writes a value."""

    rank: int
    words: str
    write: Writer
    counts_silent: bool


def narrate(
    resource: Resource, others: Mapping[str, Resource] | Others = MappingProxyType({})
) -> JsonObject:
    """The `text` of a resource: status and XHTML. The same resource always gives the same text.

    `others` holds, by the text of a reference, the resources whose names may be told (as
    `Others`, for several resources of one document, each name is made once). A resource with
    modifier extensions gets the status `extensions`, because they are told too.
    """
    named = others if isinstance(others, Others) else Others(others)
    resource_type = str(resource["resourceType"])
    lines = _lines(resource_type)
    found = []
    for name, value in resource.items():
        line = lines.get(name)
        if line is not None and value is not None:
            text = _text(line, value, named)
            if text:
                found.append((line.rank, text))
    content = f"<ul>{''.join(text for _, text in sorted(found))}</ul>" if found else ""
    status = "extensions" if _has_modifier(resource) else "generated"
    return {
        "status": status,
        "div": f"{_START}<p><b>{label(resource_type)}</b></p>{content}</div>",
    }


def is_generated(text: Json) -> bool:
    """True for a narrative that says nothing but what the elements say, and only in plain XHTML."""
    return (
        isinstance(text, dict)
        and text.get("status") == "generated"
        and isinstance(text.get("div"), str)
        and text.keys() == {"status", "div"}
    )


def _text(line: _Line, value: Json, others: Others) -> str:
    write = line.write
    if not isinstance(value, list):
        text = write(value, others)
        return f"<li><b>{line.words}</b>: {_xhtml(text)}</li>" if text else ""
    texts = [_xhtml(text) for item in value if item is not None and (text := write(item, others))]
    silent = len(value) - len(texts)
    if silent and line.counts_silent:
        texts.append(f"{silent} {'more ' if texts else ''}in linked records")
    if not texts:
        return ""
    if len(texts) == 1:
        return f"<li><b>{line.words}</b>: {texts[0]}</li>"
    items = "".join(f"<li>{text}</li>" for text in texts)
    return f"<li><b>{line.words}</b>:<ul>{items}</ul></li>"


@cache
def _lines(resource_type: str) -> Mapping[str, _Line]:
    """Element name -> how it is told."""
    elements = [element for element, _ in told(resource_type)]
    if resource_type in _IDENTIFIED:
        elements.append(definitions().elements(resource_type)["identifier"])
    first = _FIRST.get(resource_type, "").split()
    ranked = sorted(
        elements,
        key=lambda e: (first.index(e.name) if e.name in first else len(first), e.order),
    )
    return {
        element.name: _Line(
            rank, _words(resource_type, element), writer_of(element), element.path in _COUNTED
        )
        for rank, element in enumerate(ranked)
    }


def _words(resource_type: str, element: ElementInfo) -> str:
    name = element.choice or element.name
    return _LABELS.get(f"{resource_type}.{name}") or label(name)


def _xhtml(text: str) -> str:
    safe = escape(text.strip(), quote=False)
    if safe.isprintable():
        return safe
    return _NOT_IN_XML.sub("\ufffd", safe).replace("\r\n", "\n").replace("\n", "<br/>")


def _has_modifier(resource: Resource) -> bool:
    # Nearly no resource has one, and its text is searched much faster than its elements.
    return b"modifierExtension" in orjson.dumps(resource, default=str) and _holds(
        resource, "modifierExtension"
    )


def _holds(value: Json, name: str) -> bool:
    if isinstance(value, dict):
        return name in value or any(_holds(item, name) for item in value.values())
    return isinstance(value, list) and any(_holds(item, name) for item in value)
