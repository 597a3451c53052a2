"""Who is in the documents: patient, staff, facility, and the story that holds them together."""

import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from fhirbridge.jsontypes import JsonObject

TODAY = date(2026, 3, 30)
ZONE = "America/Chicago"
SOURCE = "prairie-light"
WEEKS = 6

_FAMILY = (
    "Delgado", "Okonkwo", "Petrov", "Nakamura", "Lindqvist", "Haddad", "Tran", "Whitehorse",
    "Castellanos", "Abara", "Novak", "Reyes",
)  # fmt: skip
_WOMEN = ("Marisol", "Nadia", "Keiko", "Amara", "Ingrid", "Leila", "Thuy", "Rosa")
_MEN = ("Aaron", "Emeka", "Kenji", "Mateo", "Anders", "Omar", "Pavel", "Tomas")
_STREETS = ("Sample Avenue", "Example Street", "Placeholder Lane", "Test Court")
_CITIES = (("Springfield", "62704"), ("Peoria", "61602"), ("Decatur", "62521"))


@dataclass(frozen=True, slots=True)
class Story:
    """What someone is treated for, and what fits it."""

    sex: str
    diagnosis: str
    diagnosis_text: str
    track: str
    fellowship: str
    medication: str
    medication_kind: str
    rxnorm: str
    dose: str
    wellness: str
    tool: str
    reason_to_go_on: str


STORIES = (
    Story(
        "female", "F10.20", "Alcohol use disorder, severe", "womens", "AA",
        "Naltrexone 50 mg tablet", "naltrexone", "1483744", "50 mg",
        "physical-activity", "Sobriety day counter", "I want to be awake for my two children.",
    ),
    Story(
        "male", "F11.20", "Opioid use disorder, severe", "opioid", "NA",
        "Buprenorphine 8 mg sublingual tablet", "buprenorphine", "351265", "16 mg",
        "mindfulness", "Meeting finder", "I want my license back and a steady job.",
    ),
    Story(
        "female", "F14.20", "Cocaine use disorder, moderate", "co-occurring", "SMART",
        "Sertraline 50 mg tablet", "psychiatric", "", "50 mg",
        "yoga", "Daily check-in", "I want to finish my degree.",
    ),
    Story(
        "male", "F12.20", "Cannabis use disorder, moderate", "sud", "LifeRing",
        "Melatonin 3 mg tablet", "other", "", "3 mg",
        "sleep", "Sleep and mood diary", "I want to sleep without smoking first.",
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """One synthetic patient: numbers, story, and the days of the program."""

    seed: int
    story: Story
    patient: JsonObject
    family: str
    admitted: date
    today: date

    @property
    def ended(self) -> date:
        """The last day of the program, a Friday."""
        return self.admitted + timedelta(days=7 * WEEKS - 3)

    @property
    def discharged(self) -> date:
        """The day on which the aftercare plan takes over, a Monday."""
        return self.admitted + timedelta(days=7 * WEEKS)

    def number(self, prefix: str) -> str:
        """A record number of this person."""
        return f"{prefix}-{1000 + self.seed}"


def person(seed: int, today: date = TODAY) -> Person:
    """The person of a seed, who leaves the program on the Monday of this week."""
    # not for secrets: the same seed must give the same person on every machine
    chance = random.Random(seed)  # noqa: S311
    story = STORIES[seed % len(STORIES)]
    family = chance.choice(_FAMILY)
    given = chance.choice(_WOMEN if story.sex == "female" else _MEN)
    monday = today - timedelta(days=today.weekday())
    city, postal_code = chance.choice(_CITIES)
    born = date(today.year - 34 + seed % 7, 1 + chance.randrange(12), 1 + chance.randrange(28))
    if (born.month, born.day) > (today.month, today.day):
        born = born.replace(year=born.year - 1)
    patient: dict[str, Any] = {
        "mrn": f"PL-{20000 + seed}",
        "name": {"family": family, "given": [given]},
        "birthDate": born.isoformat(),
        "sex": story.sex,
        "phone": f"+1217555{100 + chance.randrange(100):04d}",
        "email": f"person{seed}@example.org",
        "address": {
            "line": [f"{1 + chance.randrange(99)} {chance.choice(_STREETS)}"],
            "city": city,
            "state": "IL",
            "postalCode": postal_code,
            "country": "US",
        },
        "language": "en",
        "contactRestrictions": {"doNotMail": True, "discreetVoicemail": True},
    }
    return Person(seed, story, patient, family, monday - timedelta(days=7 * WEEKS), today)


COUNSELOR = {
    "id": "staff-counselor",
    "npi": "1300123456",
    "name": {"family": "Okafor", "given": ["Ngozi"], "suffix": "LCSW"},
    "credentials": ["CADC", "LCSW"],
    "role": "addiction-counselor",
}
PHYSICIAN = {
    "id": "staff-physician",
    "npi": "1400987651",
    "name": {"family": "Lindqvist", "given": ["Per"], "prefix": "Dr."},
    "credentials": ["MD"],
    "role": "addiction-physician",
}
MANAGER = {
    "id": "staff-manager",
    "name": {"family": "Abara", "given": ["Tomiko"]},
    "credentials": ["CCM"],
    "role": "case-manager",
}
FACILITY = {
    "npi": "1234567893",
    "name": "Prairie Light Recovery Center",
    "type": "261QR0405X",
    "address": {
        "line": ["410 Example Street"],
        "city": "Springfield",
        "state": "IL",
        "postalCode": "62701",
        "country": "US",
    },
    "phone": "+12175550100",
    "tz": ZONE,
}


def envelope(someone: Person, kind: str, record_id: str, *, version: int, on: date) -> JsonObject:
    """The fields that every document of this person begins with."""
    signed = someone.admitted.isoformat()
    return {
        "schema": f"fhirbridge.{kind}/1.0",
        "sourceSystem": SOURCE,
        "recordId": record_id,
        "version": version,
        "updatedAt": f"{on.isoformat()}T20:30:00Z",
        "patient": someone.patient,
        "facility": FACILITY,
        "consents": [
            {
                "id": "consent-tpo",
                "type": "tpo",
                "status": "active",
                "signedAt": f"{signed}T15:00:00Z",
                "signer": f"{someone.patient['name']['given'][0]} {someone.family}",
                "signerRole": "patient",
                "recipients": ["health-plans", "third-party-payers", "treating-providers"],
                "purpose": ["HOPERAT", "HPAYMT", "TREAT"],
                "infoScope": [
                    "appointments",
                    "diagnosis",
                    "identity",
                    "medications",
                    "treatment-plan",
                ],
                "expiresEvent": "end of treatment",
                "statements": {
                    "rightToRevoke": True,
                    "hipaaRedisclosure": True,
                    "lossOfProtection": True,
                    "refusalConsequences": True,
                },
            }
        ],
        "part2Program": True,
        "authors": [COUNSELOR],
        "staff": [MANAGER, PHYSICIAN],
    }


def medication(someone: Person) -> JsonObject:
    """The one medication of the story."""
    story = someone.story
    return {
        "id": "med-1",
        "name": story.medication,
        **({"rxnorm": story.rxnorm} if story.rxnorm else {}),
        "dose": story.dose,
        "route": "oral",
        "frequency": "once a day",
        "startedAt": (someone.admitted + timedelta(days=3)).isoformat(),
        "isMat": story.medication_kind in ("naltrexone", "buprenorphine"),
        "kind": story.medication_kind,
        "prescriber": "staff-physician",
        "adherence": "as-prescribed",
        "status": "active",
    }


def goal(someone: Person) -> JsonObject:
    """The goal that goes from the program into the aftercare plan."""
    return {
        "id": "goal-sober",
        "text": someone.story.reason_to_go_on,
        "category": "sobriety",
        "target": {
            "measure": "days sober",
            "value": "90",
            "due": (someone.admitted + timedelta(days=90)).isoformat(),
        },
        "status": "improving",
        "achievement": "improving",
        "expressedBy": "patient",
        "startedAt": someone.admitted.isoformat(),
    }
