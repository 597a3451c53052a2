"""Deliveries that grew too old while their partner was left alone end as if they had been tried."""

from datetime import timedelta

from fhirbridge.bridge import Bridge
from fhirbridge.handoffs.endings import alert_of_end
from fhirbridge.storage import alerts, circuits, outbox_repair, outbox_rows
from fhirbridge.storage.outbox_repair import Decision
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import DeliveryState

_AT_ONCE = 100


def expire(bridge: Bridge) -> int:
    """End what is older than its policy allows at partners whose circuit is open; how many.

    What certainly was not sent is given up; where it is not certain, a person has to ask.
    """
    custodian_id, now = bridge.custodian.id, bridge.now()
    with bridge.database.read() as session:
        partners = [one.partner for one in circuits.tripped(session, custodian_id)]
        old = [
            row
            for partner in partners
            for row in outbox_rows.oldest_queued(session, custodian_id, partner, limit=_AT_ONCE)
            if now - row.enqueued_at
            >= timedelta(seconds=Policy.from_json(row.policy).max_age_seconds)
        ]
    if not old:
        return 0
    ended = 0
    with bridge.database.transaction() as session:
        for row in old:
            unsure = row.last_verdict == "unknown"
            state = DeliveryState.NEEDS_PERSON if unsure else DeliveryState.DEAD
            hint = (
                "It may have arrived; ask the partner, then send again or close it."
                if unsure
                else "The partner did not take it in the time allowed; send again when it is back."
            )
            decision = Decision(state, "too-old", "", {"hint": hint})
            if outbox_repair.decide(session, custodian_id, row, decision, now=now):
                ended += 1
                alerts.raise_once(
                    session,
                    custodian_id,
                    alert_of_end(row.partner, state, row.last_error_class, hint=hint, now=now),
                )
    return ended
