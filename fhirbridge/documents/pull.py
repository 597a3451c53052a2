"""Pull: a patient's plans and referrals from an EHR, as documents with what could not be said.

Source: design.md section 3
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.foreign import as_plan_of_care, readable
from fhirbridge.conversion.to_native import resources_to_native
from fhirbridge.errors import Conflict, Issue, NotFound
from fhirbridge.fhir import references
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.native.documents import Kind, schema_of
from fhirbridge.partners.client import PartnerClient, unreachable
from fhirbridge.partners.http import Answer, Exchange
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body
from fhirbridge.storage import partners as rows

# type -> the search parameter that names the patient
_SEARCHES: Mapping[str, str] = {
    "CarePlan": "patient",
    "Goal": "patient",
    "Condition": "patient",
    "MedicationRequest": "patient",
    "CareTeam": "patient",
    "ServiceRequest": "patient",
    "Task": "patient",
    "Appointment": "patient",
    "QuestionnaireResponse": "patient",
}
_REGISTERS = frozenset(
    {"Organization", "Practitioner", "PractitionerRole", "Location", "HealthcareService"}
)
_MOST_READS = 100
# Answers by which an EHR says that it has this not, or not for us.
_NOT_OFFERED = frozenset({400, 403, 404, 405, 410, 501})
# "known": it is of a system whose document is here; "incomplete": it lacks what it must have
Stored = Literal["", "created", "updated", "unchanged", "known", "incomplete"]


@dataclass(frozen=True, slots=True)
class Pulled:
    """One document that was read from the EHR; `reference` is its plan or order there.

    `resources` are those of the EHR that it was read from; `stored` is what became of it here.
    """

    kind: Kind
    reference: str
    document: JsonObject
    issues: tuple[Issue, ...]
    resources: Mapping[str, Resource] = field(default_factory=dict)
    stored: Stored = ""
    record_id: str = ""

    def to_json(self) -> JsonObject:
        """The document with its findings."""
        return {
            "kind": self.kind,
            "reference": self.reference,
            "document": self.document,
            "issues": [issue.to_json() for issue in self.issues],
            "stored": self.stored or None,
            "recordId": self.record_id or None,
        }


def pull(bridge: Bridge, partner: Partner, patient: str) -> list[Pulled]:
    """Every plan and referral of a patient at a partner; `patient` is `system|value` or an id.

    Nothing is stored. Raises NotFound for an unknown patient, Conflict if several have the
    identifier, PartnerUnreachable if the partner leaves a question without an answer.
    """
    with bridge.connect(partner) as client:
        found = _fetch(client, partner.name, _patient(client, partner.name, patient))
    base = partner.base_url
    return [
        *_plans(bridge, found, base),
        *_referrals(bridge, found, base),
    ]


def source_of(bridge: Bridge, name: str) -> Partner:
    """The partner to pull from. Raises NotFound."""
    with bridge.database.read() as session:
        row = rows.get(session, bridge.custodian.id, name)
    if row is None:
        raise NotFound(Issue("not-found", f"There is no partner '{name}'."))
    return Partner.from_settings(row.name, row.base_url, settings=row.settings)


def _patient(client: PartnerClient, name: str, wanted: str) -> str:
    if "|" not in wanted:
        return f"Patient/{wanted.removeprefix('Patient/')}"
    found = client.find("Patient", [wanted])
    if found.failed is not None:
        raise unreachable(found.failed, name)
    places = found.references.get(wanted, ())
    if not places:
        raise NotFound(Issue("not-found", f"{name} has no patient with this identifier."))
    if len(places) > 1:
        words = f"{name} has several patients with this identifier; give an id."
        raise Conflict(Issue("multiple-matches", words))
    return places[0]


def _fetch(client: PartnerClient, name: str, patient: str) -> dict[str, Resource]:
    """The patient's resources by `Type/id`, and the people and places that they name."""
    exchange = client.read(patient)
    body = read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    if body is None:
        if isinstance(exchange, Answer) and exchange.status in (404, 410):
            raise NotFound(Issue("not-found", f"{name} has no such patient."))
        raise unreachable(exchange, name)
    found = {patient: body}
    for resource_type, parameter in _SEARCHES.items():
        matches = client.search_all(resource_type, [(parameter, patient)])
        if not isinstance(matches, list):
            _refuse_gap(matches, name)
            continue
        for one in matches:
            found[f"{resource_type}/{one.get('id')}"] = one
    waiting = _registers(found.values())
    for _ in range(_MOST_READS):
        reference = next((one for one in waiting if one not in found), "")
        if not reference:
            break
        exchange = client.read(reference)
        read = (
            read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
        )
        if read is None:
            _refuse_gap(exchange, name)
        found[reference] = read or {}
        waiting += _registers([read] if read else [])
    return {reference: one for reference, one in found.items() if one}


def _refuse_gap(exchange: Exchange, name: str) -> None:
    """Raise PartnerUnreachable for what may be there, and only now was not given.

    Kept without it, a document would lose what the next pull finds again.
    """
    if not isinstance(exchange, Answer) or exchange.status not in _NOT_OFFERED:
        raise unreachable(exchange, name)


def _registers(resources: Iterable[Resource]) -> list[str]:
    named = []
    for resource in resources:
        for link in references.walk(resource):
            target = references.parse(str(link.reference.get("reference") or ""))
            if target.resource_type in _REGISTERS:
                named.append(references.write(target.resource_type, target.resource_id))
    return list(dict.fromkeys(named))


def _plans(bridge: Bridge, found: Mapping[str, Resource], base: str) -> list[Pulled]:
    made = []
    for reference, plan in found.items():
        if plan["resourceType"] != "CarePlan" or "partOf" in plan:
            continue
        kept = {
            name: one
            for name, one in found.items()
            if one["resourceType"] != "CarePlan" or name == reference or _part_of(one, reference)
        }
        kept[reference] = as_plan_of_care(plan)
        tried = [
            _read(bridge, kind, reference, kept, base) for kind in ("aftercare-plan", "enrollment")
        ]
        # what does not come from a program's own system is a plan for the time after it
        ours = [one for one in tried if "sourceSystem" in one.document]
        made.append(min(ours, key=lambda one: len(one.issues)) if ours else tried[0])
    return made


def _part_of(plan: Resource, reference: str) -> bool:
    return any(
        str(one.get("reference") or "").endswith(reference) for one in plan.get("partOf") or []
    )


def _referrals(bridge: Bridge, found: Mapping[str, Resource], base: str) -> list[Pulled]:
    made = []
    for reference, task in found.items():
        focus = references.parse(str((task.get("focus") or {}).get("reference") or ""))
        order = references.write(focus.resource_type, focus.resource_id)
        if task["resourceType"] != "Task" or focus.resource_type != "ServiceRequest":
            continue
        if order not in found:
            continue
        kept = {
            name: one
            for name, one in found.items()
            if one["resourceType"] in ("Patient", *_REGISTERS)
            or name in (reference, order)
            or (one["resourceType"] == "Appointment" and _based_on(one, order))
        }
        made.append(_read(bridge, "referral", order, kept, base))
    return made


def _based_on(appointment: Resource, order: str) -> bool:
    return any(
        str(one.get("reference") or "").endswith(order) for one in appointment.get("basedOn") or []
    )


def _read(
    bridge: Bridge, kind: Kind, reference: str, resources: Mapping[str, Resource], base: str
) -> Pulled:
    mapping = bridge.mappings[kind]
    table = mapping.pack.tables.get("referral.snomed")
    kinds = {code: row.native for code, row in table.reverse.items()} if table else {}
    pairs = [(f"{base}/{name}", one) for name, one in resources.items()]
    made = resources_to_native(readable(pairs, base=bridge.settings.base, kinds=kinds), mapping)
    document = {"schema": schema_of(kind), **made.document}
    return Pulled(kind, reference, document, made.issues, resources)
