"""Access tokens: given for an assertion, looked up on every request, revoked at once everywhere.

A token is random and means nothing outside the database, which keeps its hash. Every process
looks it up for each request: one row by its primary key.
Source: RFC 6749 section 4.4, RFC 6750, RFC 7009; SMART App Launch 2.2, Backend Services
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from fhirbridge.access import assertions
from fhirbridge.access.assertions import Assertion
from fhirbridge.access.attempts import TooManyAttempts
from fhirbridge.access.clients import client_of
from fhirbridge.access.keys import Fetch, KeysByUrl
from fhirbridge.access.purposes import purpose_of
from fhirbridge.access.refusals import TokenRefused
from fhirbridge.bridge import Bridge
from fhirbridge.disclosure import scopes
from fhirbridge.disclosure.caller import Caller
from fhirbridge.errors import Issue, NotAuthenticated
from fhirbridge.partners.token import ASSERTION_TYPE
from fhirbridge.storage import clients as stored
from fhirbridge.storage.clients import TokenRow
from fhirbridge.storage.session import Session

LIFETIME = timedelta(seconds=300)
# Of one client that have not expired, for all processes together: it should keep its tokens.
MAX_ASSERTIONS = 1000
_TOKEN_BYTES = 32
_MAX_TOKEN_LENGTH = 200
_MAX_KNOWN = 4096


@dataclass(frozen=True, slots=True)
class Granted:
    """A token, how long it is accepted, and for which scopes."""

    token: str
    expires_in_seconds: int
    scope: str


class Tokens:
    """Gives, knows and revokes the tokens of one custodian."""

    def __init__(self, bridge: Bridge, fetch: Fetch) -> None:
        self._bridge = bridge
        self._keys = KeysByUrl(fetch)
        # What a token stands for never changes; whether it still does is asked every time.
        self._known: dict[bytes, _Holder] = {}

    def grant(self, form: Mapping[str, str], *, audiences: Collection[str]) -> Granted:
        """A token for the client that signed the request. Raises TokenRefused."""
        if form.get("grant_type") != "client_credentials":
            given = "grant_type" in form
            raise TokenRefused(
                "unsupported_grant_type" if given else "invalid_request",
                "'grant_type' must be client_credentials.",
            )
        assertion = self._authenticate(form, audiences)
        scope = self._scope(assertion, form.get("scope", ""))
        purpose = purpose_of(assertion.client, assertion.extensions)
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        now = self._bridge.now()
        row = TokenRow(
            client_key=assertion.client.key,
            scopes=scope,
            purpose=purpose.code,
            reason=purpose.reason,
            actor=purpose.actor,
            expires_at=now + LIFETIME,
        )
        custodian_id = self._bridge.custodian.id
        with self._bridge.database.transaction() as session:
            stored.purge(session, custodian_id, now=now)
            if stored.used_by(session, assertion.client.key) >= MAX_ASSERTIONS:
                raise TooManyAttempts(int(assertions.SKEW.total_seconds()))
            fresh = stored.use_assertion(
                session,
                custodian_id,
                client_key=assertion.client.key,
                jti_hash=_digest(assertion.jti),
                expires_at=assertion.expires_at,
            )
            if not fresh or not stored.is_active(session, assertion.client.key):
                raise _used()
            stored.put_token(session, custodian_id, _digest(token), row)
        return Granted(token, int(LIFETIME.total_seconds()), scope)

    def caller(self, token: str) -> Caller:
        """Who holds this token. Raises NotAuthenticated if it is not accepted."""
        if len(token) > _MAX_TOKEN_LENGTH:
            raise _not_accepted()
        digest, custodian_id = _digest(token), self._bridge.custodian.id
        holder = self._known.get(digest)
        if holder is None:
            with self._bridge.database.read() as session:
                holder = self._load(session, digest)
        else:
            with self._bridge.database.glance() as session:
                if not stored.is_token(session, custodian_id, digest):
                    holder = None
        if holder is None or holder.expires_at <= self._bridge.now():
            self._known.pop(digest, None)
            raise _not_accepted()
        return holder.caller

    def revoke(self, form: Mapping[str, str], *, audiences: Collection[str]) -> None:
        """Accept a token of the client no more; one that is not known is no error.

        Source: RFC 7009 section 2.2
        """
        assertion = self._authenticate(form, audiences)
        token = form.get("token", "")
        if not token:
            raise TokenRefused("invalid_request", "'token' is missing.")
        key = assertion.client.key
        with self._bridge.database.transaction() as session:
            fresh = stored.use_assertion(
                session,
                self._bridge.custodian.id,
                client_key=key,
                jti_hash=_digest(assertion.jti),
                expires_at=assertion.expires_at,
            )
            if not fresh:
                raise _used()
            stored.delete_token(session, client_key=key, token_hash=_digest(token))

    def _authenticate(self, form: Mapping[str, str], audiences: Collection[str]) -> Assertion:
        text = form.get("client_assertion", "")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not text:
            raise TokenRefused(
                "invalid_request",
                "'client_assertion' must be a signed JWT, and 'client_assertion_type'"
                f" {ASSERTION_TYPE}.",
            )
        assertion = assertions.verify(text, self._bridge, self._keys, audiences=audiences)
        if form.get("client_id", assertion.client.client_id) != assertion.client.client_id:
            raise TokenRefused("invalid_client", "'client_id' is not that of the assertion.")
        return assertion

    def _scope(self, assertion: Assertion, asked: str) -> str:
        """What is asked for, as far as the client may have it."""
        if not asked.strip():
            raise TokenRefused("invalid_scope", "'scope' must name scopes, e.g. system/Patient.rs.")
        granted = scopes.read_known(asked.split()).within(assertion.client.allowed).words()
        if not granted:
            raise TokenRefused("invalid_scope", "The client may have none of these scopes.")
        return " ".join(granted)

    def _load(self, session: Session, digest: bytes) -> "_Holder | None":
        custodian_id = self._bridge.custodian.id
        row = stored.token(session, custodian_id, digest)
        found = stored.get_by_key(session, custodian_id, row.client_key) if row else None
        if row is None or found is None:
            return None
        client = client_of(found)
        caller = Caller(
            client_id=client.client_id,
            recipient=client.recipient,
            purpose=row.purpose,
            scopes=frozenset(row.scopes.split()),
            reason=row.reason,
            actor=row.actor,
        )
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        holder = self._known[digest] = _Holder(caller, row.expires_at)
        return holder


@dataclass(frozen=True, slots=True)
class _Holder:
    """Who holds a token, and until when."""

    caller: Caller
    expires_at: datetime


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _used() -> TokenRefused:
    return TokenRefused("invalid_client", "The assertion was used before; each needs a new 'jti'.")


def _not_accepted() -> NotAuthenticated:
    return NotAuthenticated(
        Issue("login", "The access token is not known here, has expired or was revoked.")
    )
