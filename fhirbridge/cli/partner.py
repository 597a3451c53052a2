"""`fhirbridge partner add|list|probe|diff`: who handoffs can be sent to, and what they offer."""

from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.bridge import Bridge
from fhirbridge.cli import output, partner_subscription
from fhirbridge.cli.options import CLASS_HELP, NPI, RECIPIENT_CLASS, hours_of, zone_name
from fhirbridge.cli.partner_shown import offer, to_json
from fhirbridge.documents.outgoing import outgoing_of
from fhirbridge.documents.receive import prepare
from fhirbridge.handoffs import partners, send
from fhirbridge.handoffs.probe import probe
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.credentials import read_key
from fhirbridge.partners.pace import FASTEST
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.rungs import differences, rungs
from fhirbridge.workflow.retry import MAX_AGE_HOURS, TIMEOUT_SECONDS, Policy, with_patience

_PROFILES = ("base", "bser", "gravity")


@click.group("partner", cls=output.Group)
def command() -> None:
    """Register partners, see what they can do and what they would lose."""


command.add_command(partner_subscription.show)
command.add_command(partner_subscription.subscribe)
command.add_command(partner_subscription.unsubscribe)


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
@click.option("--organization", metavar="NAME", help="To whom is disclosed, as consents name it.")
@click.option("--npi", type=NPI, default="", help="NPI of the organization.")
@click.option("--class", "classes", multiple=True, type=RECIPIENT_CLASS, help=CLASS_HELP)
@click.option("--covered-entity/--no-covered-entity", help="HIPAA binds the organization.")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="With each request.")
@click.option(
    "--rate", type=click.FloatRange(0, FASTEST), default=0.0, help="Requests a second; 0: no limit."
)
@click.option(
    "--timeout-seconds",
    type=click.FloatRange(*TIMEOUT_SECONDS),
    default=30.0,
    show_default=True,
    help="How long it may be silent in one request.",
)
@click.option(
    "--max-age-hours",
    type=click.FloatRange(*MAX_AGE_HOURS),
    default=72.0,
    show_default=True,
    help="How long a delivery is tried before people are told.",
)
@click.option("--timezone", default="", help="Where its people work, e.g. America/Denver.")
@click.option(
    "--window",
    default="",
    metavar="DAYS HH:MM-HH:MM",
    help="Send only then: monday,tuesday 06:00-20:00.",
)
@click.option(
    "--hours", default="", metavar="DAYS HH:MM-HH:MM", help="When its people work, for reminders."
)
@click.option("--client-id", default="", help="Who we are there (SMART Backend Services).")
@click.option("--key-file", default="", help="Our private key, a JWK.")
@click.option("--scope", default="system/*.cruds", show_default=True, help="What we ask for.")
@click.option("--token-url", default="", help="Its token endpoint; else it is asked for.")
@click.option("--json", "as_json", is_flag=True, help="The partner as JSON.")
@click.pass_context
def add(ctx: click.Context, /, name: str, url: str, *, as_json: bool, **options: Any) -> None:
    """Register the FHIR server at URL as NAME, or change it, and fetch its capabilities.

    What is not said about a partner that is known stays as it is; an empty value removes it.
    """
    bridge = bridges.build(config.load())
    try:
        known = next((one for one in partners.load_all(bridge) if one.name == name), None)
        settings = _settings(
            options, known, chosen=frozenset(filter(partial(_is_chosen, ctx), options))
        )
        added = partners.add(bridge, Partner.from_settings(name, url, settings=settings))
    finally:
        bridge.close()
    if as_json:
        output.print_json(to_json(added.partner))
    else:
        click.echo(added.partner.name)
    if added.unreachable:
        words = f"{added.unreachable} It is registered and asked again before the first delivery."
        click.echo(words, err=True)
    else:
        click.echo(
            f"{'Registered' if added.is_new else 'Changed'}: {offer(added.partner)}.", err=True
        )
        if added.partner.probe.get("lookUp") is None:
            words = "shows whether a lost answer can be settled by machine; try it before you send."
            click.echo(f"`partner probe {name} --write` {words}", err=True)


def _is_chosen(ctx: click.Context, name: str) -> bool:
    """True for an option that stands in the command line."""
    return ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _settings(
    options: dict[str, Any], partner: Partner | None, *, chosen: frozenset[str]
) -> JsonObject:
    """What was chosen, else what is known of the partner. Raises UsageError."""
    known = partner.settings() if partner else {}
    known = {name: one for name, one in known.items() if name not in ("probe", "subscription")}

    def of(option: str, kept: Any) -> Any:
        return options[option] if option in chosen or not kept else kept

    kept = known.get("recipient") or {}
    recipient = {
        "name": of("organization", kept.get("name")),
        "npi": of("npi", kept.get("npi")) or None,
        "classes": list(of("classes", kept.get("classes"))),
        "coveredEntity": of("covered_entity", kept.get("coveredEntity")),
    }
    if not recipient["name"] and chosen & {"npi", "classes", "covered_entity"}:
        raise click.UsageError("--npi, --class and --covered-entity need --organization.")
    kept = known.get("credentials") or {}
    credentials = {
        "clientId": of("client_id", kept.get("clientId")),
        "keyFile": of("key_file", kept.get("keyFile")),
        "scope": of("scope", kept.get("scope")),
        "tokenUrl": of("token_url", kept.get("tokenUrl")),
    }
    if bool(credentials["clientId"]) != bool(credentials["keyFile"]):
        raise click.UsageError("--client-id and --key-file go together.")
    if credentials["keyFile"]:
        read_key(credentials["keyFile"])
    headers = _headers(options["headers"]) if "headers" in chosen else known.get("headers") or {}
    return known | {
        "allowHttp": of("allow_http", known.get("allowHttp")),
        "profile": of("profile", known.get("profile")),
        "followSeconds": of("follow_seconds", known.get("followSeconds")),
        "policy": with_patience(
            Policy.from_json(known.get("policy") or {}),
            timeout_seconds=options["timeout_seconds"] if "timeout_seconds" in chosen else None,
            max_age_hours=options["max_age_hours"] if "max_age_hours" in chosen else None,
        ).to_json(),
        "headers": headers,
        "requestsPerSecond": of("rate", known.get("requestsPerSecond")),
        "timezone": zone_name(of("timezone", known.get("timezone"))),
        "window": hours_of(options["window"], over_midnight=True)
        if "window" in chosen
        else known.get("window") or {},
        "calendar": hours_of(options["hours"])
        if "hours" in chosen
        else known.get("calendar") or {},
        "recipient": recipient if recipient["name"] else None,
        "credentials": credentials if credentials["clientId"] else None,
    }


def _headers(texts: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for one in texts:
        header, colon, value = one.partition(":")
        if not colon or not header.strip():
            raise click.UsageError("--header is written NAME:VALUE.")
        found[header.strip()] = value.strip()
    return found


@command.command("probe")
@click.argument("name")
@click.option("--write", is_flag=True, help="The partner allows one tagged Task about nobody.")
@click.option("--json", "as_json", is_flag=True, help="The partner as JSON.")
def probe_(name: str, write: bool, as_json: bool) -> int:
    """Fetch and keep what NAME can do; with --write also try whether a look-up finds things.

    Exit code 1 if something of the trial stayed behind.
    """
    bridge = bridges.build(config.load())
    try:
        found = probe(bridge, name, write=write)
    finally:
        bridge.close()
    if as_json:
        output.print_json(to_json(found))
    else:
        click.echo(f"{found.name}: {offer(found)}")
        shown = found.probe
        marks = {True: "yes", False: "NO", None: "not asked"}
        click.echo(f"conditional create  {marks[shown.get('conditionalCreate')]}")
        lag = f", after {shown['lagSeconds']} s" if shown.get("lagSeconds") is not None else ""
        click.echo(f"look-up             {marks[shown.get('lookUp')]}{lag}")
        if shown.get("words"):
            click.echo(shown["words"])
        for place in shown.get("leftBehind") or []:
            click.echo(f"left behind: {found.base_url}/{place}")
    return 1 if found.probe.get("leftBehind") else 0


@command.command("diff")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def diff(name: str, file: Path, as_json: bool) -> int:
    """Compare what FILE (a document or a Bundle) needs with what NAME offers; nothing is asked.

    Exit code 1 if something would be lost.
    """
    bridge = bridges.build(config.load())
    try:
        with bridge.database.read() as session:
            partner = partners.load(session, bridge, name)
        bundle = _bundle(bridge, partner, output.read_json(file))
    finally:
        bridge.close()
    found = differences(bundle, partner.abilities)
    shown = rungs(bundle, partner.abilities)
    if as_json:
        output.print_json({"differences": found, "rungs": [one.to_json() for one in shown]})
    else:
        for words in found:
            click.echo(words)
        for one in shown:
            click.echo(f"{'*' if one.chosen else ' '} {one.rung.value}")
            for loss in one.losses or ("Nothing is lost.",):
                click.echo(f"    {loss}")
    return 1 if any(one.chosen and one.losses for one in shown) else 0


def _bundle(bridge: Bridge, partner: Partner, data: JsonObject) -> Resource:
    """What would be sent: a Bundle as it is, a document as its package."""
    if data.get("resourceType") == "Bundle":
        return data
    prepared = prepare(
        data,
        bridge.mappings,
        bridge.custodian.namespace,
        uscore_version=bridge.settings.uscore_version,
    )
    return send.planned_bundle(bridge, partner, outgoing_of(prepared))


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
        output.print_json([to_json(partner) for partner in known])
    elif known:
        rows = [
            (one.name, one.base_url, one.recipient.name if one.recipient else "-", offer(one))
            for one in known
        ]
        output.table(rows, ("NAME", "URL", "ORGANIZATION", "OFFERS"))
    else:
        click.echo("There are no partners. Register one: fhirbridge partner add NAME URL", err=True)
