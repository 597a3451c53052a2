"""`fhirbridge client add|list|revoke|token`: the systems that may call us, and their keys."""

import os
from pathlib import Path

import click

from fhirbridge import bridge as bridges
from fhirbridge import config
from fhirbridge.access import clients, keys
from fhirbridge.access.clients import Client
from fhirbridge.cli import output
from fhirbridge.cli.options import CLASS_HELP, NPI, RECIPIENT_CLASS
from fhirbridge.clock import to_instant
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.purposes import PURPOSES
from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.http import check_base_url
from fhirbridge.partners.token import Credential, request_token

NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"


@click.group("client", cls=output.Group)
def command() -> None:
    """Register systems that call us, list and revoke them."""


@command.command()
@click.argument("name")
@click.option("--organization", metavar="NAME", help="To whom everything is disclosed.")
@click.option("--npi", type=NPI, default="", help="NPI of the organization.")
@click.option(
    "--identifier",
    "identifiers",
    multiple=True,
    metavar="SYSTEM|VALUE",
    help="Another identifier of the organization.",
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    type=RECIPIENT_CLASS,
    help=CLASS_HELP,
)
@click.option("--covered-entity", is_flag=True, help="HIPAA binds the organization.")
@click.option("--own", is_flag=True, help="The custodian's own system, instead of an organization.")
@click.option(
    "--purpose",
    "purposes",
    multiple=True,
    type=click.Choice(list(PURPOSES)),
    help="A purpose it may ask for; the first is the default.  [default: TREAT]",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="What it may do, e.g. system/Patient.rs.",
)
@click.option("--jwks", metavar="FILE|URL", help="Its public keys, or the https address of them.")
@click.option(
    "--new-key",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Make a key pair for a developer, and write the private key to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="The client as JSON.")
def add(
    name: str,
    *,
    organization: str | None,
    npi: str,
    identifiers: tuple[str, ...],
    classes: tuple[str, ...],
    covered_entity: bool,
    own: bool,
    purposes: tuple[str, ...],
    scopes: tuple[str, ...],
    jwks: str | None,
    new_key: Path | None,
    as_json: bool,
) -> None:
    """Register the system NAME and print its client_id."""
    if own == (organization is not None):
        raise click.UsageError("Give either --organization or --own.")
    if own and (npi or identifiers or classes or covered_entity):
        raise click.UsageError("--own takes no --npi, --identifier, --class or --covered-entity.")
    if (jwks is None) == (new_key is None):
        raise click.UsageError("Give either --jwks or --new-key.")
    recipient = None
    if organization is not None:
        known = ((NPI_SYSTEM, npi),) if npi else ()
        named = (*known, *map(_identifier, identifiers))
        recipient = Recipient(organization, named, classes, covered_entity)
    if not scopes:
        raise click.UsageError("Give at least one --scope, such as system/Patient.rs.")
    is_url = jwks is not None and "://" in jwks
    if jwks is not None and is_url:
        _check_address(jwks)
    inline = output.read_json(Path(jwks)) if jwks is not None and not is_url else None
    if new_key is not None:
        pair = keys.new_key()
        _write_private(new_key, pair.private)
        inline = pair.jwks
    wanted = Client(
        name=name,
        recipient=recipient,
        purposes=purposes or ("TREAT",),
        scopes=tuple(word for text in scopes for word in text.split()),
        jwks=inline,
        jwks_url=jwks if jwks is not None and is_url else "",
    )
    try:
        with_bridge = bridges.build(config.load())
        try:
            client = clients.add(with_bridge, wanted)
        finally:
            with_bridge.close()
    except BaseException:
        if new_key is not None:
            new_key.unlink()
        raise
    if as_json:
        output.print_json(_json(client))
    else:
        click.echo(client.client_id)
    click.echo(f"Registered for {_whom(client)}; scopes {' '.join(client.scopes)}.", err=True)
    if new_key is not None:
        click.echo(f"The private key is in {new_key}; keep it secret.", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="The clients as JSON.")
def list_clients(as_json: bool) -> None:
    """List the clients, revoked ones too."""
    bridge = bridges.build(config.load())
    try:
        known = clients.all_of(bridge)
    finally:
        bridge.close()
    if as_json:
        output.print_json([_json(client) for client in known])
    elif known:
        rows = [
            (
                client.client_id,
                client.name,
                _whom(client),
                " ".join(client.purposes),
                " ".join(client.scopes),
                "revoked" if client.revoked_at else "active",
            )
            for client in known
        ]
        output.table(rows, ("CLIENT", "NAME", "FOR", "PURPOSES", "SCOPES", "STATE"))
    else:
        click.echo("There are no clients. Register one: fhirbridge client add NAME …", err=True)


@command.command()
@click.argument("client_id")
def revoke(client_id: str) -> None:
    """Accept the client CLIENT_ID and its tokens no more, at once."""
    bridge = bridges.build(config.load())
    try:
        client = clients.revoke(bridge, client_id)
    finally:
        bridge.close()
    at = to_instant(client.revoked_at) if client.revoked_at else ""
    click.echo(f"Revoked since {at}: {client.name}.", err=True)


@command.command()
@click.argument("client_id")
@click.argument("url")
@click.option(
    "--key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    required=True,
    help="The file with the private key.",
)
@click.option("--scope", required=True, help="What to ask for, e.g. 'system/*.rs'.")
@click.option(
    "--purpose", type=click.Choice(list(PURPOSES)), help="Another purpose than the client's first."
)
@click.option("--reason", metavar="TEXT", default="", help="Of an emergency: its nature.")
@click.option(
    "--actor", metavar="TEXT", default="", help="Of an emergency: who asks, with affiliation."
)
def token(
    client_id: str, url: str, key: Path, scope: str, *, purpose: str | None, reason: str, actor: str
) -> None:
    """Get a token for CLIENT_ID from the FHIR server at URL: for trying things out."""
    credential = Credential(client_id, output.read_json(key))
    asked: JsonObject = {"subject_name": actor, "reason": reason}
    if purpose:
        asked["purpose_of_use"] = [purpose]
    extension = {name: one for name, one in asked.items() if one}
    click.echo(request_token(url, credential, scope=scope, extension=extension))


def _identifier(text: str) -> tuple[str, str]:
    system, mark, value = text.rpartition("|")
    if not mark or not system or not value:
        raise click.UsageError("--identifier is written SYSTEM|VALUE.")
    return system, value


def _check_address(url: str) -> None:
    try:
        check_base_url(url)
    except InvalidContent as exc:
        raise click.UsageError("--jwks is a file, or an https address without a query.") from exc


def _write_private(path: Path, key: JsonObject) -> None:
    """Write a private key where only its owner can read it; an existing file is left alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise click.ClickException(f"{path} cannot be written: {exc.strerror}.") from exc
    with os.fdopen(descriptor, "wb") as file:
        file.write(wire.dump(key, pretty=True) + b"\n")


def _whom(client: Client) -> str:
    return client.recipient.name if client.recipient else "the custodian itself"


def _json(client: Client) -> JsonObject:
    recipient = client.recipient
    return {
        "clientId": client.client_id,
        "name": client.name,
        "own": recipient is None,
        "organization": {
            "name": recipient.name,
            "identifiers": [
                {"system": system, "value": value} for system, value in recipient.identifiers
            ],
            "classes": list(recipient.classes),
            "coveredEntity": recipient.covered_entity,
        }
        if recipient
        else None,
        "purposes": list(client.purposes),
        "scopes": list(client.scopes),
        "jwksUrl": client.jwks_url or None,
        "createdAt": to_instant(client.created_at) if client.created_at else None,
        "revokedAt": to_instant(client.revoked_at) if client.revoked_at else None,
    }
