"""What several commands ask for in the same way: organizations, patients, consents and times."""

import re
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

import click

from fhirbridge.bridge import Bridge
from fhirbridge.consent.purposes import class_code
from fhirbridge.documents import patients
from fhirbridge.errors import NotFound
from fhirbridge.fhir.primitives import bounds
from fhirbridge.jsontypes import JsonObject
from fhirbridge.native.forms import has_npi_check_digit
from fhirbridge.workflow.clocks import calendar_of

_CLASSES = ("TREATER", "PAYOR", "OPERATOR", "PARENT", "FAMILY")
PATIENT_HELP = "The patient's id, or an identifier: SYSTEM|VALUE, or its value alone."
MOMENT_HELP = "a date such as 2026-04-01, or an instant such as 2026-04-01T08:00:00-06:00"
LIMIT = click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="How many at most.",
)


class _Npi(click.ParamType[str]):
    name = "NPI"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Ten digits with a check digit, or nothing."""
        text = str(value)
        if text and not has_npi_check_digit(text):
            self.fail("expected ten digits, the last of which is the check digit", param, ctx)
        return text


class _RecipientClass(click.ParamType[str]):
    name = "CODE"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """A class of recipients as consents name it."""
        text = str(value)
        if not class_code(text):
            self.fail(f"expected one of {', '.join(_CLASSES)}", param, ctx)
        return text


class _ConsentId(click.ParamType[str]):
    name = "CONSENT_ID"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """An id; outputs show it as Consent/id."""
        return str(value).removeprefix("Consent/")


NPI = _Npi()
RECIPIENT_CLASS = _RecipientClass()
CONSENT_ID = _ConsentId()
CLASS_HELP = f"A class of recipients that consents may name: {', '.join(_CLASSES)}."


def moment(text: str, zone: tzinfo, option: str) -> datetime:
    """The time that an option says. Raises BadParameter."""
    try:
        return bounds(text, zone).start
    except ValueError as exc:
        raise click.BadParameter(f"expected {MOMENT_HELP}.", param_hint=option) from exc


def patient_id(bridge: Bridge, text: str, *, may_be_gone: bool = False) -> str:
    """The id of the patient whom `--patient` names. Raises NotFound and InvalidContent.

    `may_be_gone`: what is not stored is taken for the id of somebody who was, and that is said.
    """
    try:
        return patients.named(bridge, text)
    except NotFound as exc:
        if not may_be_gone:
            raise
        click.echo(f"{exc} Looking for an id that was deleted.", err=True)
        return text.removeprefix("Patient/")


def zone_name(name: str) -> str:
    """The name of a time zone, "" for none. Raises UsageError."""
    try:
        return ZoneInfo(name).key if name else ""
    except (KeyError, ValueError, OSError) as exc:
        words = "--timezone is an IANA time zone such as America/Denver."
        raise click.UsageError(words) from exc


def hours_of(text: str, *, over_midnight: bool = False) -> JsonObject:
    """Days and hours, `{}` for none. Raises UsageError."""
    if not text:
        return {}
    match = re.fullmatch(r"([a-z,]+) +(\d\d:\d\d)-(\d\d:\d\d)", text.strip().lower())
    hours = {"days": match[1].split(","), "from": match[2], "to": match[3]} if match else {}
    try:
        found = calendar_of(hours) if hours else None
        if found and (over_midnight or found.opens < found.closes):
            return hours
    except ValueError:
        pass
    words = "--window and --hours are written like 'monday,tuesday 08:00-17:00'"
    raise click.UsageError(f"{words}; only a window may end after midnight.")
