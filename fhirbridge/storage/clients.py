"""Rows of clients, access tokens and used assertions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage.client_tables import access_tokens, clients, used_assertions
from fhirbridge.storage.instants import from_millis
from fhirbridge.storage.session import Session, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRow:
    """A client as it is stored; `key` 0 before it is."""

    client_id: str
    name: str
    recipient: JsonObject
    purposes: tuple[str, ...]
    scopes: str
    jwks: JsonObject
    jwks_url: str
    created_at: datetime
    revoked_at: datetime | None = None
    key: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRow:
    """What a token stands for."""

    client_key: int
    scopes: str
    purpose: str
    reason: str
    actor: str
    expires_at: datetime


_TOKEN_COLUMNS = ("client_key", "scopes", "purpose", "reason", "actor", "expires_at")
_TOKEN = Statement(
    sa.select(*(access_tokens.c[name] for name in _TOKEN_COLUMNS)).where(
        access_tokens.c.token_hash == sa.bindparam("token_hash"),
        access_tokens.c.custodian_id == sa.bindparam("custodian"),
    )
)

_ACCEPTED = Statement(
    sa.select(access_tokens.c.expires_at).where(
        access_tokens.c.token_hash == sa.bindparam("token_hash"),
        access_tokens.c.custodian_id == sa.bindparam("custodian"),
    )
)


def add(session: Session, custodian_id: int, row: ClientRow) -> None:
    """Store a client. Its client_id must be new."""
    session.execute(
        sa.insert(clients).values(
            custodian_id=custodian_id,
            client_id=row.client_id,
            name=row.name,
            recipient=row.recipient,
            purposes=list(row.purposes),
            scopes=row.scopes,
            jwks=row.jwks,
            jwks_url=row.jwks_url,
            created_at=row.created_at,
        )
    )


def get(session: Session, custodian_id: int, client_id: str) -> ClientRow | None:
    """The client of this id, revoked or not, or None."""
    mine = (clients.c.custodian_id == custodian_id) & (clients.c.client_id == client_id)
    row = session.execute(sa.select(clients).where(mine)).first()
    return _row(row) if row else None


def get_by_key(session: Session, custodian_id: int, key: int) -> ClientRow | None:
    """The client with this key, or None."""
    mine = (clients.c.custodian_id == custodian_id) & (clients.c.id == key)
    row = session.execute(sa.select(clients).where(mine)).first()
    return _row(row) if row else None


def all_of(session: Session, custodian_id: int) -> list[ClientRow]:
    """All clients by name, revoked ones too."""
    query = sa.select(clients).where(clients.c.custodian_id == custodian_id)
    ordered = query.order_by(clients.c.name, clients.c.client_id)
    return [_row(row) for row in session.execute(ordered)]


def revoke(session: Session, row: ClientRow, *, now: datetime) -> None:
    """Accept the client no more, nor any token that it holds."""
    session.execute(sa.update(clients).where(clients.c.id == row.key).values(revoked_at=now))
    session.execute(sa.delete(access_tokens).where(access_tokens.c.client_key == row.key))


def is_active(session: Session, key: int) -> bool:
    """Whether the client is accepted, as of this transaction."""
    wanted = sa.select(clients.c.id).where(clients.c.id == key, clients.c.revoked_at.is_(None))
    return session.execute(wanted).first() is not None


def use_assertion(
    session: Session, custodian_id: int, *, client_key: int, jti_hash: bytes, expires_at: datetime
) -> bool:
    """Note that a client has used an assertion. False if it had done so before."""
    used = used_assertions.c
    mine = (used.client_key == client_key) & (used.jti_hash == jti_hash)
    if session.execute(sa.select(used.expires_at).where(mine)).first() is not None:
        return False
    row = {"client_key": client_key, "jti_hash": jti_hash, "custodian_id": custodian_id}
    session.execute(sa.insert(used_assertions).values(**row, expires_at=expires_at))
    return True


def used_by(session: Session, client_key: int) -> int:
    """How many assertions of a client are remembered, because they may not have expired yet."""
    mine = used_assertions.c.client_key == client_key
    found = session.execute(sa.select(sa.func.count()).select_from(used_assertions).where(mine))
    return int(found.scalar() or 0)


def put_token(session: Session, custodian_id: int, token_hash: bytes, row: TokenRow) -> None:
    """Store a token."""
    session.execute(
        sa.insert(access_tokens).values(
            token_hash=token_hash,
            custodian_id=custodian_id,
            client_key=row.client_key,
            scopes=row.scopes,
            purpose=row.purpose,
            reason=row.reason,
            actor=row.actor,
            expires_at=row.expires_at,
        )
    )


def token(session: Session, custodian_id: int, token_hash: bytes) -> TokenRow | None:
    """What a token stands for, expired or not; None if it was never issued, or revoked."""
    row = session.row(_TOKEN, token_hash=token_hash, custodian=custodian_id)
    if row is None:
        return None
    client_key, scopes, purpose, reason, actor, expires_at = row
    return TokenRow(
        client_key=client_key,
        scopes=scopes,
        purpose=purpose,
        reason=reason,
        actor=actor,
        expires_at=from_millis(expires_at),
    )


def is_token(session: Session, custodian_id: int, token_hash: bytes) -> bool:
    """Whether a token was issued and not revoked, be it expired or not."""
    return session.row(_ACCEPTED, token_hash=token_hash, custodian=custodian_id) is not None


def delete_token(session: Session, *, client_key: int, token_hash: bytes) -> None:
    """Accept a token of this client no more."""
    mine = access_tokens.c.client_key == client_key
    session.execute(sa.delete(access_tokens).where(mine, access_tokens.c.token_hash == token_hash))


def purge(session: Session, custodian_id: int, *, now: datetime) -> None:
    """Forget what has expired."""
    for table in (access_tokens, used_assertions):
        columns = table.c
        gone = (columns.custodian_id == custodian_id) & (columns.expires_at < now)
        session.execute(sa.delete(table).where(gone))


def _row(row: sa.Row[Any]) -> ClientRow:
    return ClientRow(
        client_id=row.client_id,
        name=row.name,
        recipient=row.recipient,
        purposes=tuple(row.purposes),
        scopes=row.scopes,
        jwks=row.jwks,
        jwks_url=row.jwks_url,
        created_at=row.created_at,
        revoked_at=row.revoked_at,
        key=row.id,
    )
