"""Values with a form of their own: NPI, time zone, recurrence rule; and forms worth a warning.

Source: 45 CFR 162.406 (NPI check digit with prefix 80840), IANA tz, RFC 5545 section 3.3.10,
ICD-10-CM code form, USPS Publication 28, BCP 47.
"""

import re

from fhirbridge import recurrence
from fhirbridge.native.faults import refuse
from fhirbridge.native.fields import Advice, Line

_ICD10CM = re.compile(r"[A-TV-Z]\d[0-9A-Z](\.[0-9A-Z]{1,4})?", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*", re.ASCII)
_POSTAL_CODE = re.compile(r"\d{5}(-\d{4})?", re.ASCII)
_RXNORM = re.compile(r"[1-9]\d{0,7}", re.ASCII)
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_STATES = re.compile(
    "A[AEKLPRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|"
    "O[HKR]|P[ARW]|RI|S[CD]|T[NX]|UM|UT|V[AIT]|W[AIVY]"
)


def has_npi_check_digit(npi: str) -> bool:
    """True when ten digits end in the check digit that the prefix 80840 gives."""
    if not re.fullmatch(r"\d{10}", npi, re.ASCII):
        return False
    total = 24  # the prefix 80840
    for position, digit in enumerate(reversed(npi)):
        doubled = int(digit) * 2 if position % 2 else int(digit)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


class Npi(Line):
    """A National Provider Identifier; an identity, so a wrong check digit is an error."""

    expected = "an NPI of ten digits with a right check digit"

    def read(self, value: object) -> str:
        npi = super().read(value)
        if not has_npi_check_digit(npi):
            raise refuse(f"The text is not {self.expected}.", rule="npi")
        return npi


class Zone(Line):
    """The name of a time zone of the IANA database."""

    expected = "an IANA time zone such as America/Chicago"

    def read(self, value: object) -> str:
        name = super().read(value)
        if not recurrence.is_zone(name):
            raise refuse(f"The text is not {self.expected}.", rule="zone")
        return name


class RecurrenceRule(Line):
    """The RFC 5545 subset that a series is written in."""

    expected = "a rule as FREQ=DAILY|WEEKLY|MONTHLY with INTERVAL and BYDAY"

    def read(self, value: object) -> str:
        text = super().read(value)
        try:
            return str(recurrence.parse_rule(text))
        except recurrence.InvalidSeries as exc:
            raise refuse(exc.sentence, rule="rrule") from exc


def _doubt(holds: bool, sentence: str, rule: str) -> Advice | None:
    return None if holds else Advice(sentence, rule)


def icd10cm(code: str) -> Advice | None:
    """Doubt a code that is not written like one of ICD-10-CM."""
    return _doubt(
        bool(_ICD10CM.fullmatch(code)), "The code is not written as in ICD-10-CM.", "icd10cm-form"
    )


def rxnorm(code: str) -> Advice | None:
    """Doubt a code that is not a RxNorm concept number."""
    return _doubt(
        bool(_RXNORM.fullmatch(code)), "The code is not an RxNorm concept number.", "rxnorm-form"
    )


def language(code: str) -> Advice | None:
    """Doubt a language that is not a BCP 47 tag."""
    return _doubt(
        bool(_LANGUAGE.fullmatch(code)), "The language is not a BCP 47 tag.", "language-form"
    )


def usps_state(state: str) -> Advice | None:
    """Doubt a state without a USPS abbreviation."""
    return _doubt(
        bool(_STATES.fullmatch(state)), "The state is not a USPS abbreviation.", "usps-state"
    )


def postal_code(code: str) -> Advice | None:
    """Doubt a postal code that is not a ZIP code."""
    return _doubt(bool(_POSTAL_CODE.fullmatch(code)), "This is not a ZIP code.", "postal-code")


def email(address: str) -> Advice | None:
    """Doubt an e-mail address without its parts."""
    return _doubt(bool(_EMAIL.fullmatch(address)), "This is not an e-mail address.", "email-form")
