"""Where a partner holds the Task of a handoff, its order and its patient, once that is known."""

from fhirbridge.bridge import Bridge
from fhirbridge.handoffs import alarms
from fhirbridge.storage import handoff_keys, handoffs
from fhirbridge.storage.session import Session
from fhirbridge.workflow.words import ReferralState


def note(
    session: Session, bridge: Bridge, handoff_id: str, *, task: str, order: str, patient: str
) -> None:
    """Keep these references, "" for one that is not known: from now on the Task is looked at,
    notifications find the handoff, and its clocks run."""
    handoff = handoffs.get(session, bridge.custodian.id, handoff_id, locked=True)
    if handoff is None:
        return
    details = {**handoff.details, "patientThere": patient}
    handoffs.note_places(
        session,
        bridge.custodian.id,
        handoff.id,
        task_reference=task or None,
        order_reference=order or None,
        details=details,
        now=bridge.now(),
    )
    keys = [f"{handoff.partner} {task}"] if task else []
    keys += [f"{handoff.partner} order {order}"] if order else []
    handoff_keys.note(session, bridge.custodian.id, handoff.id, keys)
    alarms.wind(bridge, session, handoff, state=ReferralState(handoff.status), details=details)
