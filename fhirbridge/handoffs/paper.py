"""Paper counts: the packet of a handoff, printed with its code; printing it delivers it.

A reply by phone or fax names the code and moves the same Task, marked as transcribed (`answer`).
"""

from fhirbridge.bridge import Bridge
from fhirbridge.errors import Forbidden, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.handoffs import alarms, partners
from fhirbridge.handoffs.consenting import Fence, Withheld
from fhirbridge.handoffs.endings import end_alert_of
from fhirbridge.handoffs.package import printed
from fhirbridge.handoffs.referrals import resolve
from fhirbridge.storage import handoffs, outbox_repair, outbox_rows
from fhirbridge.storage.outbox_repair import Decision
from fhirbridge.workflow.words import DeliveryState, ReferralState

_WAITING = (DeliveryState.NEEDS_PERSON, DeliveryState.DEAD, DeliveryState.REFUSED)


def print_packet(bridge: Bridge, name: str, *, by: str = "") -> str:
    """The packet as HTML, by handoff id or code. One that could not be sent counts as delivered.

    A print is a disclosure: consent decides, and it is audited. Raises NotFound, and Forbidden with
    the reasons.
    """
    handoff_id, custodian_id = resolve(bridge, name), bridge.custodian.id
    with bridge.database.read() as session:
        rows = outbox_rows.of_handoff(session, custodian_id, handoff_id)
        if not rows:
            raise NotFound(Issue("not-found", "There is no handoff with this id or code."))
        row = rows[0]
        partner = partners.load(session, bridge, row.partner)
        body = outbox_rows.body_of(session, custodian_id, row.id)
    bundle = wire.parse(body)
    try:
        purpose = str(row.policy.get("purpose") or "")
        permitted = Fence(bridge, partner, handoff_id, bundle, purpose=purpose).authorise()
    except Withheld as exc:
        words = dict.fromkeys(one.sentence for one in exc.refusal.reasons)
        raise Forbidden(*(Issue("suppressed", one) for one in words)) from exc
    recipient = partner.recipient.name if partner.recipient else partner.name
    packet = printed(bridge, permitted.bundle, handoff_id, recipient=recipient)
    if row.state in _WAITING:
        decision = Decision(DeliveryState.DELIVERED, "printed", by, {"way": "paper"})
        with bridge.database.transaction() as session:
            outbox_repair.decide(session, custodian_id, row, decision, now=bridge.now())
            end_alert_of(session, bridge, row)
            handoff = handoffs.get(session, custodian_id, handoff_id, locked=True)
            if handoff is not None:
                state = ReferralState(handoff.status)
                alarms.wind(bridge, session, handoff, state=state, details=handoff.details)
    return packet
