"""The document of a handoff: a Composition over what is sent, and the frozen document Bundle.

Shaped after PACIO Transitions of Care 1.0.0: every section is there, an empty one says why. It is
made from what leaves, after consent was asked, so that nothing withheld can be inside.
Source: domain.md 1.4; R4 documents.html
"""

import base64
import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from html import escape
from typing import Any
from uuid import UUID, uuid5

from fhirbridge.clock import to_instant
from fhirbridge.fhir import bundles, references, wire
from fhirbridge.fhir.narrative import narrate
from fhirbridge.jsontypes import JsonObject, Resource

_LOINC = "http://loinc.org"
_TOC = "http://hl7.org/fhir/us/transitions-of-care/CodeSystem/toc-temp-cs"
_EMPTY = "http://terminology.hl7.org/CodeSystem/list-empty-reason"
# document kind -> LOINC code and neutral title; nothing outside reveals the kind of treatment
_TYPES = {
    "enrollment": ("18842-5", "Discharge summary"),
    "aftercare-plan": ("18776-5", "Plan of care"),
    "referral": ("57133-1", "Referral request"),
}
# section code, title, resource types; domain.md 1.4
_SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("42348-3", "Advance directives", ()),
    ("48765-2", "Allergies", ("AllergyIntolerance",)),
    ("behavioral_health_summary", "Behavioral health", ("QuestionnaireResponse",)),
    ("47420-5", "Functional status", ()),
    ("11369-6", "Immunizations", ("Immunization",)),
    ("69730-0", "Discharge instructions", ("Appointment", "ServiceRequest", "Communication")),
    ("46264-8", "Medical devices", ()),
    ("10160-0", "Medications", ("MedicationRequest",)),
    ("18776-5", "Discharge care plan", ("CarePlan", "Goal", "CareTeam")),
    ("11450-4", "Problems", ("Condition",)),
    ("47519-4", "Procedures", ("Procedure",)),
    ("42349-1", "Reason for transfer", ("EpisodeOfCare", "Encounter")),
    ("30954-2", "Clinical results", ("DiagnosticReport",)),
    ("29762-2", "Social history", ("Observation",)),
    ("8716-3", "Vital signs", ()),
)


def seal(
    bundle: Resource,
    *,
    kind: str,
    handoff: str,
    version: int,
    namespace: UUID,
    base: str,
    at: datetime,
    packet: str = "",
) -> Resource:
    """The Bundle with its Composition and a DocumentReference that holds the frozen document.

    `packet` is the same for people, as HTML. The same arguments give the same bytes, so that a
    second attempt sends what the first one sent.
    """
    entries = list(bundle.get("entry") or [])
    patient = _url(entries, "Patient")
    if not patient:
        return bundle
    author = _author(entries, patient)
    key = f"{handoff}.{version}"
    composition = _composition(entries, kind=kind, key=key, base=base, at=at)
    composition["subject"] = {"reference": patient}
    composition["author"] = [author]
    composition["custodian"] = author
    composition["id"] = str(uuid5(namespace, f"{key} Composition"))
    composition["text"] = narrate(composition)
    composed = bundles.create_entry(
        composition,
        full_url=f"urn:uuid:{composition['id']}",
        if_none_exist=f"identifier={base}/handoff-document|{key}",
    )
    frozen = wire.dump(_document([composed, *entries], key=key, base=base, at=at))
    reference: Resource = {
        "resourceType": "DocumentReference",
        "id": str(uuid5(namespace, f"{key} DocumentReference")),
        "identifier": [{"system": f"{base}/handoff-document", "value": key}],
        "status": "current",
        "docStatus": "final",
        "type": composition["type"],
        "category": [
            {
                "coding": [
                    {
                        "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
                        "code": "clinical-note",
                    }
                ]
            }
        ],
        "subject": {"reference": patient},
        "date": to_instant(at),
        "author": [author],
        "custodian": author,
        "content": [_content(frozen, "application/fhir+json", base)],
    }
    if packet:
        reference["content"].append(_content(packet.encode(), "text/html", base))
    reference["text"] = narrate(reference)
    documented = bundles.create_entry(
        reference,
        full_url=f"urn:uuid:{reference['id']}",
        if_none_exist=f"identifier={base}/handoff-document|{key}",
    )
    return {**bundle, "entry": [*entries, composed, documented]}


def _content(data: bytes, content_type: str, base: str) -> JsonObject:
    return {
        "attachment": {
            "extension": [
                {
                    "url": f"{base}/StructureDefinition/sha-256",
                    "valueString": hashlib.sha256(data).hexdigest(),
                }
            ],
            "contentType": content_type,
            "data": base64.b64encode(data).decode(),
            "size": len(data),
            # R4 attachment.hash is SHA-1
            "hash": base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode(),
        }
    }


def _composition(
    entries: Sequence[JsonObject], *, kind: str, key: str, base: str, at: datetime
) -> dict[str, Any]:
    code, title = _TYPES.get(kind, _TYPES["aftercare-plan"])
    return {
        "resourceType": "Composition",
        "language": "en-US",
        "identifier": {"system": f"{base}/handoff-document", "value": key},
        "status": "final",
        "type": {"coding": [{"system": _LOINC, "code": code}], "text": title},
        "category": [{"coding": [{"system": _LOINC, "code": "18761-7"}]}],
        "date": to_instant(at),
        "title": title,
        "section": [_section(*one, entries) for one in _SECTIONS],
    }


def _section(
    code: str, title: str, types: tuple[str, ...], entries: Sequence[JsonObject]
) -> JsonObject:
    system = _LOINC if code[0].isdigit() else _TOC
    held = [one for one in entries if one["resource"]["resourceType"] in types]
    section: dict[str, Any] = {
        "title": title,
        "code": {"coding": [{"system": system, "code": code}]},
    }
    if held:
        section["text"] = _text(f"{title}: {len(held)}")
        section["entry"] = [{"reference": one["fullUrl"]} for one in held]
    else:
        section["text"] = _text("Nothing is recorded here.")
        section["emptyReason"] = {"coding": [{"system": _EMPTY, "code": "unavailable"}]}
    return section


def _text(words: str) -> JsonObject:
    div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(words)}</p></div>'
    return {"status": "generated", "div": div}


def _document(entries: Sequence[JsonObject], *, key: str, base: str, at: datetime) -> Resource:
    listed = [{"fullUrl": one["fullUrl"], "resource": one["resource"]} for one in entries]
    return {
        "resourceType": "Bundle",
        "identifier": {"system": f"{base}/handoff-document", "value": key},
        "type": "document",
        "timestamp": to_instant(at),
        "entry": listed,
    }


def _url(entries: Sequence[JsonObject], resource_type: str) -> str:
    return next(
        (
            str(one["fullUrl"])
            for one in entries
            if one["resource"].get("resourceType") == resource_type
        ),
        "",
    )


def _author(entries: Sequence[JsonObject], patient: str) -> JsonObject:
    """Whose record it is: the patient's organization, else the first one there is."""
    resources = {str(one["fullUrl"]): one["resource"] for one in entries}
    managing = resources[patient].get("managingOrganization") or {}
    if managing.get("reference") in resources:
        return {"reference": managing["reference"]}
    first = _url(entries, "Organization")
    return {"reference": first} if first else {"display": "The sending program"}


def without_past(
    bundle: Resource,
    *,
    now: datetime,
    handoff: str,
    namespace: UUID,
    base: str,
    held: Collection[str] = (),
) -> Resource:
    """The Bundle with Appointments from today on only; the past ones become one summary.

    Those that the partner holds (`held`, fullUrls) travel on, so that it learns what came of them.
    The past series travels only on request. Source: design.md section 10
    """
    entries = list(bundle.get("entry") or [])
    today = now.date().isoformat()
    past = [
        one
        for one in entries
        if one["resource"]["resourceType"] == "Appointment"
        and str(one["resource"].get("start") or today)[:10] < today
    ]
    known = set(held)
    patient = _url(entries, "Patient")
    if not past or not patient:
        return bundle
    gone = {one["fullUrl"] for one in past} - known
    kept = [_unlinked(one, gone) for one in entries if one["fullUrl"] not in gone]
    summary = _summary(past, patient, base=base, handoff=handoff)
    summary["id"] = str(uuid5(namespace, f"{handoff} attendance"))
    summary["text"] = narrate(summary)
    added = bundles.create_entry(
        summary,
        full_url=f"urn:uuid:{summary['id']}",
        if_none_exist=f"identifier={base}/handoff-attendance|{handoff}",
    )
    return {**bundle, "entry": [*kept, added]}


def _unlinked(entry: JsonObject, gone: set[str]) -> JsonObject:
    resource = entry["resource"]
    if not any(found.reference.get("reference") in gone for found in references.walk(resource)):
        return entry
    made = {
        name: [one for one in value if not _points_to(one, gone)]
        if isinstance(value, list)
        else value
        for name, value in resource.items()
    }
    return {**entry, "resource": {name: one for name, one in made.items() if one != []}}


def _points_to(value: Any, gone: set[str]) -> bool:
    """True for a Reference, or an object around one, to what does not travel."""
    if not isinstance(value, dict):
        return False
    inner = [value, *(one for one in value.values() if isinstance(one, dict))]
    return any(one.get("reference") in gone for one in inner)


def _summary(
    past: Sequence[JsonObject], patient: str, *, base: str, handoff: str
) -> dict[str, Any]:
    statuses = [str(one["resource"].get("status")) for one in past]
    days = sorted(str(one["resource"].get("start"))[:10] for one in past)
    counts = (
        ("attended", sum(one in ("fulfilled", "arrived", "checked-in") for one in statuses)),
        ("missed", statuses.count("noshow")),
        ("cancelled", statuses.count("cancelled")),
    )
    return {
        "resourceType": "Observation",
        "identifier": [{"system": f"{base}/handoff-attendance", "value": handoff}],
        "status": "final",
        "category": [
            {
                "coding": [
                    {
                        "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                        "code": "therapy",
                    }
                ]
            }
        ],
        "code": {"text": "Attendance summary"},
        "subject": {"reference": patient},
        "effectivePeriod": {"start": days[0], "end": days[-1]},
        "component": [{"code": {"text": name}, "valueInteger": number} for name, number in counts],
    }
