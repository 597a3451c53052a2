"""Starting a handoff: the document, its resources and its outbox row in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.attendance import without_past
from fhirbridge.conversion.packet import Outgoing, Package, handoff_id, pack
from fhirbridge.errors import Conflict, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.handoffs import closing, partners
from fhirbridge.handoffs.consenting import PURPOSE, check, gate_to, learn_from, purpose_of
from fhirbridge.handoffs.held import held_by
from fhirbridge.handoffs.package import code_of, sealed
from fhirbridge.handoffs.rounds import in_round
from fhirbridge.handoffs.staying import Stay, what_stays
from fhirbridge.handoffs.tasks import keep_task
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.plan import SendPlan, plan
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.rungs import RungShown, rungs
from fhirbridge.storage import handoff_keys, handoffs, outbox, outbox_rows, patient_resources
from fhirbridge.storage.keys import patient_key_of
from fhirbridge.storage.session import Session
from fhirbridge.workflow.words import DeliveryState, ReferralState

Receive = Callable[[Session], Outgoing]
_ON_ITS_WAY = (DeliveryState.QUEUED, DeliveryState.LEASED, DeliveryState.DELIVERED)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A handoff that was started. `is_new` is False when this version was on its way before."""

    handoff_id: str
    outbox_id: int
    state: DeliveryState
    is_new: bool
    replaced: int = 0


def hand_over(
    bridge: Bridge, partner_name: str, receive: Receive, *, purpose: str = "", again: bool = False
) -> Receipt:
    """Take a document in and enqueue it for a partner, together or not at all.

    `receive` stores the document inside the transaction it is given and returns what goes out.
    The same version for the same partner is enqueued once; a newer one replaces an older one of
    which nothing was sent. `purpose` is a code of v3-ActReason, treatment for "". `again` asks a
    partner anew that declined or ended it: a new handoff with a Task of its own on the same order.
    Raises NotFound for an unknown partner, InvalidContent for such a purpose, Conflict if this
    version is on its way for another one or is asked again while it is open, and Forbidden with the
    reasons if the patient's consents do not permit it: then nothing is stored.
    """
    purpose = purpose_of(purpose)
    with bridge.database.transaction() as session:
        partner = partners.load(session, bridge, partner_name)
        outgoing = in_round(session, bridge, partner, receive(session), again=again)
        packed = package(session, bridge, partner, outgoing)
        check(session, bridge, partner, packed.bundle, purpose=purpose)
        identity = handoff_id(bridge.custodian.namespace, outgoing, partner.name)
        custodian_id, now = bridge.custodian.id, bridge.now()
        known = handoffs.get(session, custodian_id, identity)
        earlier = outbox_rows.of_handoff(session, custodian_id, identity)
        if (
            known
            and known.document_version == outgoing.version
            and earlier
            and earlier[0].state in _ON_ITS_WAY
        ):
            _refuse_another(earlier[0], purpose)
            return Receipt(identity, earlier[0].id, earlier[0].state, is_new=False)
        patient_key = patient_key_of({f"Patient/{packed.patient_id}"})
        details = known.details if known else {}
        row = handoffs.HandoffRow(
            identity,
            outgoing.kind,
            outgoing.source_system,
            outgoing.record_id,
            outgoing.version,
            partner.name,
            patient_key,
            ReferralState.SENT.value,
            now,
            now,
            details={**details, **_facts(packed, partner), "past": outgoing.with_past}
            | ({"round": outgoing.round} if outgoing.round else {}),
        )
        handoffs.put(session, custodian_id, row)
        closing.sent_on(bridge, session, row)
        keep_task(session, bridge, row, packed)
        handoff_keys.note(session, custodian_id, identity, [f"code {code_of(identity)}"])
        replaced = outbox.replace_unsent(session, custodian_id, identity, now)
        item = outbox.Item(
            identity,
            partner.name,
            patient_key,
            stamped_policy(partner, outgoing.version) | {"purpose": purpose},
            wire.dump(packed.bundle),
        )
        outbox_id = outbox.enqueue(session, custodian_id, item, now)
    return Receipt(identity, outbox_id, DeliveryState.QUEUED, is_new=True, replaced=replaced)


def _refuse_another(row: outbox_rows.OutboxRow, purpose: str) -> None:
    """One version goes to a partner for one purpose, which is not changed on the way."""
    given = str(row.policy.get("purpose") or PURPOSE)
    if given == purpose:
        return
    if row.state is DeliveryState.QUEUED:
        what = f"Close it (outbox retry {row.id} --close REASON) or hand over a newer version."
    else:
        what = "Hand over a newer version."
    words = f"This version goes to {row.partner} for {given} already (delivery {row.id}). {what}"
    raise Conflict(Issue("conflict", words))


def stamped_policy(partner: Partner, version: int) -> JsonObject:
    """What is written on the row: how it is sent does not change any more."""
    return partner.policy.to_json() | {
        "profile": partner.profile,
        "lag_seconds": float(partner.probe.get("lagSeconds") or 0),
        "document_version": version,
    }


def _facts(packed: Package, partner: Partner) -> JsonObject:
    """What following and the clocks need to know; ids and codes only."""
    resources_by_url = {e.full_url: e.resource for e in bundles.entries_of(packed.bundle)}
    task, focus = resources_by_url[packed.task] or {}, resources_by_url[packed.focus] or {}
    hours = [
        one.get("valuePositiveInt")
        for one in (task.get("restriction") or {}).get("extension") or []
        if str(one.get("url", "")).endswith("/sla-hours")
    ]
    return {
        "profile": partner.profile,
        "task": packed.task,
        "focus": packed.focus,
        "patient": packed.patient,
        "taskHere": f"Task/{packed.task.removeprefix('urn:uuid:')}",
        "orderHere": f"{focus.get('resourceType')}/{packed.focus.removeprefix('urn:uuid:')}",
        "patientHere": f"Patient/{packed.patient_id}",
        "priority": str(focus.get("priority") or "routine"),
        **({"slaHours": int(hours[0])} if hours else {}),
    }


@dataclass(frozen=True, slots=True)
class Preview:
    """The plan that would be followed, and what would be lost on every other rung.

    `recipient` is who would be told, for `purpose`, by `consents`; `stays` what would not be.
    """

    plan: SendPlan
    rungs: tuple[RungShown, ...]
    recipient: str
    purpose: str
    consents: tuple[str, ...]
    stays: tuple[Stay, ...]

    def to_json(self) -> JsonObject:
        """The plan for people and programs."""
        return {
            **self.plan.to_json(),
            "rungs": [one.to_json() for one in self.rungs],
            "recipient": self.recipient,
            "purpose": self.purpose,
            "consents": list(self.consents),
            "withheld": [one.to_json() for one in self.stays],
        }


def preview(
    bridge: Bridge,
    partner_name: str,
    outgoing: Outgoing,
    *,
    purpose: str = "",
    again: bool = False,
) -> Preview:
    """The plan that sending this document now would follow; nothing is stored or sent.

    Raises InvalidContent and Forbidden like `hand_over`.
    """
    purpose = purpose_of(purpose)
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, partner_name)
        outgoing = in_round(session, bridge, partner, outgoing, again=again)
        packed = package(session, bridge, partner, outgoing)
        bundle = packed.bundle
        found = check(session, bridge, partner, bundle, purpose=purpose, is_stored=False)
        gate = gate_to(bridge, partner, purpose=purpose)
        learn_from(session, gate, bundle)
        stays = what_stays(session, gate, bundle, found=found)
        patient_key = patient_key_of({f"Patient/{packed.patient_id}"})
        held = held_by(
            session,
            bridge.custodian.id,
            partner,
            patient_key=patient_key,
            bundle=packed.bundle,
        )
    leaving = sealed(
        bridge,
        found.bundle,
        kind=outgoing.kind,
        handoff=handoff_id(bridge.custodian.namespace, outgoing, partner.name),
        version=outgoing.version,
        at=bridge.now(),
    )
    return Preview(
        plan(leaving, partner.abilities, held=held),
        tuple(rungs(leaving, partner.abilities, held=held)),
        gate.recipient.name,
        purpose,
        found.consents,
        stays,
    )


def planned_bundle(bridge: Bridge, partner: Partner, outgoing: Outgoing) -> Resource:
    """What a document would be to this partner, sealed, whatever consents say; nothing is sent."""
    with bridge.database.read() as session:
        outgoing = in_round(session, bridge, partner, outgoing)
        packed = package(session, bridge, partner, outgoing)
    return sealed(
        bridge,
        packed.bundle,
        kind=outgoing.kind,
        handoff=handoff_id(bridge.custodian.namespace, outgoing, partner.name),
        version=outgoing.version,
        at=bridge.now(),
    )


def package(session: Session, bridge: Bridge, partner: Partner, outgoing: Outgoing) -> Package:
    """What is sent to this partner, with withdrawn items that it holds. Raises InvalidContent."""
    patient = next(iter(bundles.resources_of(outgoing.bundle, "Patient")), {})
    whole = [
        *(outgoing.bundle.get("entry") or []),
        *(outgoing.withdrawals().get("entry") or []),
    ]
    held = held_by(
        session,
        bridge.custodian.id,
        partner,
        patient_key=patient_key_of({f"Patient/{patient.get('id')}"}),
        bundle=bundles.transaction(whole),
    )
    identity = handoff_id(bridge.custodian.namespace, outgoing, partner.name)
    namespace, base = bridge.custodian.namespace, bridge.settings.base
    current = without_past(
        outgoing.bundle,
        now=bridge.now().astimezone(bridge.settings.zone),
        handoff=identity,
        namespace=namespace,
        base=base,
        held=held.keys(),
        sessions={} if outgoing.kind == "referral" else _sessions(session, bridge, patient),
        with_past=outgoing.with_past,
    )
    return pack(
        replace(outgoing, bundle=current),
        handoff=identity,
        namespace=namespace,
        base=base,
        partner=partner.recipient.name if partner.recipient else partner.name,
        profile=partner.profile,
        held=held.keys(),
        now=bridge.now(),
        another=_went_elsewhere(session, bridge, outgoing, identity),
    )


def _sessions(session: Session, bridge: Bridge, patient: Resource) -> dict[str, Resource]:
    """The Appointments of the patient that are stored, by id."""
    found = patient_resources.current(
        session,
        bridge.custodian.id,
        "Appointment",
        patient_key=patient_key_of({f"Patient/{patient.get('id')}"}),
    )
    return {one.resource_id: wire.parse(one.content) for one in found}


def _went_elsewhere(session: Session, bridge: Bridge, outgoing: Outgoing, identity: str) -> bool:
    """True if the referral's own Task belongs to a handoff to somebody else."""
    if outgoing.kind != "referral":
        return False
    own = next((one for one in bundles.resources_of(outgoing.bundle, "Task")), {})
    holders = handoff_keys.known_as(session, bridge.custodian.id, [f"Task/{own.get('id')}"])
    return bool(holders) and identity not in holders
