"""The days of a whole state: treatment programs, and on each day the people who finish there.

An endless stream, and the same for the same seed; whoever reads it takes as much as they need.
Everyone brings three documents: the enrollment with its sessions, the aftercare plan that follows,
and the referral. People of one program share its facility and staff; names repeat, as they do.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from typing import Any

from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.native.forms import has_npi_check_digit
from fhirbridge.synthetic import people
from fhirbridge.synthetic.enrollments import enrollment
from fhirbridge.synthetic.plans import aftercare_plan
from fhirbridge.synthetic.referrals import referral

FIRST_DAY = date(2024, 1, 1)
PEOPLE_A_DAY = 40
PEOPLE_IN_A_PROGRAM = 250
# So many people fit between the numbers of one seed and those of the next.
_SPAN = 10_000_000

_BEGINNINGS = (
    "Al", "Bar", "Cor", "Del", "Ev", "Fal", "Gar", "Hol", "Ir", "Jor", "Kel", "Lan",
    "Mor", "Nor", "Ol", "Per", "Quin", "Ros", "San", "Tor", "Ul", "Ver", "Win", "Yor",
)  # fmt: skip
_ENDINGS = (
    "ado", "berg", "cott", "dson", "ellis", "ford", "gate", "holm", "ington", "kins",
    "land", "man", "nedo", "oski", "parra", "quez", "rell", "stein", "tova", "well",
)  # fmt: skip
_GIVEN = (
    "Adela", "Bruno", "Celia", "Dario", "Elena", "Felix", "Greta", "Hugo", "Irene", "Jonas",
    "Karin", "Luis", "Mina", "Nils", "Odette", "Paulo", "Renata", "Simon", "Tilda", "Viktor",
)  # fmt: skip
_CITIES = ("Alton", "Aurora", "Cairo", "Elgin", "Galena", "Joliet", "Moline", "Quincy")


@dataclass(frozen=True, slots=True)
class Day:
    """One day, and the three documents of each person who finishes a program on it."""

    date: date
    documents: tuple[tuple[JsonObject, JsonObject, JsonObject], ...]


def days(seed: int) -> Iterator[Day]:
    """The days of a state from FIRST_DAY on; every day has PEOPLE_A_DAY people."""
    for number in count():
        numbers = range(number * PEOPLE_A_DAY, (number + 1) * PEOPLE_A_DAY)
        yield Day(_day(numbers[0]), tuple(documents(seed, each) for each in numbers))


def documents(seed: int, number: int) -> tuple[JsonObject, JsonObject, JsonObject]:
    """Enrollment, aftercare plan and referral of the person with this number in the stream."""
    today = _day(number)
    personal = seed * _SPAN + number
    chance = random.Random(personal)  # noqa: S311 - a story, not a secret
    names = people.person(personal, today).patient["name"]
    family = chance.choice(_BEGINNINGS) + chance.choice(_ENDINGS)
    given = chance.choice(_GIVEN)
    program = _program(number // PEOPLE_IN_A_PROGRAM)
    changed = {
        **program,
        names["family"]: family,
        names["given"][0]: given,
        f"{names['given'][0]} {names['family']}": f"{given} {family}",
    }
    made = (make(personal, today=today) for make in (enrollment, aftercare_plan, referral))
    first, second, third = (_with(document, changed) for document in made)
    return first, second, third


def numbers(seed: int, number: int) -> tuple[str, ...]:
    """The texts that name the records of a person, each of them theirs alone."""
    personal = seed * _SPAN + number
    prefixes = ("ENR", "ACP", "REF")
    someone = people.person(personal, _day(number))
    own = tuple(someone.number(prefix) for prefix in prefixes)
    return (*own, str(someone.patient["mrn"]), f"XQ-{personal:06d}")


def _day(number: int) -> date:
    return FIRST_DAY + timedelta(days=number // PEOPLE_A_DAY)


@lru_cache(maxsize=64)
def _program(number: int) -> dict[str, Any]:
    """What stands for the facility and the staff of the demo in the documents of a program."""
    chance = random.Random(number)  # noqa: S311
    city = chance.choice(_CITIES)
    first = 100_000_000 + 4 * number
    return {
        people.SOURCE: f"program-{number:04d}",
        str(people.FACILITY["name"]): f"{city} Recovery Program {number}",
        str(people.FACILITY["npi"]): _npi(first),
        str(people.COUNSELOR["npi"]): _npi(first + 1),
        str(people.PHYSICIAN["npi"]): _npi(first + 2),
    }


def _npi(nine_digits: int) -> str:
    found = (f"{nine_digits}{digit}" for digit in range(10))
    return next(npi for npi in found if has_npi_check_digit(npi))


def _with(value: Json, changed: dict[str, Any]) -> Json:
    """The same document with some of its texts exchanged."""
    if isinstance(value, dict):
        return {name: _with(item, changed) for name, item in value.items()}
    if isinstance(value, list):
        return [_with(item, changed) for item in value]
    return changed.get(value, value) if isinstance(value, str) else value
