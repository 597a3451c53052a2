"""Handoffs and referrals as coordinators see them: where each stands and who owes the next step.

Ids, codes and times only; the document itself is read through `inbound.document_of` or `/api`.
"""

from dataclasses import dataclass

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.handoffs import closing, view
from fhirbridge.handoffs.closing import Continuity
from fhirbridge.handoffs.package import code_of
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import alerts, handoff_keys, handoffs, outbox_rows, quarantine
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.outbox_rows import OutboxRow
from fhirbridge.storage.quarantine import Kept
from fhirbridge.workflow.status import say, say_referral
from fhirbridge.workflow.transitions import next_states
from fhirbridge.workflow.words import Profile, ReferralState, Word


@dataclass(frozen=True, slots=True)
class Case:
    """One handoff or inbound referral. What is below `delivery` only where it is shown alone."""

    handoff: HandoffRow
    delivery: OutboxRow | None
    alerts: tuple[Alert, ...] = ()
    set_aside: tuple[Kept, ...] = ()
    continuity: Continuity | None = None

    @property
    def direction(self) -> str:
        """`outbound` or `inbound`."""
        return str(self.handoff.details.get("direction") or "outbound")

    @property
    def asked_by(self) -> str:
        """The organization whose client sent it to us; "" for what goes out, or if unknown."""
        return str((self.handoff.details.get("askedBy") or {}).get("name") or "")

    @property
    def word(self) -> Word:
        """Where it stands, and who owes the next step: sender and receiver as in the referral."""
        state = ReferralState(self.handoff.status)
        if self.delivery is None:
            return say_referral(state, self.handoff.details)
        return say(
            self.delivery.state,
            state,
            last_verdict=self.delivery.last_verdict,
            last_error_class=self.delivery.last_error_class,
            details=self.handoff.details,
        )

    def to_json(self) -> JsonObject:
        """The case for programs."""
        row, word = self.handoff, self.word
        shown: JsonObject = {
            "id": row.id,
            "direction": self.direction,
            "kind": row.kind,
            "partner": row.partner or None,
            "askedBy": self.asked_by or None,
            "state": row.status,
            "word": word.text,
            "nextStepBy": word.next_by,
            "nextStep": word.next_step,
            "priority": row.details.get("priority", "routine"),
            "done": closing.is_done(row),
            "task": row.details.get("taskHere"),
            "order": row.details.get("orderHere"),
            "code": code_of(row.id),
            "updatedAt": to_instant(row.updated_at),
        }
        if self.continuity is not None:
            state = ReferralState(row.status)
            profile: Profile = row.details.get("profile") or "base"
            shown |= {
                "events": row.details.get("events", []),
                "visits": row.details.get("visits", {}),
                "closedFor": row.details.get("closedFor"),
                "lastVisit": self.continuity.last_visit or None,
                "firstVisit": self.continuity.first_visit or None,
                "daysBetween": self.continuity.days,
                "mayBecome": sorted(one.value for one in next_states(state, profile)),
                "alerts": [view.alert_json(one) for one in self.alerts],
                "setAside": [kept_json(one) for one in self.set_aside],
            }
        return shown


def kept_json(kept: Kept) -> JsonObject:
    """What was set aside, without its body."""
    return {
        "id": kept.id,
        "handoff": kept.handoff_id,
        "partner": kept.partner or None,
        "source": kept.source,
        "resource": kept.reference,
        "version": kept.version,
        "code": kept.code,
        "reason": kept.reason,
        "receivedAt": to_instant(kept.received_at),
        "settledAt": to_instant(kept.settled_at) if kept.settled_at else None,
        "settledBy": kept.settled_by,
    }


def list_cases(
    bridge: Bridge, *, direction: str = "", partner: str = "", limit: int = 100
) -> list[Case]:
    """Handoffs and referrals, those first that changed last."""
    custodian_id = bridge.custodian.id
    with bridge.database.read() as session:
        rows = handoffs.list_rows(session, custodian_id, partner=partner, limit=limit)
        wanted = [
            row for row in rows if direction in ("", row.details.get("direction") or "outbound")
        ]
        return [
            Case(row, next(iter(outbox_rows.of_handoff(session, custodian_id, row.id)), None))
            for row in wanted
        ]


def resolve(bridge: Bridge, name: str) -> str:
    """The id of a handoff, by its id, its document's record id, or the code on its packet.

    Case, blanks and the hyphen of a code do not matter: it is told by phone. Raises InvalidContent
    for a record that went to several partners.
    """
    letters = "".join(one for one in name.upper() if one.isalnum())
    custodian_id = bridge.custodian.id
    with bridge.database.read() as session:
        code = f"code {letters[:4]}-{letters[4:]}"
        found = handoff_keys.known_as(session, custodian_id, [code])
        if len(found) == 1:
            return found[0]
        rows = handoffs.list_rows(session, custodian_id, record_id=name) if name else []
    if len(rows) > 1:
        listed = ", ".join(f"{row.id} ({row.partner or 'came in'})" for row in rows)
        raise InvalidContent(Issue("value", f"Several handoffs are of this record: {listed}."))
    return rows[0].id if rows else name


def show(bridge: Bridge, handoff_id: str) -> Case:
    """One of them with events, visits, alerts and what was set aside. Raises NotFound.

    Also by the code on its packet.
    """
    custodian_id = bridge.custodian.id
    handoff_id = resolve(bridge, handoff_id)
    with bridge.database.read() as session:
        row = handoffs.get(session, custodian_id, handoff_id)
        if row is None:
            raise NotFound(Issue("not-found", "There is no handoff or referral with this id."))
        return Case(
            row,
            next(iter(outbox_rows.of_handoff(session, custodian_id, row.id)), None),
            tuple(alerts.list_alerts(session, custodian_id, handoff_id=handoff_id)),
            tuple(quarantine.list_kept(session, custodian_id, handoff_id=handoff_id)),
            closing.continuity_of(bridge, session, row),
        )


def list_set_aside(bridge: Bridge, *, with_settled: bool = False) -> list[Kept]:
    """What arrived and led nowhere, newest first."""
    with bridge.database.read() as session:
        return quarantine.list_kept(session, bridge.custodian.id, with_settled=with_settled)
