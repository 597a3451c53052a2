"""The schema of an enrollment: someone in an intensive outpatient program.

Source: domain.md sections 4.0 and 4.1.
"""

from fhirbridge.native import vocabularies as known
from fhirbridge.native.containers import Listing, Object, listing, part
from fhirbridge.native.dates import Date, DateTime
from fhirbridge.native.fields import Boolean, Code, Decimal, Id, Integer, Line, Text
from fhirbridge.native.parts import (
    ASSESSMENT,
    DIAGNOSIS,
    DISCHARGE,
    ENVELOPE,
    GOAL,
    MEDICATION,
    PERIOD,
    SCHEDULE,
    SESSION,
)

STATUS_CHANGE = part(
    "StatusChange",
    {
        "status": Code(required=True, closed=known.ENROLLMENT_STATUS),
        "at": DateTime(required=True),
        "by": Id(ref="staff"),
        "reason": Text(),
    },
)
LEVEL_OF_CARE = part(
    "LevelOfCare",
    {
        "code": Code(required=True, known=known.LEVEL_OF_CARE),
        "edition": Code(closed=known.EDITIONS),
        "assessedAt": DateTime(),
        "assessor": Id(ref="staff"),
    },
)
ASAM_DIMENSION = part(
    "AsamDimension",
    {
        "dimension": Integer(required=True, minimum=1),
        "risk": Integer(minimum=0),
        "note": Text(),
    },
)
TRANSITION = part(
    "Transition",
    {
        "direction": Code(required=True, closed=known.TRANSITION_DIRECTION),
        "fromLevel": Code(known=known.LEVEL_OF_CARE),
        "fromFacility": Line(),
        "priorDischargeDate": Date(),
    },
)
SERVICE = part(
    "Service",
    {
        "id": Id(required=True),
        "modality": Code(required=True, known=known.MODALITY),
        "format": Code(known=known.FORMAT),
        "frequencyPerWeek": Decimal(),
        "provider": Id(ref="staff"),
    },
)
TOXICOLOGY = part(
    "Toxicology",
    {
        "id": Id(required=True),
        "at": DateTime(),
        "panel": Text(required=True),
        "result": Text(),
    },
)
FAMILY_INVOLVEMENT = part(
    "FamilyInvolvement",
    {
        "id": Id(required=True),
        "person": Line(required=True),
        "relationship": Code(known=known.RELATIONSHIP),
        "consentRef": Id(ref="consents"),
        "sessionsPlanned": Integer(minimum=0),
        "educationTopics": Listing(Text()),
    },
)
PEER_SUPPORT = part(
    "PeerSupport",
    {
        # 42 CFR Part 2 and the custom of twelve-step groups: a first name is enough
        "sponsor": Line(),
        "peerSpecialist": Id(ref="staff"),
        "groups": Listing(Text()),
    },
)
COVERAGE = part(
    "Coverage",
    {
        "id": Id(required=True),
        "memberId": Line(),
        "payer": Line(required=True),
        "planName": Line(),
        "group": Line(),
        "relationship": Code(known=known.SUBSCRIBER),
        "type": Code(known=known.PAYER_TYPE),
        "period": Object(PERIOD),
        "rank": Integer(minimum=1),
    },
)
AUTHORIZATION = part(
    "Authorization",
    {
        "number": Line(required=True),
        "from": Date(),
        "to": Date(),
        "unitsApproved": Integer(minimum=0),
        "unitsUsed": Integer(minimum=0),
        "code": Code(known=known.SERVICE_CODE),
    },
)
BENEFITS = part(
    "BenefitsVerification",
    {
        "verifiedAt": DateTime(),
        "verifiedBy": Line(),
        "status": Code(required=True, closed=known.BENEFITS_STATUS),
        "auths": listing(AUTHORIZATION, key="number"),
        # United States dollars
        "copay": Decimal(),
        "deductible": Decimal(),
    },
)
ACCOMMODATIONS = part(
    "Accommodations",
    {
        "interpreter": Boolean(),
        "transport": Text(),
        "childcare": Text(),
        "workSchool": Text(),
    },
)
CARE_TEAM_MEMBER = part(
    "CareTeamMember",
    {
        "staffId": Id(required=True, ref="staff"),
        "role": Code(known=known.ROLE),
        "primary": Boolean(),
    },
)
ENROLLMENT = part(
    "Enrollment",
    {
        **ENVELOPE,
        "enrollmentId": Line(required=True, max_length=64),
        "status": Code(required=True, closed=known.ENROLLMENT_STATUS),
        "statusHistory": listing(STATUS_CHANGE, key=None),
        "program": Object(
            part("Program", {"name": Line(required=True), "track": Code(known=known.TRACK)})
        ),
        "levelOfCare": Object(LEVEL_OF_CARE),
        "asamDimensions": listing(ASAM_DIMENSION, key="dimension"),
        "transition": Object(TRANSITION),
        "admitDate": Date(required=True),
        "expectedEnd": Date(),
        "dischargeDate": Date(),
        "weeklyHoursPlanned": Decimal(),
        "daysPerWeek": Integer(minimum=1),
        "hoursPerDay": Decimal(minimum=0),
        "dayPart": Code(closed=known.DAY_PART),
        "schedule": listing(SCHEDULE),
        "sessions": listing(SESSION, key=("scheduleId", "occurrenceDate")),
        "services": listing(SERVICE),
        "diagnoses": listing(DIAGNOSIS),
        "coOccurring": listing(DIAGNOSIS),
        "assessments": listing(ASSESSMENT),
        "goals": listing(part("Goal", GOAL)),
        "medications": listing(MEDICATION),
        "toxicology": listing(TOXICOLOGY),
        "familyInvolvement": listing(FAMILY_INVOLVEMENT),
        "peerSupport": Object(PEER_SUPPORT),
        "lifeSkills": Listing(Code(known=known.LIFE_SKILL), key="."),
        "wellness": Listing(Code(known=known.WELLNESS), key="."),
        "coverage": listing(COVERAGE),
        "benefitsVerification": Object(BENEFITS),
        "accommodations": Object(ACCOMMODATIONS),
        "careManager": Id(ref="staff"),
        "careTeam": listing(CARE_TEAM_MEMBER, key="staffId"),
        "discharge": Object(DISCHARGE),
        "sudCounselingNotesRef": Line(),
    },
)
