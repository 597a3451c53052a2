"""`fhirbridge sandbox try URL [--from FILE]`: can this FHIR server take our handoffs?"""

import secrets
from pathlib import Path
from uuid import uuid4

import click
from rich.console import Console

from fhirbridge import clock, config, synthetic
from fhirbridge.cli import output
from fhirbridge.conversion.mappings import load_mappings
from fhirbridge.partners.registry import Partner
from fhirbridge.sandbox.bundle import marker_of, trial_package
from fhirbridge.sandbox.report import Report
from fhirbridge.sandbox.strip import strip
from fhirbridge.sandbox.trial import try_server

_MARKS = {True: "yes", False: "NO", None: "-"}


@click.group("sandbox", cls=output.Group)
def command() -> None:
    """Try out FHIR servers with data of nobody."""


@command.command("try")
@click.argument("url")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    help="A document of your own, stripped of every identifying value before it is sent.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Which synthetic person.")
@click.option("--allow-http", is_flag=True, help="Permit plain http outside this machine.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def try_(url: str, source: Path | None, seed: int, allow_http: bool, as_json: bool) -> int:
    """Send one tagged synthetic plan to the FHIR server at URL, read it back, clean up.

    Exit code 0 if the server can take our handoffs, 1 if something was lost or stayed behind,
    4 if it cannot be reached.
    """
    settings = config.load()
    partner = Partner.from_settings("sandbox", url, settings={"allowHttp": allow_http})
    mappings = load_mappings(base=settings.base, site=settings.mappings)
    if source is None:
        document = synthetic.aftercare_plan(seed)
    else:
        document = strip(output.read_json(source), weeks=20 + secrets.randbelow(150))
    now = clock.now()
    trial = uuid4()
    package = trial_package(document, mappings, trial=trial, base=settings.base, now=now)
    waiting = Console(stderr=True).status("Sending, reading back, comparing, cleaning up …")
    with partner.connect(request_id=clock.new_id()) as client, waiting:
        report = try_server(client, package, marker=marker_of(trial), now=clock.now)
    if as_json:
        output.print_json(report.to_json())
    else:
        _print(report)
    return 0 if report.is_fit else 1


def _print(report: Report) -> None:
    server = " ".join(word for word in (report.software, report.fhir_version) if word)
    click.echo(f"{report.url}  {server}")
    click.echo(f"sent by: {report.rung}")
    for loss in report.losses:
        click.echo(f"note: {loss}")
    output.table(
        [(_MARKS[check.holds], check.name, check.words) for check in report.checks],
        ("HOLDS", "CHECK", "WHAT WAS SEEN"),
    )
    for difference, count in report.counted():
        click.echo(f"{difference.kind}: {difference.path}" + (f" ({count}x)" if count > 1 else ""))
    for place in report.left_behind:
        click.echo(f"left behind: {report.url}/{place}")
    fit = "can" if report.is_fit else "cannot fully"
    click.echo(f"This server {fit} take our handoffs.", err=True)
