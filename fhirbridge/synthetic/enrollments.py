"""A finished six-week intensive outpatient program, with attendance."""

import random
from datetime import date, timedelta

from fhirbridge.jsontypes import JsonObject
from fhirbridge.recurrence import occurrences
from fhirbridge.synthetic.people import (
    TODAY,
    WEEKS,
    ZONE,
    Person,
    envelope,
    goal,
    medication,
    person,
)


def enrollment(seed: int, *, today: date = TODAY) -> JsonObject:
    """A native enrollment: group on Mon, Wed, Fri and individual sessions on Tue, Thu."""
    someone = person(seed, today)
    record_id = someone.number("ENR")
    schedule = _schedule(someone)
    return {
        **envelope(someone, "enrollment", record_id, version=4, on=someone.ended),
        "enrollmentId": record_id,
        "status": "completed",
        "statusHistory": [
            {
                "status": "active",
                "at": f"{someone.admitted.isoformat()}T15:00:00Z",
                "by": "staff-counselor",
            },
            {
                "status": "completed",
                "at": f"{someone.ended.isoformat()}T18:00:00Z",
                "by": "staff-counselor",
                "reason": "Reached the goals of the program.",
            },
        ],
        "program": {
            "name": f"Intensive outpatient program, {WEEKS} weeks, mornings",
            "track": someone.story.track,
        },
        "levelOfCare": {"code": "2.1", "edition": "3", "assessor": "staff-counselor"},
        "admitDate": someone.admitted.isoformat(),
        "expectedEnd": (someone.discharged - timedelta(days=1)).isoformat(),
        "dischargeDate": someone.ended.isoformat(),
        "weeklyHoursPlanned": 11,
        "daysPerWeek": 5,
        "dayPart": "morning",
        "schedule": schedule,
        "sessions": _sessions(someone, schedule),
        "services": [
            {
                "id": "svc-group",
                "modality": "group-therapy",
                "format": "group",
                "frequencyPerWeek": 3,
                "provider": "staff-counselor",
            },
            {
                "id": "svc-individual",
                "modality": "individual-therapy",
                "format": "individual",
                "frequencyPerWeek": 2,
                "provider": "staff-counselor",
            },
        ],
        "diagnoses": [
            {
                "id": "dx-1",
                "code": someone.story.diagnosis,
                "rank": 1,
                "dsm5Text": someone.story.diagnosis_text,
            }
        ],
        "assessments": [
            {
                "id": "phq9",
                "instrument": "PHQ-9",
                "score": 6 + seed % 12,
                "at": f"{someone.admitted.isoformat()}T15:30:00Z",
            }
        ],
        "goals": [goal(someone)],
        "medications": [medication(someone)],
        "lifeSkills": ["communication", "stress-management"],
        "wellness": [someone.story.wellness],
        "coverage": [
            {
                "id": "cov-1",
                "memberId": f"XQ-{seed:06d}",
                "payer": "Example Health Plan",
                "relationship": "self",
                "type": "5",
                "rank": 1,
            }
        ],
        "careManager": "staff-manager",
        "careTeam": [
            {"staffId": "staff-counselor", "role": "addiction-counselor", "primary": True},
            {"staffId": "staff-manager", "role": "case-manager"},
        ],
        "discharge": {
            "type": "completed",
            "disposition": "home",
            "level": "1",
            "aftercarePlanId": someone.number("ACP"),
        },
    }


def _schedule(someone: Person) -> list[JsonObject]:
    common = {"tz": ZONE, "facilitators": ["staff-counselor"], "required": True}
    return [
        {
            "id": "group",
            "title": "Morning group",
            "modality": "group-therapy",
            "format": "group",
            "rrule": "FREQ=WEEKLY;BYDAY=MO,WE,FR",
            "startLocal": "09:00",
            "endLocal": "12:00",
            "from": someone.admitted.isoformat(),
            "count": 3 * WEEKS,
            "location": "Group room 2",
            "capacity": 12,
            **common,
        },
        {
            "id": "individual",
            "title": "Individual counseling",
            "modality": "individual-therapy",
            "format": "individual",
            "rrule": "FREQ=WEEKLY;BYDAY=TU,TH",
            "startLocal": "10:00",
            "endLocal": "11:00",
            "from": someone.admitted.isoformat(),
            "count": 2 * WEEKS,
            "location": "Room 5",
            **common,
        },
    ]


def _sessions(someone: Person, schedule: list[JsonObject]) -> list[JsonObject]:
    chance = random.Random(someone.seed)  # noqa: S311 - a story, not a secret
    sessions: list[JsonObject] = []
    for entry in schedule:
        for occurrence in occurrences(entry):
            session = {"scheduleId": entry["id"], "occurrenceDate": occurrence.date}
            if chance.randrange(12) == 0:
                session |= {"status": "absent-excused", "attendance": "absent-excused"}
            else:
                session |= {
                    "status": "attended",
                    "actualStart": occurrence.start.isoformat(),
                    "actualEnd": occurrence.end.isoformat(),
                    "attendance": "attended",
                }
            sessions.append(session)
    return sessions
