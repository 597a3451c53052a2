"""The schema of a referral, outbound or inbound.

Source: domain.md sections 4.0 and 4.3.
"""

from fhirbridge.native import forms
from fhirbridge.native import vocabularies as known
from fhirbridge.native.containers import Listing, Object, listing, part
from fhirbridge.native.dates import Date, DateTime
from fhirbridge.native.fields import Boolean, Code, Decimal, Id, Integer, Line, Text, Uri
from fhirbridge.native.parts import APPOINTMENT, ENVELOPE
from fhirbridge.native.phones import Phone

REASON = part(
    "Reason",
    {
        "kind": Code(required=True, known=known.REFERRAL_REASON),
        "text": Text(),
        "diagnoses": Listing(Code(well_formed=forms.icd10cm), key="."),
    },
)
SERVICE_REQUESTED = part(
    "ServiceRequested",
    {
        "kind": Code(required=True, known=known.ITEM_KIND),
        "modality": Code(known=known.MODALITY),
        "levelOfCare": Code(known=known.LEVEL_OF_CARE),
        "quantity": Decimal(),
    },
)
REQUESTER = part(
    "Requester",
    {
        "org": Line(required=True),
        "npi": forms.Npi(),
        "practitioner": Line(),
        "phone": Phone(),
        "direct": Line(),
        "endpoint": Uri(),
    },
)
RECIPIENT = part(
    "Recipient",
    {
        "org": Line(required=True),
        "npi": forms.Npi(),
        "program": Line(),
        "service": Line(),
        "phone": Phone(),
        "endpoint": Uri(),
        "noFhir": Boolean(),
    },
)
ATTACHMENT = part(
    "Attachment",
    {
        "id": Id(required=True),
        "kind": Code(required=True, known=known.ATTACHMENT),
        "ref": Uri(required=True),
    },
)
RESPONSE = part(
    "Response",
    {
        "at": DateTime(required=True),
        "by": Line(),
        "action": Code(required=True, closed=known.REFERRAL_STATUS),
        "reason": Text(),
        "apptStart": DateTime(),
    },
)
OUTCOME = part(
    "Outcome",
    {
        "summary": Text(),
        "at": DateTime(),
        "documentRef": Uri(),
        "admitted": Boolean(),
        "level": Code(known=known.LEVEL_OF_CARE),
    },
)
REFERRAL = part(
    "Referral",
    {
        **ENVELOPE,
        "referralId": Line(required=True, max_length=64),
        "status": Code(required=True, closed=known.REFERRAL_STATUS),
        "direction": Code(required=True, closed=known.REFERRAL_DIRECTION),
        "priority": Code(required=True, closed=known.PRIORITY),
        "reason": Object(REASON, required=True),
        "serviceRequested": Object(SERVICE_REQUESTED, required=True),
        "requester": Object(REQUESTER, required=True),
        "recipient": Object(RECIPIENT, required=True),
        "requestedWindow": Object(part("RequestedWindow", {"from": Date(), "to": Date()})),
        "sentVia": Code(known=known.SENT_VIA),
        "attachments": listing(ATTACHMENT),
        "consentRef": Id(ref="consents"),
        "coverageRef": Line(),
        "authNumber": Line(),
        "responses": listing(RESPONSE, key=None),
        "appointment": Object(
            part("ReferralAppointment", {**APPOINTMENT, "duration": Integer(minimum=1)})
        ),
        "outcome": Object(OUTCOME),
        "warmHandoff": Object(
            part("WarmHandoff", {"done": Boolean(), "at": DateTime(), "with": Line()})
        ),
        "slaHours": Integer(minimum=1),
        "cancellation": Object(
            part("Cancellation", {"requestedBy": Line(), "reason": Text(), "at": DateTime()})
        ),
    },
)
