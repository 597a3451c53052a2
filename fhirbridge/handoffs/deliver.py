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
from fhirbridge.handoffs import partners
from fhirbridge.handoffs.held import held_by
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.attempt import Outcome
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.delivery import deliver
from fhirbridge.partners.plan import SendPlan, plan
from fhirbridge.partners.registry import Partner, fetch_capability
from fhirbridge.partners.verdict import Delivered, Refused, Retry, Unknown
from fhirbridge.storage import handoffs, outbox
from fhirbridge.storage.outbox import Claim, Ending
from fhirbridge.storage.session import Session
from fhirbridge.workflow.retry import Chance, Policy, next_attempt_at
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
        )
    if claimed is None:
        return None
    ending = _try(bridge, claimed, chance)
    with bridge.database.transaction() as session:
        now = bridge.now()
        recorded = outbox.record(session, claimed, ending, now=now)
        if recorded and ending.state is DeliveryState.DELIVERED:
            _note_places(bridge, session, claimed, ending.result)
    row = claimed.row
    return Attempted(row.id, row.handoff_id, row.partner, row.attempts, ending, recorded)


def _note_places(
    bridge: Bridge, session: Session, claimed: Claim, places: Mapping[str, str]
) -> None:
    handoff = handoffs.get(session, bridge.custodian.id, claimed.row.handoff_id)
    if handoff is None:
        return
    handoffs.note_places(
        session,
        bridge.custodian.id,
        handoff.id,
        task_reference=places.get(str(handoff.details.get("task"))),
        order_reference=places.get(str(handoff.details.get("focus"))),
        now=bridge.now(),
    )


def _try(bridge: Bridge, claimed: Claim, chance: Chance) -> Ending:
    """Send, and turn whatever happens into an ending."""
    request_id = bridge.new_id()
    sent = _Sent({"requestId": request_id})
    try:
        outcome = _send(bridge, claimed, sent, request_id)
    except PartnerUnreachable:
        outcome = Outcome(Retry("unreachable"), dict(claimed.row.result))
    except LeaseLost:
        outcome = Outcome(Unknown("lease-lost"), dict(claimed.row.result))
    except Exception as exc:  # a fault of ours: recorded, and the partner is asked first
        telemetry.unexpected(exc, "A delivery")
        outcome = Outcome(Unknown("fault-of-ours"), dict(claimed.row.result))
    policy = Policy.from_json(claimed.row.policy)
    outcome = _stay_unknown(claimed, outcome)
    return _ending(bridge, claimed, outcome, sent, policy=policy, chance=chance)


@dataclass(slots=True)
class _Sent:
    """What is known of an attempt, also when it breaks off: facts for its record, and the plan."""

    details: JsonObject
    made: SendPlan | None = None


def _send(bridge: Bridge, claimed: Claim, sent: _Sent, request_id: str) -> Outcome:
    bundle = wire.parse(claimed.body, max_bytes=len(claimed.body))
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
    sent.details["to"] = partner.base_url
    policy = Policy.from_json(claimed.row.policy)
    lease = _Lease(bridge, claimed, policy)
    with partner.connect(
        request_id=request_id, policy=policy, before_request=lease.extend
    ) as client:
        partner = _with_capability(bridge, partner, client)
        made = plan(bundle, partner.abilities, held=held)
        sent.made = made
        sent.details |= {"rung": made.rung.value, "losses": list(made.losses)}
        return deliver(
            made,
            client,
            anchor=str(handoff.details.get("task")) if handoff else "",
            ledger=claimed.row.result,
            look_first=claimed.look_first,
            now=bridge.now,
            progress=lease.keep,
        )


class LeaseLost(Exception):
    """Another worker has taken the delivery over: this one stops at once."""


class _Lease:
    """Holds on to a claim while it is worked on, each time in a transaction of its own."""

    def __init__(self, bridge: Bridge, claimed: Claim, policy: Policy) -> None:
        self._bridge = bridge
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
    partner = replace(partner, capability=capability, capability_at=now)
    with bridge.database.transaction() as session:
        partners.save(session, bridge, partner)
    return partner


def _stay_unknown(claimed: Claim, outcome: Outcome) -> Outcome:
    """An unknown outcome stays unknown until the partner has been asked."""
    if not claimed.look_first or outcome.looked in ("found", "not-found"):
        return outcome
    verdict = outcome.verdict
    if isinstance(verdict, Retry):
        unknown = Unknown(verdict.error_class, verdict.status, verdict.retry_after_seconds)
        return replace(outcome, verdict=unknown)
    if isinstance(verdict, Refused):
        return replace(
            outcome, verdict=Unknown(verdict.error_class, verdict.status), needs_person=True
        )
    return outcome


def _ending(
    bridge: Bridge,
    claimed: Claim,
    outcome: Outcome,
    sent: _Sent,
    *,
    policy: Policy,
    chance: Chance,
) -> Ending:
    verdict = outcome.verdict
    details = sent.details
    if outcome.looked:
        details["looked"] = outcome.looked
    if outcome.created or outcome.matched:
        details |= {"created": len(outcome.created), "matched": outcome.matched}
    if isinstance(verdict, Delivered):
        return Ending(
            DeliveryState.DELIVERED,
            "delivered",
            status=verdict.status,
            result=outcome.locations,
            details=details,
        )
    state = DeliveryState.QUEUED
    next_at = None
    if isinstance(verdict, Refused):
        state = DeliveryState.REFUSED
        details |= {"hint": verdict.hint, "findings": _findings(verdict, outcome, sent.made)}
    elif outcome.needs_person:
        state = DeliveryState.NEEDS_PERSON
        details["hint"] = "It may have arrived, and the partner offers no way to find out."
    else:
        next_at = next_attempt_at(
            policy,
            attempts=claimed.row.attempts,
            enqueued_at=claimed.row.enqueued_at,
            now=bridge.now(),
            chance=chance,
            retry_after_seconds=verdict.retry_after_seconds,
        )
        if next_at is None:
            state, details["hint"] = _give_up(verdict)
    return Ending(
        state,
        {Refused: "refused", Retry: "retry", Unknown: "unknown"}[type(verdict)],
        verdict.error_class,
        verdict.status,
        next_at,
        outcome.locations,
        details,
    )


def _give_up(verdict: Retry | Unknown) -> tuple[DeliveryState, str]:
    """After the maximum age: dead if it certainly did not arrive, else a person has to ask."""
    if isinstance(verdict, Retry):
        hint = "The partner did not take it in the time allowed; send again when it is back."
        return DeliveryState.DEAD, hint
    hint = "It may have arrived; ask the partner, then send again or close it."
    return DeliveryState.NEEDS_PERSON, hint


def _findings(verdict: Refused, outcome: Outcome, made: SendPlan | None) -> list[JsonObject]:
    """The partner's findings, each with the entry it is about: codes and places, no texts."""
    types = {entry.full_url: entry.resource_type for entry in made.everything} if made else {}
    listed = []
    for finding in verdict.findings:
        shown: JsonObject = {"code": finding.code, "expression": list(finding.expression)}
        if 0 <= finding.entry < len(outcome.sequence):
            full_url = outcome.sequence[finding.entry]
            shown |= {"fullUrl": full_url, "resourceType": types.get(full_url, "")}
        listed.append(shown)
    return listed
