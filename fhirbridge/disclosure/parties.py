"""Who may move a referral by REST: the organization that it was handed to, or that asked for it.

Others may see a Task, and may write Appointments on an order that they see; what they say about
the referral of somebody else is refused, or kept and believed by nobody.
Source: domain.md 1.5 (the recipient moves the Task)
"""

from collections.abc import Mapping, Sequence

from fhirbridge.consent.purposes import is_same
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.knowledge import recipient_in
from fhirbridge.fhir import references, wire
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.registry import recipient_of
from fhirbridge.storage import handoff_keys, handoffs, resources, writers
from fhirbridge.storage import partners as partner_rows
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion
from fhirbridge.workflow.known import disputed, orders, tokens

TYPES = frozenset({"Task", "Appointment"})


def is_strangers(
    session: Session, circumstances: Circumstances, reference: str, recipient: Recipient
) -> bool:
    """True for the Task of a handoff to which an organization is no party."""
    handoff_ids = handoff_keys.known_as(session, circumstances.custodian_id, [reference])
    return bool(_strange(session, circumstances, handoff_ids, recipient))


def is_of_referral(session: Session, circumstances: Circumstances, reference: str) -> bool:
    """True for the Task of a handoff."""
    return bool(handoff_keys.known_as(session, circumstances.custodian_id, [reference]))


def note_writer(
    session: Session, circumstances: Circumstances, version: ResourceVersion, recipient: Recipient
) -> None:
    """Note who wrote a Task or an Appointment, and of which handoffs it speaks without its writer
    being a party."""
    writers.note(session, circumstances.custodian_id, version, recipient)
    resource = wire.parse(version.content)
    key = disputed(version.reference)
    handoff_keys.forget(session, circumstances.custodian_id, key)
    spoken_of = handoff_keys.known_as(
        session,
        circumstances.custodian_id,
        _keys(resource, version.reference, circumstances.bases),
    )
    for handoff_id in _strange(session, circumstances, spoken_of, recipient):
        handoff_keys.note(session, circumstances.custodian_id, handoff_id, [key])


def _keys(resource: Resource, reference: str, bases: Sequence[str]) -> list[str]:
    if resource["resourceType"] == "Task":
        return [reference, *tokens(resource)]
    return orders(resource, bases=bases)


def _strange(
    session: Session, circumstances: Circumstances, handoff_ids: list[str], recipient: Recipient
) -> list[str]:
    """Those of the handoffs to which the organization is no party."""
    if not handoff_ids:
        return []
    settings = partner_rows.settings_of(session, circumstances.custodian_id)
    found = (handoffs.get(session, circumstances.custodian_id, one) for one in handoff_ids)
    return [
        row.id
        for row in found
        if row is not None and not _is_party(session, circumstances, row, settings, recipient)
    ]


def _is_party(
    session: Session,
    circumstances: Circumstances,
    handoff: HandoffRow,
    settings: Mapping[str, JsonObject],
    recipient: Recipient,
) -> bool:
    asked_by = writers.from_json(handoff.details.get("askedBy"))
    if asked_by is not None and is_same(asked_by, recipient):
        return True
    if handoff.partner:
        known = recipient_of((settings.get(handoff.partner) or {}).get("recipient"))
        return is_same(known or Recipient(handoff.partner), recipient)
    # nobody is registered for who asks us: their Task says who it is
    task = _read(session, circumstances, str(handoff.details.get("taskHere") or ""))
    asking = _meant(session, circumstances, task.get("requester") or {}, task)
    if asking.get("resourceType") == "PractitionerRole":
        asking = _meant(session, circumstances, asking.get("organization") or {}, asking)
    return is_same(recipient_in(asking), recipient)


def _meant(
    session: Session, circumstances: Circumstances, reference: JsonObject, container: Resource
) -> Resource:
    """What a reference means: stored here, contained, or no more than it says itself."""
    text = str(reference.get("reference") or "")
    contained = {f"#{one.get('id')}": one for one in container.get("contained") or []}
    named = references.parse(text)
    stored = ""
    if named.resource_id and any(
        references.is_local(named, one) for one in ("", *circumstances.bases)
    ):
        stored = references.write(named.resource_type, named.resource_id)
    identifier = reference.get("identifier")
    said = {"name": reference.get("display"), "identifier": [identifier] if identifier else []}
    return contained.get(text) or _read(session, circumstances, stored) or said


def _read(session: Session, circumstances: Circumstances, reference: str) -> Resource:
    resource_type, _, resource_id = reference.partition("/")
    found = resources.read(session, circumstances.custodian_id, resource_type, resource_id)
    return wire.parse(found.content) if found is not None and not found.deleted else {}
