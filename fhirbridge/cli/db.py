"""`fhirbridge db`: create or upgrade the database, rebuild what is derived in it."""

import sys

import click
from rich.console import Console
from rich.progress import Progress

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.documents.publish import publish
from fhirbridge.storage.reindex import reindex
from fhirbridge.storage.resources import Circumstances


@click.group(cls=output.Group)
def command() -> None:
    """Create, upgrade and repair the database."""


@command.command()
def upgrade() -> None:
    """Create the schema and the custodian if they are missing, and check their version.

    Also publishes the code systems, concept maps and extensions of the mapping packs.
    """
    bridge = bridges.build(config.load())
    try:
        written = publish(bridge).written
    finally:
        bridge.close()
    click.echo(f"The database is ready; {len(written)} definitions of ours were written.", err=True)


@command.command("reindex")
def reindex_command() -> None:
    """Rebuild search index, patients and references from the stored resources."""
    bridge = bridges.build(config.load())
    circumstances = Circumstances(
        custodian_id=bridge.custodian.id,
        now=bridge.now(),
        zone=bridge.settings.zone,
        bases=(bridge.settings.own_base,),
    )
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("Reindexing", total=None)
        done = reindex(
            bridge.database,
            circumstances,
            report=lambda count: progress.update(task, completed=count),
        )
    bridge.close()
    click.echo(f"{done} resources were indexed again.", err=True)
