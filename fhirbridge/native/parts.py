"""Schemas that the documents share: person, address, envelope, session, goal, medication.

Source: domain.md section 4.0 and the shared rows of 4.1 and 4.2.
"""

from fhirbridge.native import forms
from fhirbridge.native import vocabularies as known
from fhirbridge.native.containers import Free, Listing, Object, listing, part
from fhirbridge.native.dates import Date, DateTime, LocalDateTime, Time
from fhirbridge.native.fields import (
    Boolean,
    Checked,
    Code,
    Decimal,
    Id,
    Integer,
    Key,
    Line,
    Text,
    Uri,
    Value,
)
from fhirbridge.native.phones import Phone

ADDRESS = part(
    "Address",
    {
        "line": Listing(Line()),
        "city": Line(),
        "state": Checked(forms.usps_state),
        "postalCode": Checked(forms.postal_code),
        "country": Line(),
    },
)
PERIOD = part("Period", {"start": Date(), "end": Date()})
TELEHEALTH = part("Telehealth", {"url": Uri(), "phone": Phone()})
SESSION_TELEHEALTH = part(
    "SessionTelehealth",
    {"url": Uri(), "phone": Phone(), "patientAt": Code(closed=known.PATIENT_AT)},
)
STAFF_NAME = part(
    "StaffName",
    {
        "family": Line(required=True),
        "given": Listing(Line()),
        "prefix": Line(),
        "suffix": Line(),
    },
)
STAFF = part(
    "Staff",
    {
        "id": Id(required=True),
        "npi": forms.Npi(),
        "name": Object(STAFF_NAME, required=True),
        "credentials": Listing(Code(known=known.CREDENTIAL), key="."),
        "role": Code(required=True, known=known.ROLE),
    },
)
PATIENT = part(
    "Patient",
    {
        "mrn": Line(required=True),
        "priorMrns": Listing(Line(), key="."),
        "name": Object(
            part(
                "PatientName",
                {
                    "family": Line(required=True),
                    "given": Listing(Line()),
                    "prefix": Line(),
                    "suffix": Line(),
                    "preferred": Line(),
                },
            ),
            required=True,
        ),
        "birthDate": Date(required=True),
        "sex": Code(closed=known.SEX),
        "phone": Phone(),
        "email": Checked(forms.email),
        "address": Object(ADDRESS),
        "language": Code(well_formed=forms.language),
        "contactRestrictions": Object(
            part(
                "ContactRestrictions",
                {
                    "doNotCall": Boolean(),
                    "doNotMail": Boolean(),
                    "safePhone": Phone(),
                    "discreetVoicemail": Boolean(),
                },
            )
        ),
    },
)
FACILITY = part(
    "Facility",
    {
        "npi": forms.Npi(),
        "name": Line(required=True),
        "type": Code(known=known.FACILITY_TYPE),
        "address": Object(ADDRESS),
        "phone": Phone(),
        "tz": forms.Zone(required=True),
        "approaches": Listing(Code(known=known.APPROACH), key="."),
        "accreditations": listing(
            part(
                "Accreditation",
                {
                    "body": Code(required=True, known=known.ACCREDITATION),
                    "number": Line(),
                    "validFrom": Date(),
                    "validTo": Date(),
                },
            ),
            key=None,
        ),
    },
)
CONSENT = part(
    "Consent",
    {
        "id": Id(required=True),
        "type": Code(required=True, known=known.CONSENT_TYPE),
        "status": Code(required=True, closed=known.CONSENT_STATUS),
        "signedAt": DateTime(),
        "signer": Line(),
        "signerRole": Code(known=known.SIGNER_ROLE),
        # a name, or a class such as "treating-providers" (42 CFR 2.31(a)(4))
        "recipients": Listing(Line(), key="."),
        "purpose": Listing(Code(known=known.PURPOSE), key="."),
        "infoScope": Listing(Code(known=known.INFO_SCOPE), key="."),
        "expires": Date(),
        # 42 CFR 2.31(a)(7) allows a date, an event or a condition
        "expiresEvent": Text(),
        "revokedAt": DateTime(),
        "statements": Object(
            part(
                "Statements",
                {
                    "rightToRevoke": Boolean(),
                    "hipaaRedisclosure": Boolean(),
                    "lossOfProtection": Boolean(),
                    "refusalConsequences": Boolean(),
                },
            )
        ),
    },
)
ENVELOPE: dict[str, Value | Object | Listing] = {
    "schema": Line(required=True),
    "sourceSystem": Key(required=True),
    "recordId": Line(required=True, max_length=64),
    "version": Integer(required=True, minimum=1),
    "updatedAt": DateTime(required=True),
    "patient": Object(PATIENT, required=True),
    "facility": Object(FACILITY, required=True),
    "consents": listing(CONSENT),
    "part2Program": Boolean(),
    "authors": listing(STAFF),
    "staff": listing(STAFF),
    "extra": Free(),
}

# A repetition outside `schedule[]`: nobody books its occurrences.
ROUTINE = part(
    "Routine",
    {
        "rrule": forms.RecurrenceRule(),
        "text": Text(),
        "startLocal": Time(),
        "durationMin": Integer(minimum=1),
        "tz": forms.Zone(),
    },
)
SCHEDULE = part(
    "Schedule",
    {
        "id": Id(required=True),
        "title": Line(),
        "modality": Code(required=True, known=known.MODALITY),
        "format": Code(known=known.FORMAT),
        "rrule": forms.RecurrenceRule(required=True),
        "startLocal": Time(required=True),
        "endLocal": Time(required=True),
        "tz": forms.Zone(required=True),
        "from": Date(required=True),
        "until": Date(),
        "count": Integer(minimum=1),
        "exDates": Listing(Date(), key="."),
        "rDates": Listing(Date(), key="."),
        "location": Line(),
        "telehealth": Object(SESSION_TELEHEALTH),
        "facilitators": Listing(Id(ref="staff"), key="."),
        "required": Boolean(),
        "capacity": Integer(minimum=1),
    },
)
SESSION = part(
    "Session",
    {
        "scheduleId": Id(required=True, ref="schedule"),
        "occurrenceDate": Date(required=True),
        "status": Code(required=True, closed=known.SESSION_STATUS),
        "actualStart": DateTime(),
        "actualEnd": DateTime(),
        "attendance": Code(closed=known.ATTENDANCE),
        "participationNote": Text(),
    },
)
DIAGNOSIS = part(
    "Diagnosis",
    {
        "id": Id(required=True),
        "code": Code(required=True, well_formed=forms.icd10cm),
        "rank": Integer(minimum=1),
        "specifier": Code(closed=known.SEVERITY),
        "remission": Code(known=known.REMISSION),
        "onset": Date(),
        "dsm5Text": Text(),
    },
)
GOAL: dict[str, Value | Object | Listing] = {
    "id": Id(required=True),
    "text": Text(required=True),
    "category": Code(known=known.GOAL_CATEGORY),
    "target": Object(part("Target", {"measure": Text(), "value": Text(), "due": Date()})),
    "status": Code(required=True, closed=known.GOAL_STATUS),
    "achievement": Code(known=known.ACHIEVEMENT),
    "expressedBy": Code(closed=known.EXPRESSED_BY),
    "startedAt": Date(),
    "notes": Listing(Text()),
}
MEDICATION = part(
    "Medication",
    {
        "id": Id(required=True),
        "name": Line(required=True),
        "rxnorm": Code(well_formed=forms.rxnorm),
        "dose": Text(),
        "route": Text(),
        "frequency": Text(),
        "startedAt": Date(),
        "isMat": Boolean(),
        "kind": Code(known=known.MEDICATION_KIND),
        "prescriber": Id(ref="staff"),
        "adherence": Code(known=known.ADHERENCE),
        "status": Code(required=True, closed=known.MEDICATION_STATUS),
    },
)
APPOINTMENT: dict[str, Value | Object | Listing] = {
    "startLocal": LocalDateTime(),
    "tz": forms.Zone(),
    "modality": Code(known=known.MODALITY),
    "status": Code(required=True, closed=known.SESSION_STATUS),
}
DISCHARGE = part(
    "Discharge",
    {
        "type": Code(required=True, known=known.DISCHARGE_TYPE),
        "disposition": Code(known=known.DISPOSITION),
        "level": Code(known=known.LEVEL_OF_CARE),
        "aftercarePlanId": Line(max_length=64),
    },
)
ASSESSMENT = part(
    "Assessment",
    {
        "id": Id(required=True),
        "instrument": Code(required=True, known=known.INSTRUMENT),
        "score": Decimal(),
        "at": DateTime(),
        "items": listing(
            part("AssessmentItem", {"id": Id(required=True), "text": Text(), "answer": Text()})
        ),
    },
)
