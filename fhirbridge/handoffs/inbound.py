"""The other direction: an EHR asks us for something by ServiceRequest and Task.

BSeR, Gravity and plain shapes are told apart by the profile they claim. The order stays the EHR's;
we write the Task and the Appointment. Source: domain.md 1.5, 4.3, 4.4
"""

from uuid import uuid5

from fhirbridge.bridge import Bridge
from fhirbridge.consent.purposes import is_same
from fhirbridge.consent.recipient import Recipient
from fhirbridge.conversion.foreign import readable
from fhirbridge.conversion.model import ToNative
from fhirbridge.conversion.to_native import resources_to_native
from fhirbridge.errors import Issue, NotFound
from fhirbridge.fhir import references, wire
from fhirbridge.handoffs import alarms
from fhirbridge.handoffs.events import Event, Taken, set_aside
from fhirbridge.handoffs.tasks import read
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.native import documents
from fhirbridge.partners.registry import recipient_of
from fhirbridge.storage import document_resources, handoff_keys, handoffs, writers
from fhirbridge.storage import partners as partner_rows
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.keys import patient_key_of
from fhirbridge.storage.session import Session
from fhirbridge.workflow.known import tokens
from fhirbridge.workflow.words import Profile, ReferralState, read_task

KINDS: dict[str, documents.Kind] = {"ServiceRequest": "referral", "CarePlan": "aftercare-plan"}
FRESH = (ReferralState.SENT, ReferralState.RECEIVED)
_MOST_RESOURCES = 200
SOURCE = "fhir"  # the source system of what came as FHIR


def recognise(bridge: Bridge, session: Session, event: Event) -> Taken | None:
    """Take a new Task of ours to do; None if it asks us for nothing.

    It asks if its focus is an order or a plan that is stored here, nobody has answered it yet, and
    it is not the Task of a document of our own.
    """
    task = event.resource
    if event.side != "ours" or is_of_a_document(bridge, session, task):
        return None
    focus = references.parse(str((task.get("focus") or {}).get("reference") or ""))
    kind = KINDS.get(focus.resource_type)
    profile = profile_of(task)
    reading = read_task(task, profile)
    if kind is None or reading is None or reading.state not in FRESH:
        return None
    if not _is_here(bridge, focus):
        reason = "The Task asks for an order of another server; it has to be sent along."
        set_aside(bridge, session, event, code="order-elsewhere", reason=reason)
        return None
    order_reference = references.write(focus.resource_type, focus.resource_id)
    order = read(session, bridge, order_reference)
    if order is None:
        return None
    order_body = wire.parse(order.content)
    patient = references.parse(str((order_body.get("subject") or {}).get("reference") or ""))
    if patient.resource_type != "Patient" or not _is_here(bridge, patient):
        reason = "The order of the Task is about nobody who is known here."
        set_aside(bridge, session, event, code="patient-elsewhere", reason=reason)
        return None
    patient_reference = references.write("Patient", patient.resource_id)
    writer = writers.writer_of(session, bridge.custodian.id, event.reference, event.version)
    identity = str(uuid5(bridge.custodian.namespace, f"inbound {event.reference}"))
    now = bridge.now()
    row = HandoffRow(
        identity,
        kind,
        SOURCE,
        event.reference,
        1,
        event.partner or _partner_of(bridge, session, task, writer),
        patient_key_of({patient_reference}),
        ReferralState.SENT.value,  # nobody here has seen it, whatever its sender calls that
        now,
        now,
        details={
            "direction": "inbound",
            "profile": profile,
            "taskHere": event.reference,
            "orderHere": order_reference,
            "patientHere": patient_reference,
            "versionHere": event.version,
            "saidHere": reading.state.value,
            "saidThere": reading.state.value,
            "priority": str(order_body.get("priority") or task.get("priority") or "routine"),
            **({"askedBy": writers.to_json(writer)} if writer else {}),
        },
    )
    handoffs.put(session, bridge.custodian.id, row)
    handoff_keys.note(
        session,
        bridge.custodian.id,
        identity,
        [event.reference, f"order {order_reference}", *tokens(task)],
    )
    alarms.wind(bridge, session, row, state=ReferralState.SENT, details=row.details)
    return Taken(identity, "moved", ReferralState.SENT)


def profile_of(task: Resource) -> Profile:
    """Which shape a Task has, from the profiles it claims."""
    claimed = " ".join(str(one) for one in (task.get("meta") or {}).get("profile") or [])
    if "/us/bser/" in claimed:
        return "bser"
    return "gravity" if "/us/sdoh-clinicalcare/" in claimed else "base"


def is_of_a_document(bridge: Bridge, session: Session, task: Resource) -> bool:
    """True if a document of our own made this Task."""
    reference = f"Task/{task.get('id') or ''}"
    return document_resources.is_made(session, bridge.custodian.id, reference)


def _is_here(bridge: Bridge, reference: references.Reference) -> bool:
    """True if it names a resource of our own server."""
    named = bool(reference.resource_id)
    return named and references.is_local(reference, bridge.settings.own_base)


def _partner_of(bridge: Bridge, session: Session, task: Resource, writer: Recipient | None) -> str:
    """The registered partner who asks, by an identifier of the requester, or by whose client
    wrote it; "" if unknown."""
    requester = task.get("requester") or {}
    target = references.parse(str(requester.get("reference") or ""))
    held = (
        read(session, bridge, references.write(target.resource_type, target.resource_id))
        if _is_here(bridge, target)
        else None
    )
    named = wire.parse(held.content) if held else {}
    values = {token.rpartition("|")[2] for token in tokens(named)}
    if isinstance(requester.get("identifier"), dict):
        values.add(str(requester["identifier"].get("value")))
    known = partner_rows.settings_of(session, bridge.custodian.id)
    for name, settings in known.items():
        npi = (settings.get("recipient") or {}).get("npi")
        if npi and npi in values:
            return name
    for name, settings in known.items():
        partner = recipient_of(settings.get("recipient")) or Recipient(name)
        if writer is not None and is_same(partner, writer):
            return name
    return ""


def document_of(bridge: Bridge, handoff_id: str) -> ToNative:
    """What came in as a document, with what could not be represented. Raises NotFound."""
    with bridge.database.read() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
        if handoff is None or handoff.details.get("direction") != "inbound":
            raise NotFound(Issue("not-found", "There is no inbound referral with this id."))
        pairs = _reachable(bridge, session, handoff.details)
    kind = next(kind for kind in KINDS.values() if kind == handoff.kind)
    mapping = bridge.mappings[kind]
    table = mapping.pack.tables.get("referral.snomed")
    kinds = {code: row.native for code, row in table.reverse.items()} if table else {}
    made = resources_to_native(readable(pairs, base=bridge.settings.base, kinds=kinds), mapping)
    shown: JsonObject = {
        "schema": documents.schema_of(kind),
        **made.document,
        "direction": "inbound",
        "status": handoff.status,
    }
    if kind != "referral":
        shown.pop("direction")
        shown["status"] = made.document.get("status")
    return ToNative(shown, made.issues, made.stamp)


def _reachable(bridge: Bridge, session: Session, details: JsonObject) -> list[tuple[str, Resource]]:
    """The Task and what it leads to, as `(fullUrl, resource)`, from near to far."""
    base = bridge.settings.own_base
    waiting = [str(details["taskHere"]), str(details["orderHere"])]
    waiting += [place for place in details.get("visits") or {} if place not in waiting]
    found: dict[str, Resource] = {}
    while waiting and len(found) < _MOST_RESOURCES:
        reference = waiting.pop(0)
        version = read(session, bridge, reference) if reference not in found else None
        if version is None:
            continue
        resource = wire.parse(version.content)
        found[reference] = resource
        if resource["resourceType"] == "Patient":
            continue  # all their records hang on it
        for link in references.walk(resource):
            target = references.parse(str(link.reference.get("reference") or ""))
            if target.resource_type:
                waiting.append(references.write(target.resource_type, target.resource_id))
    return [(f"{base}/{reference}", resource) for reference, resource in found.items()]
