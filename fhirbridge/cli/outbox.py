"""`fhirbridge outbox list|show|retry|dead|alerts`: what waits, what failed, and what to do."""

import getpass
from functools import partial

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.cli.options import LIMIT
from fhirbridge.clock import to_instant
from fhirbridge.documents.outgoing import outgoing_again
from fhirbridge.handoffs import repair, view
from fhirbridge.handoffs.repair import Difference
from fhirbridge.handoffs.view import Delivery
from fhirbridge.jsontypes import JsonObject
from fhirbridge.workflow.words import DeliveryState

_STATES = [state.value for state in DeliveryState]


@click.group("outbox", cls=output.Group)
def command() -> None:
    """Look at what was sent, what waits and what failed."""


@command.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Only these.")
@click.option("--partner", default="", help="Only this partner.")
@LIMIT
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
                f"{one.handoff.kind} {one.handoff.record_id}",
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
    """Show one delivery with its attempts: by outbox id, or the newest of a handoff by its id."""
    bridge = bridges.build(config.load())
    try:
        found = view.show(bridge, delivery)
    finally:
        bridge.close()
    if as_json:
        output.print_json(found.to_json())
    else:
        _print(found)


@command.command("retry")
@click.argument("delivery", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Show what changed since; send nothing.")
@click.option("--anyway", is_flag=True, help="Send although it may have arrived.")
@click.option(
    "--found", "location", metavar="URL", help="The Task is at the partner, at this address."
)
@click.option("--close", "reason", metavar="REASON", help="Give the delivery up.")
@click.option("--by", default="", help="Who decides; by default who is logged in.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def retry(
    delivery: str,
    dry_run: bool,
    anyway: bool,
    location: str | None,
    reason: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Send a delivery that ended badly again, as its document is today.

    One that needs a person is not sent again unless you say so: --found URL if the partner holds
    its Task, --anyway to take the risk of a second copy, --close REASON to give it up.
    """
    if sum((dry_run, anyway, location is not None, reason is not None)) > 1:
        raise click.UsageError("Use one of --dry-run, --anyway, --found and --close.")
    bridge = bridges.build(config.load())
    by = by or getpass.getuser()
    try:
        changed: tuple[Difference, ...] = ()
        if location is not None:
            done = repair.found(bridge, delivery, location, by=by)
        elif reason is not None:
            done = repair.close(bridge, delivery, reason=reason, by=by)
        else:
            remake = partial(outgoing_again, bridge)
            shown = repair.replay(bridge, delivery, remake)
            changed, done = shown.differences, shown.delivery
            if not dry_run:
                done = repair.retry(bridge, delivery, remake, by=by, anyway=anyway)
    finally:
        bridge.close()
    if as_json:
        output.print_json({**done.to_json(), "differences": [one.to_json() for one in changed]})
        return
    for one in changed:
        where = ", ".join(one.elements)
        click.echo(f"{one.action} {one.resource_type}" + (f": {where}" if where else ""))
    if not changed and location is None and reason is None:
        click.echo("Nothing differs from what was sent.", err=True)
    click.echo("Nothing was sent." if dry_run else f"Now: {done.word.text}.", err=True)


@command.command("dead")
@click.option("--partner", default="", help="Only this partner.")
@LIMIT
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def dead(partner: str, limit: int, as_json: bool) -> None:
    """List deliveries that were refused, given up, or need a person, and what may help."""
    bridge = bridges.build(config.load())
    try:
        found = repair.dead_letters(bridge, partner=partner, limit=limit)
    finally:
        bridge.close()
    if as_json:
        output.print_json([one.to_json() for one in found])
        return
    if not found:
        click.echo("No delivery ended badly.", err=True)
        return
    rows = []
    for one in found:
        hints = [a.details["hint"] for a in one.attempts or () if a.details.get("hint")]
        last = one.row.last_error_class or ""
        rows.append((str(one.row.id), one.row.partner, one.word.text, last, (hints or [""])[-1]))
    output.table(rows, ("ID", "PARTNER", "STATUS", "LAST ERROR", "WHAT MAY HELP"))


@command.command("alerts")
@click.option("--partner", default="", help="Only about this partner.")
@click.option("--all", "with_closed", is_flag=True, help="Also those that are over.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_alerts(partner: str, with_closed: bool, as_json: bool) -> None:
    """List what people have to know of: one line for each change."""
    bridge = bridges.build(config.load())
    try:
        found = view.list_alerts(bridge, partner=partner, with_closed=with_closed)
    finally:
        bridge.close()
    if as_json:
        output.print_json([view.alert_json(one) for one in found])
    elif found:
        rows = [
            (
                to_instant(one.opened_at),
                one.kind,
                one.partner,
                one.handoff_id or "",
                str(one.count),
                "over" if one.closed_at else "open",
            )
            for one in found
        ]
        output.table(rows, ("SINCE", "ALERT", "PARTNER", "HANDOFF", "COUNT", "STATE"))
    else:
        click.echo("There are no alerts.", err=True)


def _print(found: Delivery) -> None:
    row, handoff, word = found.row, found.handoff, found.word
    click.echo(f"handoff   {row.handoff_id}")
    click.echo(f"document  {handoff.kind} {handoff.record_id}, version {handoff.document_version}")
    click.echo(f"partner   {row.partner}")
    click.echo(f"status    {word.text}")
    click.echo(f"next      {word.next_by}: {word.next_step}")
    if row.state is DeliveryState.QUEUED:
        click.echo(f"next try  {to_instant(row.next_attempt_at)}")
    if row.state is DeliveryState.NEEDS_PERSON and row.result:
        click.echo(f"there     {', '.join(sorted(row.result.values()))}")
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
        for loss in attempts[-1].get("losses") or []:
            click.echo(f"note: {loss}")


def _how(attempt: JsonObject) -> str:
    """One attempt in a line: way, look-up, counts, error, what to do."""
    parts = [attempt["rung"]] if attempt.get("rung") else []
    if attempt.get("decision"):
        why = f": {attempt['reason']}" if attempt.get("reason") else ""
        parts.append(f"{attempt['decision']}, by {attempt['by'] or 'somebody'}{why}")
    if attempt.get("looked"):
        parts.append(f"looked: {attempt['looked']}")
    if "created" in attempt:
        parts.append(f"{attempt['created']} created, {attempt['matched']} there already")
    if attempt.get("document") and attempt["verdict"] == "delivered":
        parts.append(f"document {attempt['document'][:16]}…")
    if attempt.get("errorClass"):
        status = f" (HTTP {attempt['status']})" if attempt.get("status") else ""
        parts.append(f"{attempt['errorClass']}{status}")
    for finding in attempt.get("findings", []):
        kind = finding.get("resourceType", "")
        place = ", ".join(finding["expression"])
        place = f"{place} ({kind})" if place and kind else place or kind
        parts.append(f"{finding['code']} at {place}" if place else finding["code"])
    if attempt.get("hint"):
        parts.append(attempt["hint"])
    return "; ".join(parts)
