"""`fhirbridge pull --from PARTNER --patient …`: a patient's plans and referrals as documents."""

import json
from pathlib import Path

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.documents.pull import pull
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
@click.option("--json", "as_json", is_flag=True, help="Documents and findings in one JSON list.")
def command(partner: str, patient: str, out: Path | None, as_json: bool) -> int:
    """Fetch a patient's plans and referrals from PARTNER and print them as documents.

    Nothing is stored. Exit code 1 if something could not be represented.
    """
    bridge = bridges.build(config.load())
    try:
        found = pull(bridge, partner, patient)
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
        click.echo(f"{len(found)} documents.", err=True)
    return 1 if any(one.issues for one in found) else 0
