"""The schema of an aftercare plan: what holds after the program ends.

Source: domain.md sections 4.0 and 4.2.
"""

from fhirbridge.native import forms
from fhirbridge.native import vocabularies as known
from fhirbridge.native.containers import Listing, Object, listing, part
from fhirbridge.native.dates import Date, DateTime, Time
from fhirbridge.native.fields import Boolean, Code, Id, Integer, Line, Markdown, Text, Uri
from fhirbridge.native.parts import (
    ADDRESS,
    APPOINTMENT,
    ENVELOPE,
    GOAL,
    MEDICATION,
    ROUTINE,
    TELEHEALTH,
)
from fhirbridge.native.prevention import RELAPSE_PREVENTION_PLAN, SAFETY_PLAN

LIVING_SITUATION = part(
    "LivingSituation",
    {
        "type": Code(required=True, known=known.LIVING_SITUATION),
        "soberEnvironment": Boolean(),
        "moveInDate": Date(),
        "address": Object(ADDRESS),
        "contact": Text(),
        "rulesNote": Text(),
    },
)
ITEM = part(
    "Item",
    {
        "id": Id(required=True),
        "kind": Code(required=True, known=known.ITEM_KIND),
        "title": Line(),
        "modality": Code(known=known.MODALITY),
        "provider": Line(),
        "contact": Text(),
        "referralId": Line(max_length=64),
        "schedule": Object(ROUTINE),
        "status": Code(required=True, closed=known.ITEM_STATUS),
        "required": Boolean(),
        "responsible": Line(),
        "dueBy": Date(),
        "notes": Text(),
    },
)
SUPPORT_GROUP = part(
    "SupportGroup",
    {
        "id": Id(required=True),
        "fellowship": Code(required=True, known=known.FELLOWSHIP),
        "format": Code(known=known.MEETING_FORMAT),
        "meetingDay": Code(closed=known.WEEKDAY),
        "timeLocal": Time(),
        "tz": forms.Zone(),
        "place": Text(),
        "url": Uri(),
        "openClosed": Code(known=known.OPEN_CLOSED),
        "gender": Code(known=known.MEETING_GENDER),
        "frequencyPerWeek": Integer(minimum=1),
        "homeGroup": Boolean(),
    },
)
FOLLOW_UP_APPOINTMENT = part(
    "FollowUpAppointment",
    {
        "id": Id(required=True),
        "with": Line(),
        "npi": forms.Npi(),
        "org": Line(),
        **APPOINTMENT,
        "durationMin": Integer(minimum=1),
        "telehealth": Object(TELEHEALTH),
        "address": Object(ADDRESS),
        "confirmedAt": DateTime(),
    },
)
MEDICATION_CONTINUITY = part(
    "MedicationContinuity",
    {
        "medications": listing(MEDICATION),
        "supplyDays": Integer(minimum=0),
        "nextFill": Date(),
        "prescriberAfter": Line(),
        "bridgePrescription": Boolean(),
        "naloxoneProvided": Boolean(),
        "reconciliationAt": DateTime(),
    },
)
MILESTONE = part(
    "Milestone",
    {
        "id": Id(required=True),
        "text": Text(required=True),
        "date": Date(),
        "achieved": Boolean(),
    },
)
CHECK_IN = part(
    "CheckIn",
    {
        "id": Id(required=True),
        "channel": Code(required=True, known=known.CHANNEL),
        "frequency": Text(),
        "by": Line(),
        "first": Date(),
        "purpose": Text(),
    },
)
DIGITAL_TOOL = part(
    "DigitalTool",
    {
        "id": Id(required=True),
        "name": Line(required=True),
        "purpose": Code(known=known.TOOL_PURPOSE),
        "consentToShare": Boolean(),
        "url": Uri(),
    },
)
FAMILY_PLAN = part(
    "FamilyPlan",
    {
        "id": Id(required=True),
        "person": Line(required=True),
        "role": Code(known=known.RELATIONSHIP),
        "educationDone": Listing(Text()),
        "therapySchedule": Object(ROUTINE),
        "boundaries": Text(),
        "warningSignsShared": Boolean(),
        "emergencyContact": Boolean(),
        "consentRef": Id(ref="consents"),
    },
)
NEED = part(
    "Need",
    {
        "need": Text(),
        "plan": Text(),
        "contact": Text(),
        "status": Code(required=True, closed=known.ITEM_STATUS),
    },
)
MONITORING = part(
    "Monitoring",
    {
        "id": Id(required=True),
        "measure": Text(required=True),
        "instrument": Code(known=known.INSTRUMENT),
        "frequency": Text(),
        "responsible": Line(),
        "thresholds": Text(),
    },
)
STEP_UP_CRITERION = part(
    "StepUpCriterion",
    {
        "id": Id(required=True),
        "condition": Text(required=True),
        "action": Text(),
        "contact": Text(),
        "targetLevel": Code(known=known.LEVEL_OF_CARE),
    },
)
BARRIER = part(
    "Barrier",
    {
        "id": Id(required=True),
        "text": Text(required=True),
        "category": Code(known=known.BARRIER),
    },
)
ALUMNI = part(
    "Alumni",
    {
        "enrolled": Boolean(),
        "contact": Text(),
        "groupSchedule": Object(ROUTINE),
        "mentor": Line(),
    },
)
COMMUNITY = part(
    "Community",
    {
        "id": Id(required=True),
        "resource": Line(required=True),
        "contact": Text(),
        "kind": Code(known=known.COMMUNITY),
    },
)
WELLNESS_ACTIVITY = part(
    "WellnessActivity",
    {
        "id": Id(required=True),
        "activity": Code(required=True, known=known.WELLNESS),
        "frequency": Text(),
    },
)
ADJUSTMENT = part(
    "Adjustment",
    {
        "at": DateTime(required=True),
        "by": Id(ref="staff"),
        "change": Text(required=True),
        "reason": Text(),
    },
)
AFTERCARE_PLAN = part(
    "AftercarePlan",
    {
        **ENVELOPE,
        "planId": Line(required=True, max_length=64),
        "enrollmentId": Line(max_length=64),
        "status": Code(required=True, closed=known.AFTERCARE_STATUS),
        "planningStartedAt": Date(),
        "finalizedAt": Date(),
        # the day the plan takes over, which is the day of discharge
        "effective": Date(),
        "readiness": Text(),
        "barriers": listing(BARRIER),
        "livingSituation": Object(LIVING_SITUATION),
        "items": listing(ITEM),
        "supportGroups": listing(SUPPORT_GROUP),
        "followUpAppointments": listing(FOLLOW_UP_APPOINTMENT),
        "noFollowUpReason": Text(),
        "medicationContinuity": Object(MEDICATION_CONTINUITY),
        "safetyPlan": Object(SAFETY_PLAN),
        "relapsePreventionPlan": Object(RELAPSE_PREVENTION_PLAN),
        "goals": listing(part("MilestoneGoal", {**GOAL, "milestones": listing(MILESTONE)})),
        "checkIns": listing(CHECK_IN),
        "digitalTools": listing(DIGITAL_TOOL),
        "alumni": Object(ALUMNI),
        "familyPlan": listing(FAMILY_PLAN),
        "lifeSkills": Listing(Code(known=known.LIFE_SKILL), key="."),
        "employment": Object(NEED),
        "education": Object(NEED),
        "finances": Object(NEED),
        "legal": Object(NEED),
        "community": listing(COMMUNITY),
        "wellness": listing(WELLNESS_ACTIVITY),
        "reentry": Object(
            part(
                "Reentry",
                {"workReturnDate": Date(), "schoolReturn": Date(), "childcare": Text()},
            )
        ),
        "monitoring": listing(MONITORING),
        "adjustments": listing(ADJUSTMENT, key=None),
        "stepUpCriteria": listing(STEP_UP_CRITERION),
        "patientAgreement": Object(
            part("PatientAgreement", {"signedAt": DateTime(), "copyGiven": Boolean()})
        ),
        "narrativeSummary": Markdown(),
    },
)
