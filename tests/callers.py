"""Systems that call us with tokens, as their developers would write them; and a clock to turn."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry
from werkzeug.test import TestResponse

from fhirbridge import clock
from fhirbridge.access import clients, keys
from fhirbridge.access.clients import Client
from fhirbridge.bridge import Bridge
from fhirbridge.consent.recipient import Recipient

TOKEN_URL = "http://localhost/auth/token"  # noqa: S105
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MERCY = Recipient("Mercy Health", (("http://hl7.org/fhir/sid/us-npi", "1234567893"),))


class Clock:
    """Shows the present until it is turned."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return clock.now() + self._ahead

    def turn(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)


class System:
    """A registered client with its private key; `web` asks the server under test."""

    def __init__(self, web: FlaskClient, client: Client, key: Key, now: Clock) -> None:
        self.web = web
        self.client = client
        self.key = key
        self.now = now

    @property
    def client_id(self) -> str:
        return self.client.client_id

    def assertion(self, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A signed assertion; a claim that is None is left out."""
        algorithm = "RS384" if isinstance(self.key, RSAKey) else "ES384"
        head = {"typ": "JWT", "alg": algorithm, "kid": self.key.kid, **(header or {})}
        body = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": TOKEN_URL,
            "exp": int(self.now().timestamp()) + 240,
            "jti": str(uuid4()),
            **claims,
        }
        kept = {name: value for name, value in body.items() if value is not None}
        registry = JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        return jwt.encode(head, kept, self.key, registry=registry)

    def form(self, scope: str, assertion: str = "", **claims: Any) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(**claims),
        }

    def ask(self, scope: str = "system/*.cruds", **claims: Any) -> TestResponse:
        """Ask for a token."""
        return self.web.post("/auth/token", data=self.form(scope, **claims))

    def token(self, scope: str = "system/*.cruds", **claims: Any) -> str:
        answer = self.ask(scope, **claims)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return str(answer.json["access_token"])

    def headers(self, scope: str = "system/*.cruds", **claims: Any) -> dict[str, str]:
        """The header with a fresh token."""
        return {"Authorization": f"Bearer {self.token(scope, **claims)}"}


def register(
    bridge: Bridge,
    web: FlaskClient,
    *,
    scopes: str = "system/*.cruds",
    recipient: Recipient | None = None,
    purposes: tuple[str, ...] = ("TREAT",),
    key: Key | None = None,
) -> System:
    """A client of the server, the custodian's own unless it has a recipient, with an EC key."""
    key = key or ECKey.import_key(keys.new_key().private)
    wanted = Client(
        name="Test system",
        recipient=recipient,
        purposes=purposes,
        scopes=tuple(scopes.split()),
        jwks={"keys": [key.as_dict(private=False)]},
    )
    now = bridge.now
    assert isinstance(now, Clock)
    return System(web, clients.add(bridge, wanted), key, now)
