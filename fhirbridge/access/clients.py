"""Clients: systems that may ask for tokens, each belonging to one organization."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fhirbridge.access.keys import read_jwks
from fhirbridge.bridge import Bridge
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure import scopes as smart
from fhirbridge.disclosure.purposes import PURPOSES
from fhirbridge.disclosure.scopes import Scopes
from fhirbridge.errors import InvalidContent, Issue, NotFound
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners.http import check_base_url
from fhirbridge.storage import clients as stored
from fhirbridge.storage.clients import ClientRow

MAX_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A system that calls us. `recipient` None: one of the custodian's own.

    `purposes` are those it may ask for, the first its default; `scopes` those it may hold. Its
    keys are in `jwks`, or behind `jwks_url`.
    """

    name: str
    recipient: Recipient | None = None
    purposes: tuple[str, ...] = ("TREAT",)
    scopes: tuple[str, ...]
    jwks: JsonObject | None = None
    jwks_url: str = ""
    client_id: str = ""
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    key: int = 0  # in the database

    @property
    def allowed(self) -> Scopes:
        """What it may hold at most."""
        return smart.scopes_of(frozenset(self.scopes))


def add(bridge: Bridge, wanted: Client) -> Client:
    """Register a client under a fresh id. Raises InvalidContent with every fault."""
    faults = list(_faults(wanted))
    if faults:
        raise InvalidContent(*faults)
    granted = smart.read(wanted.scopes).words()
    client = replace(
        wanted, client_id=bridge.new_id(), created_at=bridge.now(), scopes=granted, revoked_at=None
    )
    with bridge.database.transaction() as session:
        stored.add(session, bridge.custodian.id, _row(client, bridge.now()))
    return client


def all_of(bridge: Bridge) -> list[Client]:
    """All clients by name, revoked ones too."""
    with bridge.database.read() as session:
        return [client_of(row) for row in stored.all_of(session, bridge.custodian.id)]


def revoke(bridge: Bridge, client_id: str) -> Client:
    """Accept the client and its tokens no more, at once, in all processes.

    Revoking twice changes nothing. Raises NotFound for an id that is not known.
    """
    with bridge.database.transaction() as session:
        row = stored.get(session, bridge.custodian.id, client_id)
        if row is None:
            raise NotFound(Issue("not-found", f"There is no client {client_id!r}."))
        if row.revoked_at is None:
            row = replace(row, revoked_at=bridge.now())
            stored.revoke(session, row, now=bridge.now())
    return client_of(row)


def client_of(row: ClientRow) -> Client:
    """The client that a row holds."""
    return Client(
        name=row.name,
        recipient=_recipient(row.recipient) if row.recipient else None,
        purposes=row.purposes,
        scopes=tuple(row.scopes.split()),
        jwks=row.jwks or None,
        jwks_url=row.jwks_url,
        client_id=row.client_id,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        key=row.key,
    )


def _faults(client: Client) -> list[Issue]:
    texts: list[str] = []
    if not 0 < len(client.name.strip()) <= MAX_NAME:
        texts.append(f"A client has a name of up to {MAX_NAME} characters.")
    if not client.purposes or not set(client.purposes) <= PURPOSES.keys():
        texts.append(f"A client has one or more of the purposes {', '.join(PURPOSES)}.")
    if not client.scopes:
        texts.append("A client needs at least one scope, such as system/Patient.rs.")
    if (client.jwks is None) == (not client.jwks_url):
        texts.append("A client needs either a JWKS or the address of one.")
    issues = [Issue("value", text) for text in texts]
    try:
        own = smart.DOCUMENTS in smart.read(client.scopes).letters_by_type
    except ValueError as exc:
        issues.append(Issue("value", f"{exc}."))
    else:
        if own and client.recipient is not None:
            text = f"Only the custodian's own systems may hold system/{smart.DOCUMENTS}."
            issues.append(Issue("security", text))
    try:
        if client.jwks is not None:
            read_jwks(client.jwks)
        if client.jwks_url:
            check_base_url(client.jwks_url)
    except InvalidContent as exc:
        issues.extend(exc.issues)
    return issues


def _row(client: Client, now: datetime) -> ClientRow:
    return ClientRow(
        client_id=client.client_id,
        name=client.name,
        recipient=_recipient_json(client.recipient) if client.recipient else {},
        purposes=client.purposes,
        scopes=" ".join(client.scopes),
        jwks=client.jwks or {},
        jwks_url=client.jwks_url,
        created_at=now,
    )


def _recipient_json(recipient: Recipient) -> JsonObject:
    return {
        "name": recipient.name,
        "identifiers": [
            {"system": system, "value": value} for system, value in recipient.identifiers
        ],
        "classes": list(recipient.classes),
        "coveredEntity": recipient.covered_entity,
    }


def _recipient(data: dict[str, Any]) -> Recipient:
    return Recipient(
        name=data["name"],
        identifiers=tuple((each["system"], each["value"]) for each in data["identifiers"]),
        classes=tuple(data["classes"]),
        covered_entity=data["coveredEntity"],
    )
