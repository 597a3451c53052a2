"""Asking a partner anew that declined, or ended it: the next round of a document and a partner.

Each round is a handoff with a Task of its own on the same order. Source: domain.md 4.4 (declined)
"""

from dataclasses import replace

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.packet import Outgoing, handoff_id
from fhirbridge.errors import Conflict, Issue
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import handoffs, outbox_rows
from fhirbridge.storage.session import Session
from fhirbridge.workflow.words import REFERRAL, DeliveryState, ReferralState

_WITHDRAWN = (ReferralState.CANCELLED, ReferralState.ENTERED_IN_ERROR)
_NOT_SENT = (DeliveryState.DEAD, DeliveryState.REPLACED)


def in_round(
    session: Session, bridge: Bridge, partner: Partner, outgoing: Outgoing, *, again: bool = False
) -> Outgoing:
    """The document in the round in which the partner has it, or `again` in the next.

    What was withdrawn before it was sent goes out in a round of its own: the one before has ended.
    Raises Conflict if that one is still open.
    """

    def known(number: int) -> handoffs.HandoffRow | None:
        identity = handoff_id(
            bridge.custodian.namespace, replace(outgoing, round=number), partner.name
        )
        return handoffs.get(session, bridge.custodian.id, identity)

    last, row = outgoing.round, known(outgoing.round)
    while (following := known(last + 1)) is not None:
        last, row = last + 1, following
    if row is not None and was_kept_back(session, bridge, row):
        last += 1
    elif again and row is not None:
        if REFERRAL[ReferralState(row.status)].next_states:
            words = f"{partner.name} has it and it is {row.status}; withdraw it, or wait for them."
            raise Conflict(Issue("conflict", words))
        last += 1
    return replace(outgoing, round=last)


def was_kept_back(session: Session, bridge: Bridge, handoff: handoffs.HandoffRow) -> bool:
    """True for what was withdrawn before it was delivered: nobody looks at its Task any more."""
    if handoff.status not in _WITHDRAWN:
        return False
    rows = outbox_rows.of_handoff(session, bridge.custodian.id, handoff.id)
    return bool(rows) and all(row.state in _NOT_SENT for row in rows)
