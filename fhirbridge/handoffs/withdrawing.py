"""Withdrawing a referral: the partner's own Task says that we ask for it.

Source: domain.md 1.5 (BSeR 5.2: the initiator asks, the recipient confirms)
"""

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import Conflict, Issue
from fhirbridge.handoffs import partners
from fhirbridge.handoffs.tasks import with_state
from fhirbridge.partners.client import unreachable
from fhirbridge.partners.http import Answer
from fhirbridge.partners.verdict import read_body
from fhirbridge.storage import handoffs
from fhirbridge.workflow.transitions import next_states
from fhirbridge.workflow.words import ReferralState


def withdraw_there(bridge: Bridge, handoff_id: str, *, by_text: str = "") -> None:
    """Ask for the withdrawal in the partner's Task, guarded by its version.

    Nothing happens where the partner holds no Task of ours. Raises PartnerUnreachable, and Conflict
    if the Task was changed meanwhile or the move is not allowed.
    """
    target = ReferralState.CANCEL_REQUESTED
    with bridge.database.transaction() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
        if handoff is None or not handoff.task_reference:
            return
        partner = partners.load(session, bridge, handoff.partner)
        if target not in next_states(ReferralState(handoff.status), partner.profile):
            words = f"A referral that is {handoff.status} cannot be withdrawn."
            raise Conflict(Issue("conflict", words))
        # whoever reads the partner's Task meanwhile finds our word there
        handoffs.note_state(
            session,
            bridge.custodian.id,
            handoff.id,
            status=handoff.status,
            version=handoff.task_version,
            details={**handoff.details, "withdrawing": True},
            now=bridge.now(),
        )
    with bridge.connect(partner) as client:
        exchange = client.read(handoff.task_reference)
        task = (
            read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
        )
        if task is None:
            raise unreachable(exchange, partner.name)
        moved = with_state(
            task,
            target,
            profile=partner.profile,
            base=bridge.settings.base,
            at=to_instant(bridge.now()),
            reason={"text": by_text or "Withdrawn by the sender."},
        )
        version = str((task.get("meta") or {}).get("versionId") or "")
        answered = client.update(handoff.task_reference, moved, if_match=version)
    if not isinstance(answered, Answer) or answered.status >= 500:
        raise unreachable(answered, partner.name)
    if answered.status not in (200, 201, 204):
        words = f"{partner.name} did not take the withdrawal (HTTP {answered.status}); look again."
        raise Conflict(Issue("conflict", words))
