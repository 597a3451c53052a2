"""The document of a handoff: a Composition over what is sent, and the frozen document Bundle.

Shaped after PACIO Transitions of Care 1.0.0: every section is there, an empty one says why. It is
made from what leaves, after consent was asked, so that nothing withheld can be inside.
Source: domain.md 1.4; R4 documents.html
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any
from uuid import UUID, uuid5

from fhirbridge.clock import to_instant
from fhirbridge.fhir import bundles, wire
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
    made = _composition(entries, kind=kind, key=key, base=base, at=at)
    made |= {"subject": {"reference": patient}, "author": [author], "custodian": author}
    composed = _composed(entries, made, namespace=namespace, base=base, key=key)
    composition = composed["resource"]
    entries = [one for one in entries if one["fullUrl"] != composed["fullUrl"]]
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


def _composed(
    entries: Sequence[JsonObject], made: dict[str, Any], *, namespace: UUID, base: str, key: str
) -> JsonObject:
    """The entry of the Composition: the document's own with every section, or a new one."""
    known = next((e for e in entries if e["resource"]["resourceType"] == "Composition"), None)
    if known is not None:
        resource = known["resource"]
        composition = {**made, **resource}
        own = {_code_of(one) for one in resource.get("section") or []}
        more = [one for one in made["section"] if _code_of(one) not in own]
        composition["section"] = [*(resource.get("section") or []), *more]
    else:
        composition = {**made, "id": str(uuid5(namespace, f"{key} Composition"))}
    bare = {name: one for name, one in composition.items() if name != "text"}
    composition = {**composition, "text": narrate(bare)}
    if known is not None:
        return {**known, "resource": composition}
    return bundles.create_entry(
        composition,
        full_url=f"urn:uuid:{composition['id']}",
        if_none_exist=f"identifier={base}/handoff-document|{key}",
    )


def _code_of(section: JsonObject) -> str:
    codings = (section.get("code") or {}).get("coding") or [{}]
    return str(codings[0].get("code"))


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
