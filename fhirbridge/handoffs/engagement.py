"""Missed sessions: whoever stays away twice in a row is lost unless somebody calls.

Source: design.md section 10, domain.md S088; the number is in clocks.yaml
"""

from fhirbridge.bridge import Bridge
from fhirbridge.fhir import references, wire
from fhirbridge.handoffs import alarms
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import alerts, patient_resources
from fhirbridge.storage.alerts import Alert
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session
from fhirbridge.workflow.visits import Visit, missed_in_a_row, visit_of

_TELLING = ("noshow", "fulfilled", "arrived", "checked-in", "cancelled", "entered-in-error")


def patients_to_look_at(appointment: Resource) -> list[str]:
    """`Patient/id` of whom a change of this Appointment may tell something."""
    return patients_in(appointment) if appointment.get("status") in _TELLING else []


def look(bridge: Bridge, session: Session, patient: str) -> None:
    """Open or close the alert about a patient, from all their sessions here."""
    missed = missed_in_a_row(visits_of(bridge, session, patient), before=bridge.now())
    key = f"sessions-missed {patient}"
    if missed >= alarms.clocks_of(bridge).missed_in_a_row:
        alert = Alert(
            key,
            "sessions-missed",
            bridge.now(),
            patient_key=key_of(patient),
            details={"patient": patient, "inARow": missed},
        )
        alerts.raise_once(session, bridge.custodian.id, alert)
    else:
        alerts.close(session, bridge.custodian.id, key, now=bridge.now())


def visits_of(bridge: Bridge, session: Session, patient: str) -> list[Visit]:
    """The Appointments of a patient here, as visits."""
    found = patient_resources.current(
        session, bridge.custodian.id, "Appointment", patient_key=key_of(patient)
    )
    return [visit_of(wire.parse(one.content), one.reference) for one in found]


def patients_in(appointment: Resource) -> list[str]:
    """`Patient/id` of its participants."""
    actors = [
        references.parse(str((one.get("actor") or {}).get("reference") or ""))
        for one in appointment.get("participant") or []
        if isinstance(one, dict)
    ]
    return [
        references.write("Patient", one.resource_id)
        for one in actors
        if one.resource_type == "Patient"
    ]
