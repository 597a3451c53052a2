"""The code sets of native documents (domain.md section 4).

Upper-case tuples named `*_STATUS` and the few beside them are closed: another code is an error,
because its FHIR home has a required binding or the workflow needs it. The `Vocabulary` ones are
open: an unknown code passes with a warning that names the edition.
"""

from dataclasses import dataclass

EDITION = "fhirbridge 2026-11"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """An open code set: what we know of it, and the name under which a warning speaks of it."""

    name: str
    codes: frozenset[str]
    edition: str = EDITION


def _open(name: str, codes: str) -> Vocabulary:
    return Vocabulary(name, frozenset(codes.split()))


# Where the patient is at a telehealth session: CMS has a place of service for each.
PATIENT_AT = ("home", "elsewhere")

# Closed sets. Source: domain.md section 4.4, in the order of its tables.
ENROLLMENT_STATUS = (
    "inquiry",
    "scheduled",
    "waitlisted",
    "active",
    "leave-of-absence",
    "stepped-up",
    "stepped-down",
    "completed",
    "left-ama",
    "administrative-discharge",
    "transferred",
    "deceased",
    "no-show-admission",
    "cancelled",
    "entered-in-error",
)
AFTERCARE_STATUS = (
    "drafting",
    "in-review",
    "finalized",
    "active",
    "amended",
    "on-hold",
    "completed",
    "superseded",
    "declined-by-patient",
    "revoked",
    "entered-in-error",
)
ITEM_STATUS = (
    "to-arrange",
    "referred",
    "scheduled",
    "active",
    "paused",
    "completed",
    "declined",
    "discontinued",
    "unknown",
    "entered-in-error",
)
SESSION_STATUS = (
    "planned",
    "tentative",
    "scheduled",
    "waitlist",
    "arrived",
    "checked-in",
    "in-progress",
    "attended",
    "attended-late",
    "left-early",
    "absent-excused",
    "absent-unexcused",
    "cancelled-patient",
    "cancelled-program",
    "holiday",
    "rescheduled",
    "entered-in-error",
)
REFERRAL_STATUS = (
    "draft",
    "sent",
    "received",
    "info-needed",
    "accepted",
    "waitlisted",
    "scheduled",
    "no-show",
    "appt-cancelled",
    "in-service",
    "cancel-requested",
    "declined",
    "cancelled",
    "completed",
    "failed",
    "entered-in-error",
)
GOAL_STATUS = (
    "proposed",
    "accepted",
    "active",
    "improving",
    "no-progress",
    "worsening",
    "achieved",
    "maintaining",
    "adjusted",
    "dropped",
    "entered-in-error",
)
MEDICATION_STATUS = (
    "active",
    "on-hold",
    "completed",
    "stopped",
    "cancelled",
    "planned-at-discharge",
    "unknown",
)
CONSENT_STATUS = (
    "draft",
    "pending-signature",
    "active",
    "declined",
    "revoked",
    "expired",
    "entered-in-error",
)
ATTENDANCE = (
    "attended",
    "late",
    "left-early",
    "absent-excused",
    "absent-unexcused",
    "excused-telehealth",
)
BENEFITS_STATUS = ("unverified", "pending", "verified", "not-covered", "expired")
SEX = ("male", "female", "other", "unknown")
EDITIONS = ("3", "4")
TRANSITION_DIRECTION = ("step-down", "step-up", "lateral", "direct")
REFERRAL_DIRECTION = ("outbound", "inbound")
PRIORITY = ("routine", "urgent", "asap", "stat")
DAY_PART = ("morning", "afternoon", "evening", "weekend")
WEEKDAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SEVERITY = ("mild", "moderate", "severe")
EXPRESSED_BY = ("patient", "family", "staff")

# Open sets. Source: the enumerations of domain.md sections 4.0 to 4.3, and codes.json.
LEVEL_OF_CARE = _open("level of care", "0.5 1 1.0 1.5 1.7 2.1 2.5 2.7 3.1 3.3 3.5 3.7 4 1-OTP")
TRACK = _open("track", "sud co-occurring trauma womens adolescent opioid professionals other")
MODALITY = _open(
    "modality",
    "group-therapy individual-therapy family-therapy couples-therapy psychoeducation cbt dbt "
    "motivational-interviewing twelve-step-facilitation matrix-model trauma-informed-care "
    "relapse-prevention coping-skills life-skills medication-management mat case-management "
    "peer-support recovery-coaching contingency-management mindfulness physical-activity "
    "nutrition yoga stress-management family-education psychiatric-evaluation psychiatry "
    "drug-testing detox intensive-outpatient partial-hospitalization residential "
    "outpatient-therapy primary-care sober-living vocational financial legal education "
    "support-group alumni check-in other",
)
FORMAT = _open("session format", "individual group family couples class activity")
FACILITY_TYPE = _open("facility type", "261QR0405X 57 55 58 53 11 49 52 SURF RHAT")
ACCREDITATION = _open("accreditation body", "joint-commission carf state-license other")
CONSENT_TYPE = _open(
    "consent type",
    "tpo release general-designation family sud-counseling-notes legal-proceedings "
    "notice-acknowledgment",
)
SIGNER_ROLE = _open(
    "signer role", "patient parent guardian personal-representative healthcare-agent executor"
)
PURPOSE = _open(
    "purpose",
    "TREAT HPAYMT HOPERAT COC CAREMGT ETREAT BTG PATRQT FAMRQT SUPNWK COVAUTH ELIGDTRM HLEGAL",
)
INFO_SCOPE = _open(
    "information scope",
    "identity diagnosis medications labs treatment-plan appointments progress-summary billing "
    "notes",
)
CREDENTIAL = _open(
    "credential",
    "LCDC LADC CADC CASAC CAC MAC LCSW LMSW LPC LMHC LMFT PsyD PhD MD DO NP PMHNP PA RN LPN "
    "CPRS CRPS CCM BSW MSW MEd",
)
ROLE = _open(
    "role",
    "addiction-counselor mental-health-counselor clinical-social-worker family-therapist "
    "psychologist psychiatrist addiction-physician primary-care-physician nurse "
    "nurse-practitioner physician-assistant case-manager peer-specialist recovery-coach "
    "program-director utilization-reviewer technician dietitian outside-prescriber other",
)
REMISSION = _open(
    "remission", "early sustained controlled-environment on-maintenance-therapy partial full"
)
INSTRUMENT = _open(
    "instrument", "AUDIT-C AUDIT PHQ-9 PHQ-2 GAD-7 DAST-10 C-SSRS BAM ASAM PCL-5 COWS CIWA-Ar"
)
GOAL_CATEGORY = _open(
    "goal category",
    "sobriety mental-health physical-health housing employment education family legal financial "
    "social coping relapse-prevention behavioral safety other",
)
ACHIEVEMENT = _open(
    "goal achievement",
    "in-progress improving worsening no-change achieved sustaining not-achieved no-progress "
    "not-attainable",
)
MEDICATION_KIND = _open(
    "medication kind",
    "methadone buprenorphine naltrexone acamprosate disulfiram psychiatric other",
)
ADHERENCE = _open("adherence", "as-prescribed missed-doses not-taking unknown")
RELATIONSHIP = _open(
    "relationship",
    "spouse partner parent mother father sibling child friend neighbor guardian grandparent "
    "sponsor mentor employer other",
)
SUBSCRIBER = _open("subscriber relationship", "self spouse child parent common injured other")
PAYER_TYPE = _open("payer type", "1 11 12 2 21 22 5 52 53")
LIFE_SKILL = _open(
    "life skill",
    "stress-management time-management communication decision-making finances employment "
    "relationships parenting",
)
WELLNESS = _open("wellness activity", "physical-activity mindfulness nutrition sleep yoga")
DISCHARGE_TYPE = _open(
    "discharge type",
    "completed ama administrative transfer medical incarcerated deceased other",
)
DISPOSITION = _open(
    "discharge disposition", "home alt-home other-hcf hosp long aadvice exp psy rehab snf oth"
)
BARRIER = _open("barrier", "housing transport financial legal family work access other")
LIVING_SITUATION = _open(
    "living situation",
    "own-home with-family sober-living halfway-house residential shelter unhoused other",
)
ITEM_KIND = _open(
    "plan item",
    "outpatient-therapy psychiatry medication-management mat primary-care support-group sponsor "
    "recovery-coaching peer-support alumni sober-living case-management family-therapy "
    "life-skills vocational financial wellness digital-tool check-in drug-testing legal "
    "volunteering education step-up-return",
)
FELLOWSHIP = _open("fellowship", "AA NA CA SMART LifeRing Refuge WFS CR Al-Anon Nar-Anon other")
MEETING_FORMAT = _open(
    "meeting format", "in-person online hybrid phone speaker discussion step-study big-book"
)
OPEN_CLOSED = _open("meeting access", "open closed")
MEETING_GENDER = _open("meeting audience", "women men mixed lgbtq")
SAFETY_REASON = _open(
    "safety plan reason", "si-history self-harm nonsuicidal-self-harm overdose-history other"
)
# What a facility says it works by (S095).
APPROACH = _open(
    "treatment approach",
    "evidence-based holistic twelve-step harm-reduction trauma-informed faith-based",
)
TRIGGER = _open(
    "trigger",
    "people place emotion time social-pressure boredom stress craving craving-alcohol"
    " craving-drugs",
)
TRIGGER_LEVEL = _open("trigger level", "low medium high")
CHANNEL = _open("check-in channel", "app phone sms telehealth in-person")
TOOL_PURPOSE = _open(
    "digital tool purpose", "sobriety-tracker meeting-finder community check-in meditation"
)
COMMUNITY = _open("community resource", "recovery-center volunteer faith fitness library food")
REFERRAL_REASON = _open(
    "referral reason",
    "step-down step-up continuity specialty social housing mat psychiatry detox second-opinion",
)
SENT_VIA = _open("sending method", "fhir direct fax phone portal")
ATTACHMENT = _open(
    "attachment",
    "plan-of-care discharge-summary referral-note assessment medication-list consent other",
)
SERVICE_CODE = _open(
    "service code",
    "H0001 H0002 H0004 H0005 H0006 H0007 H0014 H0015 H0016 H0018 H0019 H0020 H0035 H0038 H2014 "
    "H2027 H2034 H2035 H2036 S0201 S9480 T1006 T1007 T1012 T1016 T1017 G0137",
)
