"""Telephone numbers: E.164, with the United States as default country.

Source: ITU-T E.164; domain.md section 4.0.
"""

import re

from fhirbridge.native.fields import Advice, Line

_E164 = re.compile(r"\+(1\d{10}|[2-9]\d{6,14})", re.ASCII)
_SHORT = re.compile(r"\d{3,6}", re.ASCII)  # 988, 911, text lines
_PUNCTUATION = re.compile(r"[\s().\-/\u2010-\u2015]")


def to_e164(text: str) -> str:
    """Write a number as E.164 where it can only mean one, else give it back as it is."""
    digits = _PUNCTUATION.sub("", text)
    if not re.fullmatch(r"\+?\d+", digits, re.ASCII):
        return text
    if digits.startswith("+"):
        candidate = digits
    elif digits.startswith("011"):
        candidate = f"+{digits[3:]}"
    elif len(digits) == 10:
        candidate = f"+1{digits}"
    else:
        candidate = f"+{digits}" if len(digits) == 11 and digits[0] == "1" else text
    return candidate if _E164.fullmatch(candidate) else text


class Phone(Line):
    """A telephone number in E.164 where it can be read as one."""

    expected = "a telephone number"

    def read(self, value: object) -> str:
        return to_e164(super().read(value))

    def advise(self, value: str) -> Advice | None:
        if _E164.fullmatch(value) or _SHORT.fullmatch(value):
            return None
        return Advice(
            "The telephone number cannot be written as E.164; it is carried as it is.",
            rule="phone-form",
        )
