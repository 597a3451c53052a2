"""`fhirbridge audit check|accounting|reviews|review|breach`: what was disclosed, and to whom."""

import getpass
from collections.abc import Iterable
from datetime import datetime, tzinfo

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.clock import to_instant
from fhirbridge.fhir.primitives import bounds
from fhirbridge.operations import audits
from fhirbridge.operations.audits import Disclosed


@click.group("audit")
def command() -> None:
    """Check the audit; account for disclosures, emergencies, a breach."""


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def check(as_json: bool) -> int:
    """Compute the chain of hashes again; exits with 1 where it is broken."""
    bridge = bridges.build(config.load())
    try:
        found = audits.check(bridge)
    finally:
        bridge.close()
    if as_json:
        shown = {"rows": found.rows, "lastHash": found.last_hash, "brokenAt": found.broken_at}
        output.print_json(shown)
    elif found.broken_at:
        click.echo(f"The audit was changed: row {found.broken_at} does not fit.", err=True)
    else:
        click.echo(f"{found.rows} rows, last hash {found.last_hash}")
    return 1 if found.broken_at else 0


@command.command("accounting")
@click.option("--patient", required=True, help="The patient's id, or Patient/id.")
@click.option("--since", default="", help="A date; three years ago if not given.")
@click.option(
    "--designated", is_flag=True, help="Only to recipients that consents name as a class."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def accounting(patient: str, since: str, designated: bool, as_json: bool) -> None:
    """List what was disclosed about a patient (42 CFR 2.24, 2.25)."""
    bridge = bridges.build(config.load())
    try:
        start = _instant(since, bridge.settings.zone) if since else None
        found = audits.accounting(bridge, patient, since=start, designated=designated)
    finally:
        bridge.close()
    _show(found, as_json=as_json)


@command.command("breach")
@click.option("--since", required=True, help="A date or instant.")
@click.option("--until", default="", help="A date or instant; now if not given.")
@click.option("--recipient", default="", help="Only to this organization or client.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def breach(since: str, until: str, recipient: str, as_json: bool) -> None:
    """List every disclosure that a breach may concern, with its patients."""
    bridge = bridges.build(config.load())
    try:
        zone = bridge.settings.zone
        last = _instant(until, zone) if until else None
        found = audits.breach(bridge, since=_instant(since, zone), until=last, recipient=recipient)
    finally:
        bridge.close()
    _show(found, as_json=as_json)


@command.command("reviews")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def reviews(as_json: bool) -> None:
    """List emergency access that nobody has reviewed yet."""
    bridge = bridges.build(config.load())
    try:
        found = audits.unreviewed(bridge)
    finally:
        bridge.close()
    _show(found, as_json=as_json)


@command.command("review")
@click.argument("number", type=int)
@click.option("--by", default=getpass.getuser, help="Who has looked.")
@click.option("--outcome", required=True, help="What was found.")
def review(number: int, by: str, outcome: str) -> None:
    """Note that an emergency access was reviewed."""
    bridge = bridges.build(config.load())
    try:
        audits.review(bridge, number, by=by, outcome=outcome)
    finally:
        bridge.close()
    click.echo(f"{number} is reviewed.", err=True)


def _instant(text: str, zone: tzinfo) -> datetime:
    try:
        return bounds(text, zone).start
    except ValueError as exc:
        raise click.BadParameter("A time is a date or an instant.") from exc


def _show(found: Iterable[Disclosed], *, as_json: bool) -> None:
    listed = list(found)
    if as_json:
        output.print_json([each.to_json() for each in listed])
        return
    if not listed:
        click.echo("There is nothing to list.", err=True)
        return
    rows = [
        (
            str(each.id),
            to_instant(each.at),
            each.recipient,
            each.purpose,
            ", ".join(f"{count} {name}" for name, count in each.resources.items()),
            ", ".join(each.consents) or ("emergency" if each.is_emergency else "-"),
        )
        for each in listed
    ]
    output.table(rows, ("ID", "AT", "RECIPIENT", "PURPOSE", "WHAT", "BY"))
