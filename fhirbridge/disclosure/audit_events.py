"""Audit rows as AuditEvents. They are rendered when asked for; nothing is stored twice.

Source: R4 auditevent.html; Basic Audit Log Patterns
"""

from collections.abc import Mapping
from typing import Any

from fhirbridge.clock import to_instant
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage.audit import AuditRow

PREFIX = "audit-"
_TYPES = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS = "http://hl7.org/fhir/restful-interaction"
_REASONS = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ACTIONS: Mapping[str, str] = {
    "create": "C",
    "update": "U",
    "patch": "U",
    "delete": "D",
    "read": "R",
    "vread": "R",
}
# Interactions that R4 has a code for; the rest are operations and work of people.
_CODED = frozenset(
    {
        *("batch", "create", "delete", "patch", "read", "transaction", "update", "vread"),
        *("history-instance", "history-system", "history-type"),
        *("search-system", "search-type"),
    }
)


def number_of(resource_id: str) -> int:
    """The number of the row that an id stands for; 0 for another id."""
    text = resource_id.removeprefix(PREFIX)
    is_one = resource_id.startswith(PREFIX) and text.isascii() and text.isdigit()
    return int(text) if is_one and len(text) < 19 else 0


def render(row: AuditRow, *, patients: tuple[str, ...], observer: str) -> Resource:
    """One row. `patients` are references as far as they are known; `observer` is the custodian."""
    entry = row.entry
    is_interaction = row.action in _CODED
    event: Resource = {
        "resourceType": "AuditEvent",
        "id": f"{PREFIX}{row.id}",
        "meta": {"versionId": "1", "lastUpdated": to_instant(row.recorded_at)},
        "type": {"system": _TYPES, "code": "rest"}
        if is_interaction
        else {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110106"},
        "subtype": [
            {"system": _INTERACTIONS, "code": row.action}
            if is_interaction
            else {"code": row.action}
        ],
        "action": _ACTIONS.get(row.action, "E"),
        "recorded": to_instant(row.recorded_at),
        "outcome": _outcome(row),
        "outcomeDesc": row.decision,
        "agent": [_agent(entry)],
        "source": {"observer": {"display": observer}},
    }
    if entry.get("purpose"):
        event["purposeOfEvent"] = [_purpose(entry)]
    what = [*patients, *entry.get("resources", ()), *entry.get("received", ())]
    entities: list[JsonObject] = [{"what": {"reference": each}} for each in what]
    entities += [
        {"what": {"reference": each}, "description": "consent"}
        for each in entry.get("consents", ())
    ]
    if entities:
        event["entity"] = entities
    return event


def _agent(entry: Mapping[str, Any]) -> JsonObject:
    agent: JsonObject = {"requestor": True}
    names = {
        "who": {"display": entry.get("recipient") or entry.get("client") or "local"},
        "altId": entry.get("client"),
        "name": entry.get("actor"),
    }
    agent.update({name: value for name, value in names.items() if value})
    if entry.get("purpose"):
        agent["purposeOfUse"] = [_purpose(entry)]
    return agent


def _purpose(entry: Mapping[str, Any]) -> JsonObject:
    concept: JsonObject = {"coding": [{"system": _REASONS, "code": entry["purpose"]}]}
    if entry.get("reason"):
        concept["text"] = entry["reason"]
    return concept


def _outcome(row: AuditRow) -> str:
    """0: success; 4: refused or withheld; 8: a fault of ours."""
    if int(row.entry.get("status", 200)) >= 500:
        return "8"
    return "4" if row.decision in ("withhold", "failed") else "0"
