"""The referral to the therapist of the aftercare plan."""

from datetime import date, timedelta

from fhirbridge.jsontypes import JsonObject
from fhirbridge.synthetic.people import FACILITY, TODAY, envelope, person
from fhirbridge.synthetic.plans import THERAPIST


def referral(seed: int, *, today: date = TODAY) -> JsonObject:
    """A native referral, ready to be sent."""
    someone = person(seed, today)
    record_id = someone.number("REF")
    return {
        **envelope(someone, "referral", record_id, version=1, on=someone.ended),
        "referralId": record_id,
        "status": "draft",
        "direction": "outbound",
        "priority": "routine",
        "reason": {
            "kind": "step-down",
            "text": "Weekly therapy after six weeks of intensive outpatient treatment.",
            "diagnoses": [someone.story.diagnosis],
        },
        "serviceRequested": {
            "kind": "outpatient-therapy",
            "modality": "individual-therapy",
            "levelOfCare": "1",
            "quantity": 12,
        },
        "requester": {
            "org": FACILITY["name"],
            "npi": FACILITY["npi"],
            "practitioner": "Ngozi Okafor",
            "phone": FACILITY["phone"],
        },
        "recipient": {
            "org": "Example Counseling Associates",
            "npi": THERAPIST,
            "program": "Outpatient",
            "phone": "+12175550161",
        },
        "requestedWindow": {
            "from": someone.discharged.isoformat(),
            "to": (someone.discharged + timedelta(days=7)).isoformat(),
        },
        "sentVia": "fhir",
        "consentRef": "consent-tpo",
        "slaHours": 72,
    }
