"""`fhirbridge send FILE|ID --to PARTNER [--dry-run]`: start a handoff, or show what it would do."""

from pathlib import Path

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.bridge import Bridge
from fhirbridge.cli import output
from fhirbridge.disclosure.purposes import EMERGENCIES, PURPOSES
from fhirbridge.documents.outgoing import Receiving, outgoing_of
from fhirbridge.documents.receive import prepare
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.fhir import wire
from fhirbridge.handoffs.send import Preview, Receipt, hand_over, preview
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import documents as stored


@click.command("send")
@click.argument("source", metavar="FILE|ID")
@click.option("--to", "partner", required=True, metavar="PARTNER", help="A registered partner.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; store and send nothing.")
@click.option(
    "--purpose",
    type=click.Choice([each for each in PURPOSES if each not in EMERGENCIES]),
    default="TREAT",
    show_default=True,
    help="What it is disclosed for.",
)
@click.option("--with-past", is_flag=True, help="Send the sessions that are over too.")
@click.option("--again", is_flag=True, help="Ask a partner anew that declined or ended it.")
@click.option("--json", "as_json", is_flag=True, help="Receipt or plan as JSON.")
def command(
    source: str,
    partner: str,
    dry_run: bool,
    purpose: str,
    with_past: bool,
    again: bool,
    as_json: bool,
) -> None:
    """Hand a document over to PARTNER: a file, or a stored one by its record id.

    The document, its resources and the delivery are stored together; `work` or `serve` delivers.
    """
    bridge = bridges.build(config.load())
    try:
        prepared = prepare(
            _read(bridge, source),
            bridge.mappings,
            bridge.custodian.namespace,
            uscore_version=bridge.settings.uscore_version,
        )
        if not as_json:
            output.print_issues(
                issue for issue in prepared.issues if issue.severity != "information"
            )
        if dry_run:
            outgoing = outgoing_of(prepared, with_past=with_past)
            made = preview(bridge, partner, outgoing, purpose=purpose, again=again)
            _show_plan(made, as_json=as_json)
        else:
            receiving = Receiving(bridge, prepared, with_past=with_past)
            receipt = hand_over(bridge, partner, receiving, purpose=purpose, again=again)
            _show_receipt(receipt, as_json=as_json)
    finally:
        bridge.close()


def _read(bridge: Bridge, source: str) -> JsonObject:
    """The document in a file, on standard input, or stored under a record id."""
    path = Path(source)
    if source == "-" or path.is_file():
        data = output.read_json(path)
        if "resourceType" in data:
            text = f"{source} is a FHIR resource; `convert --reverse` makes a document of it."
            raise InvalidContent(Issue("structure", text))
        return data
    with bridge.database.read() as session:
        found = stored.with_record_id(session, bridge.custodian.id, source)
    if not found:
        raise NotFound(
            Issue("not-found", f"{source} is neither a file nor the record id of a document.")
        )
    if len(found) > 1:
        raise click.UsageError(f"{source} is the record id of several documents; name a file.")
    return wire.parse(found[0].content, max_bytes=output.MAX_FILE_BYTES)


def _show_plan(previewed: Preview, *, as_json: bool) -> None:
    made, shown = previewed.plan, previewed.to_json()
    if as_json:
        output.print_json(shown)
        return
    purpose = PURPOSES[previewed.purpose]
    by = ", ".join(previewed.consents) or "no consent, which is not needed"
    click.echo(f"to {previewed.recipient}, for {purpose}, by {by}")
    for stay in previewed.stays:
        kind = f"{stay.count} {stay.resource_type} ({stay.information})"
        click.echo(f"withheld: {kind}: {stay.reason}")
    click.echo(f"{made.rung.value}, {output.number(shown['requests'], 'request')}")
    actions = {"keep": "there already", "match": "look up", "drop": "leave out"}
    rows: dict[tuple[str, str], int] = {}
    for entry in made.everything:
        place = (actions.get(entry.action, entry.action), entry.resource_type)
        rows[place] = rows.get(place, 0) + 1
    output.table(
        [(action, kind, str(count)) for (action, kind), count in rows.items()],
        ("ACTION", "RESOURCE", "COUNT"),
    )
    click.echo("ways to send it, * is taken:")
    for one in previewed.rungs:
        mark = "*" if one.chosen else " "
        click.echo(f"{mark} {one.rung.value}")
        for loss in one.losses or ("Nothing is lost.",):
            click.echo(f"    {loss}")
    click.echo("Nothing was stored or sent.", err=True)


def _show_receipt(receipt: Receipt, *, as_json: bool) -> None:
    if as_json:
        output.print_json(
            {
                "handoff": receipt.handoff_id,
                "outbox": receipt.outbox_id,
                "state": receipt.state.value,
                "new": receipt.is_new,
                "replaced": receipt.replaced,
            }
        )
    else:
        click.echo(f"handoff {receipt.handoff_id}")
        click.echo(f"outbox  {receipt.outbox_id}")
    if not receipt.is_new:
        click.echo(f"This version was sent before; it is {receipt.state.value}.", err=True)
    elif receipt.replaced:
        click.echo("Enqueued; it replaces an older version that was not sent yet.", err=True)
    else:
        click.echo("Enqueued. `fhirbridge work` delivers it, `outbox show` follows it.", err=True)
