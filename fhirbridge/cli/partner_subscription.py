"""`fhirbridge partner show|subscribe|unsubscribe`: what a partner tells us of by itself."""

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.cli.partner_shown import facts, to_json
from fhirbridge.clock import to_instant
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs import subscribe as subscriptions
from fhirbridge.partners.registry import Partner

_STATUS = {
    "active": "the partner tells us",
    "requested": "asked for, not confirmed yet",
    "error": "the partner gave up",
    "off": "switched off by the partner",
    "refused": "the partner cannot do it; it is looked at instead",
}


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(name: str, as_json: bool) -> None:
    """Show what is known of NAME: what it offers, and how its notifications stand."""
    bridge = bridges.build(config.load())
    try:
        with bridge.database.read() as session:
            partner = partners.load(session, bridge, name)
        told = view.list_alerts(bridge, partner=name)
    finally:
        bridge.close()
    if as_json:
        alerts = [view.alert_json(one) for one in told]
        output.print_json({**to_json(partner), "alerts": alerts})
        return
    click.echo(f"{partner.name}: {partner.base_url}")
    for label, words in facts(partner):
        click.echo(f"{label:<14} {words}")
    _print_subscription(partner)
    for one in told:
        click.echo(f"{'alert':<14} {one.kind}, since {to_instant(one.opened_at)}")


@click.command()
@click.argument("name")
@click.option("--payload", is_flag=True, help="Let notifications bring what changed.")
@click.option(
    "--days",
    type=click.IntRange(1, subscriptions.MOST_DAYS),
    default=subscriptions.DAYS,
    show_default=True,
    help="How long, unless renewed; that is done after half of it.",
)
@click.option("--url", default="", help="Where NAME reaches us, if not beside our FHIR base.")
@click.option("--json", "as_json", is_flag=True, help="The partner as JSON.")
def subscribe(name: str, payload: bool, days: int, url: str, as_json: bool) -> int:
    """Let NAME tell us of changes to what we handed over (R4 Subscriptions, rest-hook).

    What is there already is renewed. Without --payload a notification says nothing, and we fetch
    what changed. Tasks are looked at in turn all the same. Exit code 1 if NAME cannot tell of
    changes to Tasks.
    """
    bridge = bridges.build(config.load())
    try:
        made = subscriptions.subscribe(bridge, name, with_payload=payload, days=days, url=url)
    finally:
        bridge.close()
    if as_json:
        output.print_json(to_json(made))
    else:
        _print_subscription(made)
    is_refused = any(
        one["what"] == "Task" and not one["place"] for one in made.subscription["held"]
    )
    return 1 if is_refused else 0


@click.command()
@click.argument("name")
def unsubscribe(name: str) -> int:
    """Remove at NAME what it tells us of. Exit code 1 if something of it could not be removed."""
    bridge = bridges.build(config.load())
    try:
        left = subscriptions.unsubscribe(bridge, name)
    finally:
        bridge.close()
    for place in left:
        click.echo(f"left behind: {place}; nothing from it is taken any more.", err=True)
    return 1 if left else 0


def _print_subscription(partner: Partner) -> None:
    found = subscriptions.shown(partner)
    if found is None:
        offered = "Subscription" in partner.abilities.create
        how = "`partner subscribe` asks for them" if offered else "it offers no Subscriptions"
        click.echo(f"notifications  none; {how}")
        return
    brings = "what changed" if found["payload"] else "nothing: we fetch what changed"
    click.echo(f"notifications  to {found['endpoint']}, bringing {brings}")
    for one in found["held"]:
        at = f" at {one['place']}" if one["place"] else ""
        click.echo(f"{one['what']:<14} {one['status']}{at}: {_STATUS[one['status']]}")
        if one["criteria"]:
            click.echo(f"               {one['criteria']}")
    if found["until"]:
        click.echo(f"until          {found['until']}, as of {found['checkedAt']}")
    for place in found["left"]:
        click.echo(f"left behind    {place}")
    if found["failed"]:
        click.echo(f"failed         {found['failed']}")
