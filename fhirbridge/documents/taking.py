"""What was pulled from an EHR, kept here as a document: once, with where it came from.

A document of others says too little of itself: which system it is of, and which version. That is
filled in from the pull. Its consents permit nothing here and are left out: only the custodian's own
documents, or a privacy officer's attestation, do. Source: design.md sections 3, 5 and 9
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import uuid5

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.conversion.foreign import record_number
from fhirbridge.documents.pull import Pulled, Stored
from fhirbridge.documents.receive import Prepared, receive
from fhirbridge.documents.stored import circumstances_of, prepare_as
from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import wire
from fhirbridge.fhir.narrative import narrate
from fhirbridge.fhir.primitives import is_instant
from fhirbridge.jsontypes import Json, JsonObject, Resource
from fhirbridge.native.documents import OWN_IDS
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import documents as store
from fhirbridge.storage import resources
from fhirbridge.storage.documents import DocumentKey
from fhirbridge.storage.session import Session
from fhirbridge.workflow.words import read_task

_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def keep(bridge: Bridge, partner: Partner, pulled: Pulled) -> Pulled:
    """Store one pulled document; the same again changes nothing, a change is the next version.

    A document of a system that is known here already is left to that system. One that lacks what
    a document must have is not stored, and says what it lacks.
    """
    document = _completed(bridge, partner, pulled)
    key = DocumentKey(pulled.kind, str(document["sourceSystem"]), str(document["recordId"]))
    with bridge.database.read() as session:
        known = store.find(session, bridge.custodian.id, key)
    if known is not None:
        before = wire.parse(known.content)
        if key.source_system != partner.name:
            return replace(pulled, stored="known", record_id=key.record_id)
        if _bare(before) == _bare(document):
            return replace(pulled, stored="unchanged", record_id=key.record_id)
        document["version"] = known.version + 1
    try:
        prepared = prepare_as(bridge, pulled.kind, document)
    except InvalidContent as refused:
        issues = (*pulled.issues, *refused.issues)
        return replace(pulled, stored="incomplete", document=document, issues=issues)
    with bridge.database.transaction() as session:
        outcome = _receive(session, bridge, partner, pulled, prepared)
    return replace(pulled, document=document, stored=outcome, record_id=key.record_id)


def _receive(
    session: Session, bridge: Bridge, partner: Partner, pulled: Pulled, prepared: Prepared
) -> Stored:
    circumstances = circumstances_of(bridge)
    received = receive(session, prepared, bridge.mappings[pulled.kind], circumstances)
    if received.written:
        provenance = _provenance(bridge, partner, pulled, received.written)
        resources.create(
            session,
            replace(circumstances, content_class="treatment-plan"),
            provenance,
            resource_id=str(provenance["id"]),
        )
    return received.outcome


def _provenance(
    bridge: Bridge, partner: Partner, pulled: Pulled, written: Iterable[str]
) -> Resource:
    """Where the resources of a pulled document come from."""
    now = bridge.now()
    place = f"{partner.base_url}/{pulled.reference}"
    name = partner.recipient.name if partner.recipient else partner.name
    made: Resource = {
        "resourceType": "Provenance",
        "id": str(uuid5(bridge.custodian.namespace, f"pulled {place} {to_instant(now)}")),
        "target": [{"reference": one} for one in written],
        "recorded": to_instant(now),
        "agent": [
            {
                "type": {"coding": [{"system": _PARTICIPANT, "code": "author"}]},
                "who": {"display": name},
            }
        ],
        "entity": [{"role": "source", "what": {"reference": place}}],
    }
    made["text"] = narrate(made)
    return made


def _completed(bridge: Bridge, partner: Partner, pulled: Pulled) -> dict[str, Any]:
    """The document with what a pull knows of it, without what does not count here."""
    document: dict[str, Any] = _without_consents(pulled.document)
    anchor = pulled.resources[pulled.reference]
    by_type: dict[str, Resource] = {}
    for one in pulled.resources.values():
        by_type.setdefault(str(one["resourceType"]), one)
    if "sourceSystem" not in document:
        document["sourceSystem"] = partner.name
        number = record_number(by_type.get("Patient") or {})
        if number and "patient" in document:
            document["patient"] = {**document["patient"], "mrn": number}
    document.setdefault("recordId", str(anchor["id"]))
    document.setdefault(OWN_IDS[pulled.kind], document["recordId"])
    document.setdefault("version", 1)
    document.setdefault("updatedAt", _changed_at(pulled.resources.values()) or bridge.now())
    if isinstance(document["updatedAt"], datetime):
        document["updatedAt"] = to_instant(document["updatedAt"])
    name = partner.recipient.name if partner.recipient else partner.name
    zone = partner.timezone or str(bridge.settings.zone)
    document.setdefault("facility", {"name": name, "tz": zone})
    if not document.get("authors") and not document.get("staff"):
        document["authors"] = [_author(by_type.get("Practitioner") or {}, name)]
    if pulled.kind == "referral":
        reading = read_task(by_type.get("Task") or {}, partner.profile)
        if reading is not None:
            document.setdefault("status", reading.state.value)
        document.setdefault("direction", "inbound")
        document.setdefault("recipient", {"org": bridge.custodian.name})
        document.setdefault("requester", {"org": name})
        document.setdefault("reason", {"kind": "unstated"})
        document.setdefault("priority", "routine")
    return document


def _author(practitioner: Resource, organization: str) -> JsonObject:
    """Who answers for it there: a person it names, else all that is known is the organization."""
    names = [one for one in practitioner.get("name") or [] if isinstance(one, dict)]
    family = str((names or [{}])[0].get("family") or "")
    if not family:
        return {"id": "organization", "role": "other", "name": {"family": organization}}
    given = [str(one) for one in names[0].get("given") or []]
    return {
        "id": str(practitioner["id"]),
        "role": "other",
        "name": {"family": family, **({"given": given} if given else {})},
    }


def _changed_at(found: Iterable[Resource]) -> str:
    """When the EHR last changed any of it."""
    times = [str((one.get("meta") or {}).get("lastUpdated") or "") for one in found]
    # a leap second has no place in Python's time; ":60" can stand nowhere else in an instant
    known = [
        (datetime.fromisoformat(one.replace(":60", ":59")), one) for one in times if is_instant(one)
    ]
    return max(known)[1] if known else ""


def _without_consents(value: Json) -> Any:
    if isinstance(value, list):
        return [_without_consents(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: one for name, one in value.items() if name not in ("consents", "consentRef")}
    return {name: _without_consents(one) for name, one in kept.items()}


def _bare(document: JsonObject) -> bytes:
    """What a document says, without which version it is."""
    said = {name: one for name, one in document.items() if name not in ("version", "updatedAt")}
    return wire.canonical(said)
