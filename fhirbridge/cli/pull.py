"""`fhirbridge pull --from PARTNER --patient …`: a patient's plans and referrals as documents."""

import json
from pathlib import Path

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.documents.pull import pull, source_of
from fhirbridge.documents.taking import keep
from fhirbridge.fhir import wire


@click.command("pull")
@click.option("--from", "partner", required=True, metavar="PARTNER", help="A registered partner.")
@click.option(
    "--patient", required=True, metavar="SYSTEM|VALUE|ID", help="An identifier, or the id there."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write one file for each document into this folder.",
)
@click.option("--dry-run", is_flag=True, help="Only print what would be stored.")
@click.option("--json", "as_json", is_flag=True, help="Documents and findings in one JSON list.")
def command(partner: str, patient: str, out: Path | None, dry_run: bool, as_json: bool) -> int:
    """Fetch a patient's plans and referrals from PARTNER; store and print documents.

    The same again changes nothing. Exit code 1 if something could not be represented.
    """
    bridge = bridges.build(config.load())
    try:
        source = source_of(bridge, partner)
        found = pull(bridge, source, patient)
        if not dry_run:
            found = [keep(bridge, source, one) for one in found]
    finally:
        bridge.close()
    if as_json:
        output.print_json([one.to_json() for one in found])
    elif out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for one in found:
            name = f"{one.kind}-{one.reference.partition('/')[2]}.json"
            text = json.dumps(json.loads(wire.dump(one.document)), indent=2)
            (out / name).write_text(f"{text}\n", encoding="utf-8")
            click.echo(name)
    else:
        output.print_json([one.document for one in found])
    if not as_json:
        for one in found:
            output.print_issues(one.issues)
        for one in found:
            became = f"{one.stored} {one.record_id}".strip()
            click.echo(f"{one.kind} {one.reference}: {became or 'not stored'}", err=True)
    return 1 if any(one.issues for one in found) else 0
