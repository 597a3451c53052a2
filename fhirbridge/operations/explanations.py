"""Explanations: why a caller may see what of a patient, and what would change that.

Source: design.md section 9
"""

from dataclasses import dataclass
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.consent.decision import Decision, Permit
from fhirbridge.consent.redaction import removed_elements
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.gate import Gate, Place
from fhirbridge.errors import Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import patients, resources
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion


@dataclass(frozen=True, slots=True)
class OfResource:
    """What leaves of one resource: nothing, or all of it but some elements."""

    reference: str
    content_class: str
    leaves: bool
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision about a patient for a caller: by class of content, with reasons.

    With `resource` it is about that one only. `by_resource`: consents speak about single ones, so
    that more may leave than of whole classes. `missing` has, by consent, the written elements that
    it lacks.
    """

    patient: str
    caller: Caller
    at: datetime
    decisions: dict[str, Decision]
    missing: dict[str, tuple[str, ...]]
    by_resource: bool
    is_permitted: bool  # anything: without identity nothing can be sent, but it may be read
    resource: OfResource | None = None


def explain(
    bridge: Bridge,
    patient: str,
    caller: Caller,
    *,
    at: datetime | None = None,
    resource: str = "",
) -> Explanation:
    """Why a caller may see what of a patient, at a time; `patient` is an id or `Patient/id`.

    `resource`, `Type/id`, is one about the patient. Raises NotFound for what is not stored here.
    """
    patient_id = patient.removeprefix("Patient/")
    reference = f"Patient/{patient_id}"
    when = at or bridge.now()
    place = Place(
        custodian_id=bridge.custodian.id,
        policy=bridge.policy,
        now=when,
        zone=bridge.settings.zone,
        bases=(bridge.settings.own_base,),
    )
    gate = Gate(caller, place)
    key = key_of(reference)
    with bridge.database.read() as session:
        stored = resources.read(session, bridge.custodian.id, "Patient", patient_id)
        if stored is None or stored.deleted:
            raise NotFound(Issue("not-found", "There is no patient with this id."))
        allowance = gate.allowance(session, key)
        known = gate.known(session, key)
        is_permitted = bool(allowance.classes) or (
            allowance.by_resource
            and any(
                gate.sees(session, each)
                for each in patients.versions(session, bridge.custodian.id, key)
            )
        )
        about = None
        if resource:
            version = _about(session, gate, key, resource)
            allowance = gate.allowance_of(session, key, version)
            about = _of_resource(session, gate, version)
            is_permitted = about.leaves
    missing = {each.reference: each.missing for each in known.consents if each.missing}
    return Explanation(
        patient=reference,
        caller=caller,
        at=when,
        decisions=allowance.decisions,
        missing=missing,
        by_resource=allowance.by_resource,
        is_permitted=is_permitted,
        resource=about,
    )


def _about(session: Session, gate: Gate, patient_key: int, reference: str) -> ResourceVersion:
    """A current resource about a patient. Raises NotFound."""
    resource_type, _, resource_id = reference.partition("/")
    found = resources.read(session, gate.place.custodian_id, resource_type, resource_id)
    if found is None or found.deleted or patient_key not in gate.patients(found):
        raise NotFound(Issue("not-found", "The patient has no resource with this Type/id."))
    return found


def _of_resource(session: Session, gate: Gate, version: ResourceVersion) -> OfResource:
    shown = gate.shown(session, version)
    without = removed_elements(wire.parse(version.content), shown) if shown is not None else ()
    return OfResource(
        version.reference, version.content_class, shown is not None, tuple(sorted(without))
    )


def explanation_json(found: Explanation) -> JsonObject:
    """An explanation for programs."""
    recipient = found.caller.recipient
    return {
        "patient": found.patient,
        "recipient": recipient.name if recipient else "",
        "purpose": found.caller.purpose,
        "at": to_instant(found.at),
        "permitted": found.is_permitted,
        "decisions": [
            {
                "information": content_class,
                "decision": "permit" if isinstance(each, Permit) else "withhold",
                "reasons": [one.to_json() for one in each.reasons],
            }
            for content_class, each in found.decisions.items()
        ],
        "missingElements": {name: list(codes) for name, codes in found.missing.items()},
        "byResource": found.by_resource,
        "resource": {
            "reference": found.resource.reference,
            "information": found.resource.content_class,
            "leaves": found.resource.leaves,
            "without": list(found.resource.without),
        }
        if found.resource
        else None,
    }
