"""`fhirbridge audit check|accounting|reviews|review|breach`: what was disclosed, and to whom."""

import getpass
from collections.abc import Callable, Iterable

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.cli.options import MOMENT_HELP, PATIENT_HELP, moment, patient_id
from fhirbridge.clock import to_instant
from fhirbridge.operations import audits
from fhirbridge.operations.audits import Disclosed


@click.group("audit", cls=output.Group)
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
@click.option("--patient", required=True, help=PATIENT_HELP)
@click.option("--since", metavar="TIME", default="", help=f"Three years ago, or {MOMENT_HELP}.")
@click.option(
    "--designated", is_flag=True, help="Only to recipients that consents name as a class."
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def accounting(patient: str, since: str, designated: bool, as_json: bool) -> None:
    """List what was disclosed about a patient (42 CFR 2.24, 2.25)."""
    bridge = bridges.build(config.load())
    try:
        start = moment(since, bridge.settings.zone, "--since") if since else None
        known = patient_id(bridge, patient, may_be_gone=True)
        found = audits.accounting(bridge, known, since=start, designated=designated)
    finally:
        bridge.close()
    _show(found, as_json=as_json)


@command.command("breach")
@click.option("--since", metavar="TIME", required=True, help=f"From when: {MOMENT_HELP}.")
@click.option("--until", metavar="TIME", default="", help=f"Now, or {MOMENT_HELP}.")
@click.option(
    "--recipient",
    metavar="NAME|CLIENT_ID",
    default="",
    help="Only to this organization, as it is listed, or this client.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def breach(since: str, until: str, recipient: str, as_json: bool) -> None:
    """List every disclosure that a breach may concern, with its patients."""
    bridge = bridges.build(config.load())
    try:
        zone = bridge.settings.zone
        first = moment(since, zone, "--since")
        last = moment(until, zone, "--until") if until else None
        found = audits.breach(bridge, since=first, until=last, recipient=recipient)
    finally:
        bridge.close()
    _show(found, as_json=as_json, columns=("patients",))


@command.command("reviews")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def reviews(as_json: bool) -> None:
    """List emergency access that nobody has reviewed yet."""
    bridge = bridges.build(config.load())
    try:
        found = audits.unreviewed(bridge)
    finally:
        bridge.close()
    _show(found, as_json=as_json, columns=("patients", "actor", "reason"))


@command.command("review")
@click.argument("number", type=int)
@click.option("--by", default=getpass.getuser, help="Who has looked; else who is logged in.")
@click.option("--outcome", metavar="TEXT", required=True, help="What was found.")
def review(number: int, by: str, outcome: str) -> None:
    """Note that the emergency access with this id in `audit reviews` was reviewed."""
    bridge = bridges.build(config.load())
    try:
        audits.review(bridge, number, by=by, outcome=outcome)
    finally:
        bridge.close()
    click.echo(f"{number} is reviewed.", err=True)


def _show(found: Iterable[Disclosed], *, as_json: bool, columns: tuple[str, ...] = ()) -> None:
    """Disclosures, newest first; `columns` names what more is shown of each."""
    listed = list(found)
    if as_json:
        output.print_json([each.to_json() for each in listed])
        return
    if not listed:
        click.echo("There is nothing to list.", err=True)
        return
    more: dict[str, Callable[[Disclosed], str]] = {
        "patients": lambda each: ", ".join(each.patients) or "not stored any more",
        "actor": lambda each: each.actor,
        "reason": lambda each: each.reason,
    }
    rows = [
        (
            str(each.id),
            to_instant(each.at),
            each.recipient,
            each.purpose,
            each.action,
            ", ".join(each.consents) or ("emergency" if each.is_emergency else "-"),
            *(more[name](each) for name in columns),
            ", ".join(f"{count} {name}" for name, count in each.resources.items()),
        )
        for each in listed
    ]
    head = ("ID", "AT", "RECIPIENT", "PURPOSE", "HOW", "BY")
    output.table(rows, (*head, *(name.upper() for name in columns), "WHAT"))
