"""`fhirbridge outbox list|show`: what waits, what was tried, how it went, who is next."""

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.clock import to_instant
from fhirbridge.handoffs import view
from fhirbridge.handoffs.view import Delivery
from fhirbridge.jsontypes import JsonObject
from fhirbridge.workflow.words import DeliveryState

_STATES = [state.value for state in DeliveryState]


@click.group("outbox")
def command() -> None:
    """Look at what was sent, what waits and what failed."""


@command.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--partner", default="", help="Only this partner.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_deliveries(states: tuple[str, ...], partner: str, limit: int, as_json: bool) -> None:
    """List deliveries, newest first."""
    bridge = bridges.build(config.load())
    try:
        wanted = tuple(DeliveryState(state) for state in states)
        found = view.list_deliveries(bridge, states=wanted, partner=partner, limit=limit)
    finally:
        bridge.close()
    if as_json:
        output.print_json([one.to_json() for one in found])
    elif found:
        rows = [
            (
                str(one.row.id),
                one.row.partner,
                one.handoff.kind,
                one.word.text,
                one.word.next_by,
                str(one.row.attempts),
                one.row.last_error_class or "",
            )
            for one in found
        ]
        output.table(
            rows, ("ID", "PARTNER", "DOCUMENT", "STATUS", "NEXT BY", "TRIES", "LAST ERROR")
        )
    else:
        click.echo("The outbox is empty.", err=True)


@command.command("show")
@click.argument("delivery", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(delivery: str, as_json: bool) -> None:
    """Show one delivery, by outbox id or handoff id, with its attempts."""
    bridge = bridges.build(config.load())
    try:
        found = view.show(bridge, delivery)
    finally:
        bridge.close()
    if as_json:
        output.print_json(found.to_json())
    else:
        _print(found)


def _print(found: Delivery) -> None:
    row, handoff, word = found.row, found.handoff, found.word
    click.echo(f"handoff   {row.handoff_id}")
    click.echo(f"document  {handoff.kind}, version {handoff.document_version}")
    click.echo(f"partner   {row.partner}")
    click.echo(f"status    {word.text}")
    click.echo(f"next      {word.next_by}: {word.next_step}")
    if row.state is DeliveryState.QUEUED:
        click.echo(f"next try  {to_instant(row.next_attempt_at)}")
    if handoff.task_reference:
        click.echo(
            f"task      {handoff.task_reference}, version {handoff.task_version or 'not read'}"
        )
    for event in handoff.details.get("events", []):
        reason = f" ({event['reason']})" if event.get("reason") else ""
        click.echo(f"          {event['at']} {event['result']}: {event['state']}{reason}")
    attempts = found.to_json()["attempts"]
    if attempts:
        output.table(
            [
                (str(one["number"]), one["startedAt"], one["verdict"] or "running", _how(one))
                for one in attempts
            ],
            ("TRY", "STARTED", "VERDICT", "HOW"),
        )


def _how(attempt: JsonObject) -> str:
    """One attempt in a line: way, look-up, counts, error, what to do."""
    parts = [attempt["rung"]] if attempt.get("rung") else []
    if attempt.get("looked"):
        parts.append(f"looked: {attempt['looked']}")
    if "created" in attempt:
        parts.append(f"{attempt['created']} created, {attempt['matched']} there already")
    if attempt.get("errorClass"):
        status = f" (HTTP {attempt['status']})" if attempt.get("status") else ""
        parts.append(f"{attempt['errorClass']}{status}")
    for finding in attempt.get("findings", []):
        place = ", ".join(finding["expression"]) or finding.get("resourceType", "")
        parts.append(f"{finding['code']} at {place}" if place else finding["code"])
    if attempt.get("hint"):
        parts.append(attempt["hint"])
    return "; ".join(parts)
