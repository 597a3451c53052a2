"""`fhirbridge partner add|list`: who handoffs can be sent to, and what they offer."""

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.cli import output
from fhirbridge.clock import to_instant
from fhirbridge.handoffs import partners
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.registry import Partner

_PROFILES = ("base", "bser", "gravity")


@click.group("partner")
def command() -> None:
    """Register partners and list them."""


@command.command()
@click.argument("name")
@click.argument("url")
@click.option("--allow-http", is_flag=True, help="Permit plain http outside this machine.")
@click.option("--profile", type=click.Choice(_PROFILES), default="base", help="Shape of the Task.")
@click.option(
    "--follow-seconds",
    type=click.FloatRange(0.1, 7 * 86_400),
    default=900.0,
    show_default=True,
    help="Time between two looks at a Task.",
)
@click.option("--json", "as_json", is_flag=True, help="The partner as JSON.")
def add(
    name: str, url: str, allow_http: bool, profile: str, follow_seconds: float, as_json: bool
) -> None:
    """Register the FHIR server at URL as NAME, or change it, and fetch its capabilities."""
    bridge = bridges.build(config.load())
    try:
        wanted = Partner.from_settings(
            name,
            url,
            settings={
                "allowHttp": allow_http,
                "profile": profile,
                "followSeconds": follow_seconds,
            },
        )
        added = partners.add(bridge, wanted)
    finally:
        bridge.close()
    if as_json:
        output.print_json(_json(added.partner))
    else:
        click.echo(added.partner.name)
    if added.unreachable:
        words = f"{added.unreachable} It is registered and asked again before the first delivery."
        click.echo(words, err=True)
    else:
        click.echo(
            f"{'Registered' if added.is_new else 'Changed'}: {_offer(added.partner)}.", err=True
        )


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="The partners as JSON.")
def list_partners(as_json: bool) -> None:
    """List the partners and the best way each can be sent to."""
    bridge = bridges.build(config.load())
    try:
        known = partners.load_all(bridge)
    finally:
        bridge.close()
    if as_json:
        output.print_json([_json(partner) for partner in known])
    elif known:
        rows = [(one.name, one.base_url, one.profile, _offer(one)) for one in known]
        output.table(rows, ("NAME", "URL", "PROFILE", "OFFERS"))
    else:
        click.echo("There are no partners. Register one: fhirbridge partner add NAME URL", err=True)


def _offer(partner: Partner) -> str:
    """The best way of sending, in words."""
    abilities = partner.abilities
    if not abilities.known:
        return "not known"
    if abilities.transaction:
        way = "transactions"
    elif abilities.batch:
        way = "batches"
    elif abilities.create and abilities.create <= abilities.conditional_create:
        way = "conditional creates"
    elif abilities.create:
        way = "creates"
    else:
        way = "no writing"
    return f"{way}, FHIR {abilities.fhir_version}" if abilities.fhir_version else way


def _json(partner: Partner) -> JsonObject:
    abilities = partner.abilities
    at = partner.capability_at
    return {
        "name": partner.name,
        "url": partner.base_url,
        "profile": partner.profile,
        "followSeconds": partner.follow_seconds,
        "capabilityAt": to_instant(at) if at else None,
        "software": abilities.software,
        "fhirVersion": abilities.fhir_version,
        "transaction": abilities.known and abilities.transaction,
        "batch": abilities.known and abilities.batch,
        "types": sorted(abilities.types),
    }
