"""What people and programs are told about deliveries: states in words, attempts, next step.

Ids and codes only; nothing here comes from a patient's record.
"""

from dataclasses import dataclass
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import Issue, NotFound
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import alerts, handoffs, outbox_rows
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.outbox_rows import AttemptRow, OutboxRow
from fhirbridge.workflow.status import say
from fhirbridge.workflow.words import DeliveryState, ReferralState, Word


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the outbox with its handoff; `attempts` only where it is shown alone."""

    row: OutboxRow
    handoff: HandoffRow
    attempts: tuple[AttemptRow, ...] | None = None

    @property
    def word(self) -> Word:
        """Where it stands, and who owes the next step."""
        referral = ReferralState(self.handoff.status)
        return say(
            self.row.state,
            referral,
            last_verdict=self.row.last_verdict,
            last_error_class=self.row.last_error_class,
            details=self.handoff.details,
        )

    def to_json(self) -> JsonObject:
        """The delivery for programs; without `attempts` where they were not asked for."""
        row, word = self.row, self.word
        waits = row.state is DeliveryState.QUEUED
        shown: JsonObject = {
            "id": row.id,
            "handoff": row.handoff_id,
            "kind": self.handoff.kind,
            "documentVersion": self.handoff.document_version,
            "partner": row.partner,
            "state": row.state.value,
            "referral": self.handoff.status,
            "word": word.text,
            "nextStepBy": word.next_by,
            "nextStep": word.next_step,
            "tries": row.attempts,
            "nextTryAt": _instant(row.next_attempt_at) if waits else None,
            "lastVerdict": row.last_verdict,
            "lastErrorClass": row.last_error_class,
            "lastStatus": row.last_status,
            "enqueuedAt": _instant(row.enqueued_at),
            "finishedAt": _instant(row.finished_at),
        }
        if self.attempts is not None:
            shown |= {
                "task": self.handoff.task_reference,
                "taskVersion": self.handoff.task_version,
                "order": self.handoff.order_reference,
                "events": self.handoff.details.get("events", []),
                "locations": row.result,
                "policy": row.policy,
                "attempts": [_attempt(one) for one in self.attempts],
            }
        return shown


def _attempt(one: AttemptRow) -> JsonObject:
    return {
        "number": one.number,
        "startedAt": _instant(one.started_at),
        "finishedAt": _instant(one.finished_at),
        "verdict": one.verdict,
        "errorClass": one.error_class,
        "status": one.status,
        **one.details,
    }


def _instant(moment: datetime | None) -> str | None:
    return to_instant(moment) if moment else None


def list_deliveries(
    bridge: Bridge,
    *,
    states: tuple[DeliveryState, ...] = (),
    partner: str = "",
    limit: int = 100,
) -> list[Delivery]:
    """Deliveries, newest first."""
    with bridge.database.read() as session:
        rows = outbox_rows.list_rows(
            session, bridge.custodian.id, states=states, partner=partner, limit=limit
        )
        found = {
            handoff_id: handoffs.get(session, bridge.custodian.id, handoff_id)
            for handoff_id in {row.handoff_id for row in rows}
        }
    return [Delivery(row, handoff) for row in rows if (handoff := found[row.handoff_id])]


def show(bridge: Bridge, reference: str) -> Delivery:
    """One delivery with its attempts, by outbox id or handoff id (its newest delivery).

    Raises NotFound.
    """
    with bridge.database.read() as session:
        custodian_id = bridge.custodian.id
        row = None
        if reference.isdecimal() and len(reference) < 19:
            row = outbox_rows.get(session, custodian_id, int(reference))
        else:
            row = next(iter(outbox_rows.of_handoff(session, custodian_id, reference)), None)
        handoff = handoffs.get(session, custodian_id, row.handoff_id) if row else None
        if row is None or handoff is None:
            raise NotFound(Issue("not-found", "There is no delivery or handoff with this id."))
        attempts = outbox_rows.attempts_of(session, custodian_id, row.id)
    return Delivery(row, handoff, tuple(attempts))


def list_alerts(
    bridge: Bridge, *, handoff_id: str = "", partner: str = "", with_closed: bool = False
) -> list[Alert]:
    """What people have to know of, newest first."""
    with bridge.database.read() as session:
        return alerts.list_alerts(
            session,
            bridge.custodian.id,
            handoff_id=handoff_id,
            partner=partner,
            with_closed=with_closed,
        )


def alert_json(alert: Alert) -> JsonObject:
    """An alert for programs."""
    return {
        "kind": alert.kind,
        "partner": alert.partner or None,
        "handoff": alert.handoff_id,
        "count": alert.count,
        "openedAt": _instant(alert.opened_at),
        "closedAt": _instant(alert.closed_at),
        **alert.details,
    }
