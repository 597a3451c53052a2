"""The aftercare plan that follows the program."""

from datetime import date, timedelta

from fhirbridge.jsontypes import JsonObject
from fhirbridge.synthetic.people import TODAY, ZONE, Person, envelope, goal, medication, person

THERAPIST = "1700333036"


def aftercare_plan(seed: int, *, today: date = TODAY) -> JsonObject:
    """A native aftercare plan: weekly telehealth therapy, meetings, a check-in each day."""
    someone = person(seed, today)
    story, start = someone.story, someone.discharged
    record_id = someone.number("ACP")
    return {
        **envelope(someone, "aftercare-plan", record_id, version=2, on=someone.ended),
        "planId": record_id,
        "enrollmentId": someone.number("ENR"),
        "status": "finalized",
        "planningStartedAt": (someone.admitted + timedelta(days=7)).isoformat(),
        "finalizedAt": someone.ended.isoformat(),
        "effective": start.isoformat(),
        "readiness": "Ready; weekends are the hard part.",
        "barriers": [
            {"id": "bar-1", "text": "Shares a car with a relative.", "category": "transport"}
        ],
        "livingSituation": {"type": "own-home", "soberEnvironment": True},
        "items": [
            {
                "id": "item-therapy",
                "kind": "outpatient-therapy",
                "title": "Weekly telehealth therapy",
                "modality": "individual-therapy",
                "provider": "Example Counseling Associates",
                "contact": "+12175550161",
                "referralId": someone.number("REF"),
                "schedule": {
                    "rrule": "FREQ=WEEKLY;BYDAY=WE",
                    "startLocal": "13:00",
                    "durationMin": 50,
                    "tz": ZONE,
                },
                "status": "scheduled",
                "required": True,
            },
            {
                "id": "item-fitness",
                "kind": "wellness",
                "title": "Fitness group at the community center",
                "modality": "physical-activity",
                "status": "active",
                "required": False,
            },
        ],
        "supportGroups": [_meeting(someone)],
        "followUpAppointments": [
            {
                "id": "fu-therapy",
                "with": "Imani Castellanos, LCSW",
                "npi": THERAPIST,
                "org": "Example Counseling Associates",
                "startLocal": f"{(start + timedelta(days=2)).isoformat()}T13:00",
                "tz": ZONE,
                "modality": "individual-therapy",
                "status": "scheduled",
                "durationMin": 50,
                "telehealth": {"url": "https://video.example.org/room", "phone": "+12175550161"},
            }
        ],
        "medicationContinuity": {
            "medications": [medication(someone)],
            "supplyDays": 30,
            "nextFill": (start + timedelta(days=21)).isoformat(),
            "prescriberAfter": "Dr. Adaeze Obi, Sample Family Medicine",
            "naloxoneProvided": story.medication_kind == "buprenorphine",
        },
        "relapsePreventionPlan": _prevention(),
        "goals": [
            {
                **goal(someone),
                "milestones": [
                    {
                        "id": f"ms-{days}",
                        "text": f"{days} days sober",
                        "date": (someone.admitted + timedelta(days=days)).isoformat(),
                        "achieved": days < 45,
                    }
                    for days in (30, 60, 90)
                ],
            }
        ],
        "checkIns": [
            {
                "id": "ci-app",
                "channel": "app",
                "frequency": "every day",
                "first": start.isoformat(),
                "purpose": "Pledge in the morning, review in the evening",
            }
        ],
        "digitalTools": [
            {
                "id": "dt-1",
                "name": story.tool,
                "purpose": "sobriety-tracker",
                "consentToShare": False,
                "url": "https://app.example.org/",
            }
        ],
        "wellness": [{"id": "w-1", "activity": story.wellness, "frequency": "twice a week"}],
        "stepUpCriteria": [
            {
                "id": "su-1",
                "condition": "Two or more days of use in a week",
                "action": "Call the center for reassessment",
                "contact": "+12175550100",
                "targetLevel": "2.1",
            }
        ],
        "patientAgreement": {
            "signedAt": f"{someone.ended.isoformat()}T19:30:00Z",
            "copyGiven": True,
        },
        "narrativeSummary": (
            "Finished **six weeks** of intensive outpatient treatment.\n\n"
            "- Weekly telehealth therapy\n- A meeting each week\n- A check-in every day"
        ),
    }


def _meeting(someone: Person) -> JsonObject:
    meeting: JsonObject = {
        "id": "sg-1",
        "fellowship": someone.story.fellowship,
        "format": "in-person",
        "meetingDay": "tue",
        "timeLocal": "18:30",
        "tz": ZONE,
        "place": "Example Parish Hall, lower level",
        "openClosed": "closed",
        "frequencyPerWeek": 1,
        "homeGroup": True,
    }
    if someone.story.track == "womens":
        meeting["gender"] = "women"
    return meeting


def _prevention() -> JsonObject:
    return {
        "triggers": [
            {
                "id": "tr-evening",
                "text": "The quiet hour late in the evening",
                "category": "time",
                "level": "high",
            },
            {
                "id": "tr-weekend",
                "text": "Weekends alone",
                "category": "boredom",
                "level": "medium",
            },
        ],
        "earlyWarningSigns": ["Skipping the meeting", "Not answering calls"],
        "copingStrategies": [
            {
                "id": "cs-call",
                "text": "Call someone from the list before nine",
                "forTriggers": ["tr-evening", "tr-weekend"],
            }
        ],
        "contacts": [
            {
                "id": "ct-1",
                "name": "Ruth",
                "relationship": "sponsor",
                "phone": "+12175550127",
                "order": 1,
            }
        ],
        "lapseProtocol": "Call the sponsor, then the center the next morning; no judgement.",
        "returnPathway": "Readmission within 48 hours.",
    }
