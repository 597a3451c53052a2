"""`fhirbridge handoff list|show|answer|visit|close|set-aside`: cases and their answers."""

import getpass
from datetime import datetime
from pathlib import Path

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.cli.options import LIMIT
from fhirbridge.clock import to_instant
from fhirbridge.handoffs import closing, inbound, referrals, releasing
from fhirbridge.handoffs.answer import ACTIONS, Answer, answer
from fhirbridge.handoffs.paper import print_packet
from fhirbridge.handoffs.referrals import resolve
from fhirbridge.jsontypes import JsonObject
from fhirbridge.workflow.reasons import REASONS

_HEARD = ("phone", "fax", "paper", "in-person")


class _Moment(click.ParamType[datetime]):
    name = "TIME"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """A date and time with 'Z' or an offset."""
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            words = "expected a date and time with 'Z' or an offset, like 2026-04-01T13:00-05:00"
            self.fail(words, param, ctx)
        return moment


_MOMENT = _Moment()


@click.group("handoff", cls=output.Group)
def command() -> None:
    """Look at handoffs and referrals, and answer them.

    HANDOFF is its id, the code on its packet, or the record id of its document.
    """


@command.command("list")
@click.option(
    "--direction",
    type=click.Choice(["outbound", "inbound"]),
    default=None,
    help="Only what we sent, or what came in.",
)
@click.option("--partner", default="", help="Only of this partner.")
@LIMIT
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_cases(direction: str | None, partner: str, limit: int, as_json: bool) -> None:
    """List handoffs and referrals and who owes the next step."""
    bridge = bridges.build(config.load())
    try:
        found = referrals.list_cases(
            bridge, direction=direction or "", partner=partner, limit=limit
        )
    finally:
        bridge.close()
    if as_json:
        output.print_json([one.to_json() for one in found])
    elif found:
        rows = [
            (
                one.handoff.id,
                one.direction,
                one.handoff.partner or one.asked_by or "-",
                f"{one.handoff.kind} {one.handoff.record_id}".rstrip(),
                one.word.text,
                one.word.next_by,
                to_instant(one.handoff.updated_at),
            )
            for one in found
        ]
        head = ("HANDOFF", "DIRECTION", "PARTNER", "DOCUMENT", "STATUS", "NEXT BY", "CHANGED")
        output.table(rows, head)
    else:
        click.echo("There are no handoffs.", err=True)


@command.command("show")
@click.argument("handoff", metavar="HANDOFF")
@click.option("--document", is_flag=True, help="What came in, as a document.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(handoff: str, document: bool, as_json: bool) -> None:
    """Show where one stands: events, visits, alerts, what was set aside."""
    bridge = bridges.build(config.load())
    try:
        if document:
            made = inbound.document_of(bridge, resolve(bridge, handoff))
            output.print_issues(made.issues)
            output.print_json(made.document)
            return
        found = referrals.show(bridge, handoff)
    finally:
        bridge.close()
    shown = found.to_json()
    if as_json:
        output.print_json(shown)
        return
    row = found.handoff
    click.echo(f"handoff   {row.id}, code {shown['code']}, {found.direction}")
    click.echo(f"document  {row.kind} {row.record_id}, version {row.document_version}")
    if row.partner:
        click.echo(f"partner   {row.partner}")
    elif found.asked_by:
        click.echo(f"asked by  {found.asked_by}")
    click.echo(f"task      {shown['task'] or '-'}, order {shown['order'] or '-'}")
    click.echo(f"status    {found.word.text}")
    click.echo(f"next      {found.word.next_by}: {found.word.next_step}")
    if shown["mayBecome"] and not shown["done"]:
        click.echo(f"can be    {', '.join(shown['mayBecome'])}")
    if shown["closedFor"]:
        click.echo(f"closed    {shown['closedFor']}")
    if shown["firstVisit"]:
        days = shown["daysBetween"]
        between = f", {days} days after the last visit in the program" if days is not None else ""
        click.echo(f"visit     {shown['firstVisit']}{between}")
    for event in shown["events"]:
        click.echo(f"          {event['at']} {_told(event)}")
    for alert in shown["alerts"]:
        click.echo(f"alert     {alert['kind']} since {alert['openedAt']}")
    for kept in shown["setAside"]:
        click.echo(f"set aside {kept['id']}: {kept['code']}. {kept['reason']}")


def _told(event: JsonObject) -> str:
    """An event in words."""
    if event.get("visitEntered"):
        return f"visit entered, by {event.get('visitEnteredBy') or 'somebody'}"
    if event.get("closedFor"):
        return f"closed, by {event.get('closedBy') or 'somebody'}"
    if event.get("sentOnTo"):
        return f"sent elsewhere, with handoff {event['sentOnTo']}"
    heard = (
        f" (heard, entered by {event.get('by') or 'somebody'})" if event.get("transcribed") else ""
    )
    reason = f" ({event['reason']})" if event.get("reason") else ""
    return f"{event['result']}: {event['state']}{heard}{reason}"


@command.command("print")
@click.argument("handoff", metavar="HANDOFF")
@click.option("--out", type=click.Path(path_type=Path), help="Write here instead of stdout.")
@click.option("--by", default="", help="Who prints it; by default who is logged in.")
def print_(handoff: str, out: Path | None, by: str) -> None:
    """Print the packet with its code; what could not be sent is delivered by that."""
    bridge = bridges.build(config.load())
    try:
        packet = print_packet(bridge, handoff, by=by or getpass.getuser())
    finally:
        bridge.close()
    output.print_text(packet, out)


@command.command("answer")
@click.argument("handoff", metavar="HANDOFF")
@click.argument("action", type=click.Choice(ACTIONS), metavar="ACTION")
@click.option("--reason", type=click.Choice(list(REASONS)), default=None, help="A coded reason.")
@click.option("--text", default="", help="For people: what is needed, what came of it.")
@click.option("--start", type=_MOMENT, default=None, help="When the visit begins.")
@click.option("--end", type=_MOMENT, default=None, help="When the visit ends.")
@click.option(
    "--heard",
    type=click.Choice(_HEARD),
    default=None,
    help="How the partner told it, if it is entered by hand.",
)
@click.option("--by", default="", help="Who answers; by default who is logged in.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def answer_(
    handoff: str,
    action: str,
    reason: str | None,
    text: str,
    start: datetime | None,
    end: datetime | None,
    heard: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Answer what came in, or enter a partner's answer with --heard.

    ACTION is receive, accept, decline (with --reason), ask (--text), waitlist, schedule
    (--start), no-show, cancel-visit, start (the client came), outcome (done; --text), fail
    (--reason), withdraw (we take back what we sent), or confirm-withdrawal. Which are possible,
    `handoff show` says.
    """
    chosen = next(one for one in ACTIONS if one == action)
    told = next((one for one in _HEARD if one == heard), "")
    given = Answer(
        chosen,
        reason=reason or "",
        text=text,
        start=start,
        end=end,
        by=by or getpass.getuser(),
        heard=told,  # type: ignore[arg-type]
    )
    bridge = bridges.build(config.load())
    try:
        done = answer(bridge, handoff, given)
    finally:
        bridge.close()
    if as_json:
        output.print_json({"state": done.state.value, "task": done.task, "visit": done.appointment})
    else:
        click.echo(f"{done.task} is {done.state.value}.")


@command.command("visit")
@click.argument("handoff", metavar="HANDOFF")
@click.option("--at", type=_MOMENT, required=True, help="When the client came.")
@click.option("--by", default="", help="Who says so; by default who is logged in.")
def visit(handoff: str, at: datetime, by: str) -> None:
    """Enter that the client came."""
    bridge = bridges.build(config.load())
    try:
        closing.enter_visit(bridge, resolve(bridge, handoff), at=at, by=by or getpass.getuser())
    finally:
        bridge.close()
    click.echo(f"A visit is noted at {to_instant(at)}.", err=True)


@command.command("close")
@click.argument("handoff", metavar="HANDOFF")
@click.option("--reason", required=True, help="Why it is closed without a visit.")
@click.option("--by", default="", help="Who closes it; by default who is logged in.")
def close(handoff: str, reason: str, by: str) -> None:
    """Close a handoff for a stated reason."""
    bridge = bridges.build(config.load())
    try:
        closing.close(bridge, resolve(bridge, handoff), reason=reason, by=by or getpass.getuser())
    finally:
        bridge.close()
    click.echo("It is closed.", err=True)


@command.command("set-aside")
@click.option("--show", type=int, default=None, metavar="NUMBER", help="Print one as it came.")
@click.option("--release", type=int, default=None, metavar="NUMBER", help="Let it count after all.")
@click.option("--settle", type=int, default=None, metavar="NUMBER", help="It counts for nothing.")
@click.option("--handoff", default="", help="Which one a released one is about, if nobody knows.")
@click.option("--all", "with_settled", is_flag=True, help="Also what is settled.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def set_aside(
    show: int | None,
    release: int | None,
    settle: int | None,
    handoff: str,
    with_settled: bool,
    as_json: bool,
) -> None:
    """List what arrived about referrals and led nowhere; a person lets it count, or settles it."""
    bridge = bridges.build(config.load())
    try:
        if show is not None:
            click.echo(releasing.show(bridge, show).body.decode(errors="replace"))
            return
        if release is not None:
            about = resolve(bridge, handoff) if handoff else ""
            by = getpass.getuser()
            taken = releasing.release(bridge, release, by=by, handoff_id=about)
            click.echo(f"Handoff {taken.handoff_id} is {taken.state.value}.", err=True)
        if settle is not None:
            releasing.settle(bridge, settle, by=getpass.getuser())
        found = referrals.list_set_aside(bridge, with_settled=with_settled)
    finally:
        bridge.close()
    if as_json:
        output.print_json([referrals.kept_json(one) for one in found])
    elif found:
        rows = [(str(one.id), one.partner, one.source, one.code, one.reason) for one in found]
        output.table(rows, ("NUMBER", "PARTNER", "SOURCE", "CODE", "REASON"))
    else:
        click.echo("Nothing is set aside.", err=True)
