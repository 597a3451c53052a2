"""One native value of each kind of field, from a stream of choices."""

from datetime import date, timedelta
from typing import Any

from fhirbridge.fhir import wire
from fhirbridge.native import dates, fields, forms, phones
from tests.laws.choices import IDS, Choices

ZONES = (
    "America/Chicago",
    "America/New_York",
    "America/Phoenix",
    "America/Anchorage",
    "Pacific/Honolulu",
    "UTC",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
RULES = (
    "FREQ=DAILY",
    "FREQ=WEEKLY",
    "FREQ=WEEKLY;BYDAY=MO,WE,FR",
    "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=TU",
    "FREQ=WEEKLY;BYDAY=SU,MO,SA",
    "FREQ=MONTHLY",
    "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=MONTHLY;INTERVAL=3;BYDAY=-1FR,1MO",
    "freq=daily;interval=3;byday=MO,TU,TH",
)
NUMBERS = ("3", "0", "9.00", "70.10", "0.5", "-1.25", "19.999999999", "1E+2", "12e-3", "1e1")
OFFSETS = ("Z", "-06:00", "-05:00", "+05:30", "+14:00", "+00:00", "-00:00")
FORMS: dict[object, tuple[str, ...]] = {
    forms.icd10cm: ("F10.20", "F11.21", "F33.1", "Z59.00", "R45.851", "no code"),
    forms.language: ("en", "es-MX", "zh-Hant", "??"),
    forms.rxnorm: ("1483744", "351265", "X1"),
}
CHECKED = ("IL", "60601", "60601-0001", "a@example.org", "Île de France", "x")
URIS = (
    "https://example.org/a?b=c&d=%20",
    "urn:uuid:0",
    "DocumentReference/1",
    "https://example.org/é#<'>",
)
PHONES = (
    "(312) 555-0142",
    "+13125550142",
    "1-312-555-0142",
    "312.555.0142",
    "988",
    "+447700900123",
    "ask at the desk",
)
MINUTES = ("00:00", "01:30", "02:30", "09:00", "12:05", "18:30", "22:00", "23:59", "07:15:30")
DAYS = ("2026-03-08", "2026-11-01", "2024-02-29", "2026-04-05", "2026-12-31")


def npi(choices: Choices) -> str:
    """Ten digits with the right check digit."""
    stem = f"{choices.of('12')}{choices.number(0, 99999999):08d}"
    return next(f"{stem}{d}" for d in range(10) if forms.has_npi_check_digit(f"{stem}{d}"))


def day(choices: Choices) -> str:
    """A date, mostly of these years, often one where the clocks change."""
    if choices.chance(4):
        return choices.of(DAYS)
    if choices.chance(40):
        return choices.of(("0001-01-01", "9999-12-31", "1900-02-28"))
    return (date(2026, 1, 1) + timedelta(days=choices.number(-900, 900))).isoformat()


def moment(choices: Choices) -> str:
    """A date and time with an offset, some with a fraction."""
    fraction = choices.of(("", "", ".5", ".123", ".000", ".123456789"))
    clock = f"{choices.below(24):02d}:{choices.below(60):02d}:{choices.below(60):02d}"
    when = date(2026, 1, 1) + timedelta(days=choices.number(-400, 400))
    return f"{when.isoformat()}T{clock}{fraction}{choices.of(OFFSETS)}"


def identifier(choices: Choices) -> str:
    """The stem of a valid id; the caller makes it unique."""
    return "".join(IDS[choices.byte() % len(IDS)] for _ in range(choices.below(6)))


def code(field: fields.Code, choices: Choices) -> str:
    """A code of the field's set; of an open set now and then another one."""
    if field.closed:
        return choices.of(field.closed)
    if field.well_formed is not None:
        return choices.of(FORMS[field.well_formed])
    if field.known is None or choices.chance(12):
        return choices.of(("x-other", "two words", "Ünï.1", "a/b|c"))
    return choices.of(sorted(field.known.codes))


def value(field: fields.Value, choices: Choices) -> Any:
    """A value that the field accepts, in one of the forms it accepts."""
    match field:
        case fields.Code():
            return code(field, choices)
        case forms.Npi():
            return npi(choices)
        case forms.Zone():
            return choices.of(ZONES)
        case forms.RecurrenceRule():
            return choices.of(RULES)
        case phones.Phone():
            return choices.of(PHONES)
        case fields.Checked():
            return choices.of(CHECKED)
        case fields.Uri():
            return choices.of(URIS)
        case fields.Id():
            return identifier(choices) + "1"
        case fields.Line():
            return choices.of(("", "", " ")) + choices.text()
        case fields.Text():
            return choices.text(14)
        case fields.Boolean():
            return choices.chance(2)
        case fields.Integer():
            low = max(field.minimum, -5)
            return choices.of((low, low + choices.below(40), 2**31 - 1))
        case fields.Decimal():
            low = field.minimum
            written = choices.of([n for n in NUMBERS if low is None or float(n) >= low])
            return int(written) if written.lstrip("-").isdecimal() else wire.number(written)
        case dates.Date():
            return day(choices)
        case dates.DateTime():
            return moment(choices)
        case dates.LocalDateTime():
            return f"{choices.of(DAYS)}T{choices.of(MINUTES)}"
        case dates.Time():
            return choices.of(MINUTES)
    raise TypeError(type(field).__name__)
