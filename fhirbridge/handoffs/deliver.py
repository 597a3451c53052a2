"""One attempt of one delivery: claim, commit, send, record. The third place that catches errors.

No transaction is open while anything is on the wire.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from fhirbridge import telemetry
from fhirbridge.bridge import Bridge
from fhirbridge.errors import PartnerUnreachable
from fhirbridge.fhir import wire
from fhirbridge.handoffs import partners, places, proof
from fhirbridge.handoffs.consenting import Fence, Narrowed, Withheld
from fhirbridge.handoffs.endings import Sent, ending_of, stay_unknown, tell
from fhirbridge.handoffs.held import held_by
from fhirbridge.handoffs.package import frozen_hash, sealed
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.attempt import Outcome
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.delivery import deliver
from fhirbridge.partners.plan import Held, plan
from fhirbridge.partners.registry import Partner, fetch_capability
from fhirbridge.partners.verdict import Retry, Unknown
from fhirbridge.storage import handoffs, outbox
from fhirbridge.storage import partners as partner_rows
from fhirbridge.storage.outbox import Claim, Ending
from fhirbridge.storage.session import Session
from fhirbridge.workflow.retry import Chance, Policy
from fhirbridge.workflow.words import DeliveryState

_CAPABILITY_MAX_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Attempted:
    """What one attempt did, for logs and progress: ids and codes only."""

    outbox_id: int
    handoff_id: str
    partner: str
    attempt: int
    ending: Ending
    recorded: bool


def attempt(
    bridge: Bridge,
    owner: str,
    *,
    per_partner: int = 1,
    healthy_only: bool = False,
    chance: Chance = random.random,
) -> Attempted | None:
    """Claim the next delivery that is due and try it; None if there is none.

    Whatever goes wrong ends as a recorded verdict. If the lease was lost meanwhile, whoever has
    it now decides, and nothing is recorded here.
    """
    with bridge.database.read() as session:
        due_at = outbox.next_due_at(session, bridge.custodian.id)
    if due_at is None or due_at > bridge.now():
        return None
    with bridge.database.transaction() as session:
        claimed = outbox.claim(
            session,
            bridge.custodian.id,
            owner,
            now=bridge.now(),
            per_partner=per_partner,
            healthy_only=healthy_only,
            closed=partners.closed_now(session, bridge),
        )
    if claimed is None:
        return None
    sent = Sent({"requestId": bridge.new_id()}, dict(claimed.row.result))
    ending = _try(bridge, claimed, sent, chance)
    with bridge.database.transaction() as session:
        now = bridge.now()
        recorded = outbox.record(session, claimed, ending, now=now)
        if recorded:
            tell(session, bridge, claimed, ending)
        if recorded and ending.state is DeliveryState.DELIVERED:
            _note_places(bridge, session, claimed, ending.result)
    if recorded and ending.state is DeliveryState.DELIVERED and sent.made and sent.partner:
        proof.seek(bridge, sent.partner, sent.made, ending.result)
    row = claimed.row
    return Attempted(row.id, row.handoff_id, row.partner, row.attempts, ending, recorded)


def _note_places(
    bridge: Bridge, session: Session, claimed: Claim, located: Mapping[str, str]
) -> None:
    handoff = handoffs.get(session, bridge.custodian.id, claimed.row.handoff_id)
    facts = handoff.details if handoff else {}
    named = {name: located.get(str(facts.get(name)), "") for name in ("task", "focus", "patient")}
    places.note(
        session,
        bridge,
        claimed.row.handoff_id,
        task=named["task"],
        order=named["focus"],
        patient=named["patient"],
    )


def _try(bridge: Bridge, claimed: Claim, sent: Sent, chance: Chance) -> Ending:
    """Send, and turn whatever happens into an ending."""
    try:
        outcome = _send(bridge, claimed, sent, str(sent.details["requestId"]))
    except Withheld as exc:
        return _withheld(claimed, sent, exc)
    except Narrowed:
        outcome = Outcome(Retry("consent-changed"), sent.placed)
    except PartnerUnreachable:
        outcome = Outcome(Retry("unreachable"), sent.placed)
    except LeaseLost:
        outcome = Outcome(Unknown("lease-lost"), sent.placed)
    except Exception as exc:  # a fault of ours: recorded, and the partner is asked first
        telemetry.unexpected(exc, "A delivery")
        outcome = Outcome(Unknown("fault-of-ours"), sent.placed)
    if outcome.versions:
        sent.details["versions"] = dict(outcome.versions)
    if outcome.theirs:
        words = f"{len(outcome.theirs)} changed at the partner since: left as it is there."
        sent.details["losses"] = [*sent.details.get("losses", ()), words]
    policy = Policy.from_json(claimed.row.policy)
    outcome = stay_unknown(claimed, outcome)
    return ending_of(bridge, claimed, outcome, sent, policy=policy, chance=chance)


def _send(bridge: Bridge, claimed: Claim, sent: Sent, request_id: str) -> Outcome:
    bundle = wire.parse(claimed.body)
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, claimed.row.partner)
        held = held_by(
            session,
            bridge.custodian.id,
            partner,
            patient_key=claimed.row.patient_key,
            bundle=bundle,
        )
        handoff = handoffs.get(session, bridge.custodian.id, claimed.row.handoff_id)
    for url in claimed.row.policy.get("changed", ()):  # there already, and repaired since
        if place := claimed.row.result.get(url):
            held[url] = Held(place, unchanged=False)
    purpose = str(claimed.row.policy.get("purpose") or "")
    fence = Fence(bridge, partner, claimed.row.handoff_id, bundle, purpose=purpose)
    permitted = fence.authorise()
    bundle = sealed(
        bridge,
        permitted.bundle,
        kind=handoff.kind if handoff else "",
        handoff=claimed.row.handoff_id,
        version=int(claimed.row.policy.get("document_version") or 1),
        at=claimed.row.enqueued_at,
    )
    sent.details |= {"to": partner.base_url, "document": frozen_hash(bundle)}
    policy = Policy.from_json(claimed.row.policy)
    lease = _Lease(bridge, claimed, policy, sent)

    def before_request() -> None:
        fence.check()
        lease.extend()
        sent.has_begun = sent.made is not None

    with bridge.connect(
        partner, request_id=request_id, policy=policy, before_request=before_request
    ) as client:
        partner = _with_capability(bridge, partner, client)
        made = plan(bundle, partner.abilities, held=held)
        sent.partner, sent.made = partner, made
        sent.details |= {"rung": made.rung.value, "losses": list(made.losses)}
        return deliver(
            made,
            client,
            anchor=str(handoff.details.get("task")) if handoff else "",
            ledger=claimed.row.result,
            look_first=claimed.look_first,
            is_proven=partner.probe.get("lookUp") is True,
            now=bridge.now,
            progress=lease.keep,
        )


def _withheld(claimed: Claim, sent: Sent, cause: Withheld) -> Ending:
    """Nothing more is sent. If something may have arrived before, a person has to ask."""
    details = {**sent.details, **cause.details()}
    if claimed.look_first or sent.placed or sent.has_begun:
        details["hint"] = "It may have arrived before the consent ended; ask the partner."
        return Ending(
            DeliveryState.NEEDS_PERSON,
            "withheld",
            "consent",
            result=sent.placed,
            details=details,
        )
    details["hint"] = "The patient's consents do not permit it; `consent explain` says why."
    return Ending(DeliveryState.WITHHELD, "withheld", "consent", details=details)


class LeaseLost(Exception):
    """Another worker has taken the delivery over: this one stops at once."""


class _Lease:
    """Holds on to a claim while it is worked on, each time in a transaction of its own."""

    def __init__(self, bridge: Bridge, claimed: Claim, policy: Policy, sent: Sent) -> None:
        self._bridge = bridge
        self._sent = sent
        self._claimed = claimed
        self._a_third = timedelta(seconds=policy.lease_seconds / 3)
        self._extended_at = bridge.now()

    def extend(self) -> None:
        """Before a request: extend the lease once a third of it is over, or raise LeaseLost."""
        if self._bridge.now() - self._extended_at > self._a_third:
            self.keep(None)

    def keep(self, locations: Mapping[str, str] | None) -> None:
        """Extend the lease and keep what is placed so far, or raise LeaseLost."""
        now = self._bridge.now()
        with self._bridge.database.transaction() as session:
            held = outbox.note_progress(session, self._claimed, locations, now=now)
        if not held:
            raise LeaseLost
        if locations is not None:
            self._sent.placed = dict(locations)
        self._extended_at = now


def _with_capability(bridge: Bridge, partner: Partner, client: PartnerClient) -> Partner:
    """The partner with a CapabilityStatement not older than a day, if one is to be had."""
    now = bridge.now()
    known_at = partner.capability_at
    if partner.capability and known_at and now - known_at < _CAPABILITY_MAX_AGE:
        return partner
    try:
        capability: Resource = partners.storable(fetch_capability(client, partner.name))
    except PartnerUnreachable:
        if partner.capability:
            return partner
        raise
    with bridge.database.transaction() as session:
        partner_rows.note_capability(
            session, bridge.custodian.id, partner.name, capability=capability, at=now
        )
    return replace(partner, capability=capability, capability_at=now)
