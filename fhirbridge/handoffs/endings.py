"""How an attempt ends: its verdict, what it leaves in the outbox, and what people are told.

An outcome that is not known stays so until the partner has been asked.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.attempt import Outcome
from fhirbridge.partners.lookup import NOT_PROVEN
from fhirbridge.partners.plan import SendPlan
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import Delivered, Refused, Retry, Unknown
from fhirbridge.storage import alerts, circuits, outbox_rows
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.outbox import Claim, Ending
from fhirbridge.storage.outbox_rows import OutboxRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.retry import Chance, Policy, next_attempt_at, wait_seconds
from fhirbridge.workflow.words import DeliveryState

# neither tells anything about the partner
_OURS = frozenset(
    {"consent-changed", "lease-lost", "fault-of-ours", "paper-only", "cannot-look-up", NOT_PROVEN}
)
_HINTS = {
    "paper-only": "Print the packet (handoff print), send it, and enter the answer under its code.",
    NOT_PROVEN: "It may have arrived, and nothing shows yet that this partner lets us find what we"
    " wrote: `partner probe NAME --write` tries it, then `outbox retry` looks again.",
}
_NO_WAY = "It may have arrived, and the partner offers no way to find out."
_BAD_ENDS = (
    DeliveryState.DEAD,
    DeliveryState.REFUSED,
    DeliveryState.NEEDS_PERSON,
    DeliveryState.WITHHELD,
)
_CERTAIN = 1.0


@dataclass(slots=True)
class Sent:
    """What is known of an attempt, also when it breaks off: facts for its record, partner and plan.

    `placed` is what the partner is known to have, by fullUrl; `has_begun`: it may have more.
    """

    details: JsonObject
    placed: dict[str, str]
    partner: Partner | None = None
    made: SendPlan | None = None
    has_begun: bool = False


def stay_unknown(claimed: Claim, outcome: Outcome) -> Outcome:
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


def ending_of(
    bridge: Bridge,
    claimed: Claim,
    outcome: Outcome,
    sent: Sent,
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
        details["hint"] = _HINTS.get(verdict.error_class, _NO_WAY)
    else:
        next_at = next_attempt_at(
            policy,
            attempts=claimed.row.attempts,
            enqueued_at=claimed.row.enqueued_at,
            now=bridge.now(),
            chance=chance,
            retry_after_seconds=_patience(claimed, verdict),
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


def _patience(claimed: Claim, verdict: Retry | Unknown) -> float | None:
    """What the partner asked for; after an unknown outcome at least twice its index lag, so that
    a look-up finds what is there."""
    lag = 2 * float(claimed.row.policy.get("lag_seconds") or 0)
    if isinstance(verdict, Unknown) and lag:
        return max(verdict.retry_after_seconds or 0.0, lag)
    return verdict.retry_after_seconds


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


def tell(session: Session, bridge: Bridge, claimed: Claim, ending: Ending) -> None:
    """Note how the partner stands, and tell people of what changed: once, not at every attempt.

    Deliveries that end badly for the same cause at the same partner are one alert with a count.
    """
    custodian_id, now, row = bridge.custodian.id, bridge.now(), claimed.row
    down = f"partner-down {row.partner}"
    if ending.verdict in ("delivered", "refused"):
        if circuits.answered(session, custodian_id, row.partner, now=now):
            alerts.close(session, custodian_id, down, now=now)
    elif ending.error_class not in _OURS and ending.state is not DeliveryState.WITHHELD:
        known = circuits.get(session, custodian_id, row.partner)
        pause = wait_seconds(
            Policy.from_json(row.policy),
            max(known.failures + 2 - circuits.TRIPS_AT, 1),
            lambda: _CERTAIN,
        )
        if circuits.failed(session, custodian_id, row.partner, pause_seconds=pause, now=now):
            details: JsonObject = {"errorClass": ending.error_class, "status": ending.status}
            alerts.raise_once(
                session,
                custodian_id,
                Alert(down, "partner-down", now, partner=row.partner, details=details),
            )
    if ending.state in _BAD_ENDS:
        hint = str(ending.details.get("hint") or "")
        alert = alert_of_end(row.partner, ending.state, ending.error_class, hint=hint, now=now)
        alerts.raise_once(session, custodian_id, alert)


def end_alert_of(session: Session, bridge: Bridge, row: OutboxRow) -> None:
    """Close the alert about a delivery that ended badly and was dealt with, if it was the last."""
    custodian_id = bridge.custodian.id
    others = outbox_rows.list_rows(
        session, custodian_id, states=(row.state,), partner=row.partner, limit=1000
    )
    if not any(one.last_error_class == row.last_error_class for one in others):
        about = alert_of_end(
            row.partner, row.state, row.last_error_class, hint="", now=bridge.now()
        )
        alerts.close(session, custodian_id, about.key, now=bridge.now())


def alert_of_end(
    partner: str, state: DeliveryState, error_class: str | None, *, hint: str, now: datetime
) -> Alert:
    """What people are told of deliveries that ended badly for one cause at one partner."""
    kind = f"delivery-{state.value}"
    details: JsonObject = {"errorClass": error_class, "hint": hint}
    return Alert(f"{kind} {partner} {error_class}", kind, now, partner=partner, details=details)
