"""What a person does to a delivery that ended badly; each decision is kept among the attempts."""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.outbox_rows import OutboxRow
from fhirbridge.storage.session import Session
from fhirbridge.storage.tables import outbox, outbox_attempts
from fhirbridge.workflow.words import DeliveryState

_o = outbox.c


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided. `body` replaces what is sent; `look_first` asks the partner before.

    `changed` are the fullUrls of resources that are there already and say something else now.
    """

    state: DeliveryState
    words: str  # a code: again, look-again, anyway, found or given-up
    by: str
    details: JsonObject = field(default_factory=dict)
    result: dict[str, str] | None = None
    body: bytes | None = None
    changed: tuple[str, ...] = ()
    look_first: bool = False


def decide(
    session: Session, custodian_id: int, row: OutboxRow, decision: Decision, *, now: datetime
) -> bool:
    """Carry out a decision; False if the row has moved on since it was read."""
    queued = decision.state is DeliveryState.QUEUED
    values: dict[str, Any] = {
        "state": decision.state.value,
        "attempts": row.attempts + 1,
        "next_attempt_at": now,
        "last_verdict": "unknown" if queued and decision.look_first else None,
        "last_error_class": None if queued else row.last_error_class,
        "last_status": None,
        "finished_at": None if queued else now,
        "policy": {**row.policy, "changed": list(decision.changed)},
    }
    if queued:
        values["enqueued_at"] = now  # the maximum age counts from here
    if decision.result is not None:
        values["result"] = decision.result or sa.null()
    if decision.body is not None:
        values |= {"body": decision.body, "body_hash": sha256(decision.body).digest()}
    unmoved = (
        (_o.custodian_id == custodian_id)
        & (_o.id == row.id)
        & (_o.state == row.state.value)
        & (_o.attempts == row.attempts)
    )
    if session.execute(sa.update(outbox).where(unmoved).values(**values)).rowcount != 1:
        return False
    session.execute(
        sa.insert(outbox_attempts).values(
            custodian_id=custodian_id,
            outbox_id=row.id,
            number=row.attempts + 1,
            started_at=now,
            finished_at=now,
            verdict="person",
            details={"decision": decision.words, "by": decision.by, **decision.details},
        )
    )
    return True
