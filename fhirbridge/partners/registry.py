"""A registered partner: where it is, how it is treated, what it said it can do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import Abilities, abilities_of
from fhirbridge.partners.client import PartnerClient, unreachable
from fhirbridge.partners.http import Answer, Limits, PartnerSession, check_base_url
from fhirbridge.partners.verdict import read_body
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import Profile


@dataclass(frozen=True, slots=True)
class Partner:
    """One partner. `policy` is stamped on each delivery when it is enqueued; `follow_seconds` is
    the time between two looks at a Task (Gravity asks for 15 minutes at least)."""

    name: str
    base_url: str
    allow_http: bool = False
    profile: Profile = "base"
    policy: Policy = field(default_factory=Policy)
    follow_seconds: float = 900.0
    capability: Resource | None = None
    capability_at: datetime | None = None

    @property
    def abilities(self) -> Abilities:
        """What its CapabilityStatement offers."""
        return abilities_of(self.capability)

    def settings(self) -> JsonObject:
        """What is stored beside name, address and CapabilityStatement."""
        return {
            "allowHttp": self.allow_http,
            "profile": self.profile,
            "policy": self.policy.to_json(),
            "followSeconds": self.follow_seconds,
        }

    @classmethod
    def from_settings(
        cls,
        name: str,
        base_url: str,
        *,
        settings: JsonObject,
        capability: Resource | None = None,
        capability_at: datetime | None = None,
    ) -> "Partner":
        """A partner as it was stored."""
        return cls(
            name,
            check_base_url(base_url, allow_http=bool(settings.get("allowHttp"))),
            allow_http=bool(settings.get("allowHttp")),
            profile=settings.get("profile") or "base",
            policy=Policy.from_json(settings.get("policy") or {}),
            follow_seconds=float(settings.get("followSeconds") or 900.0),
            capability=capability,
            capability_at=capability_at,
        )

    def connect(
        self,
        *,
        request_id: str = "",
        policy: Policy | None = None,
        before_request: Callable[[], None] | None = None,
    ) -> PartnerClient:
        """A client for this partner; the caller closes it. See PartnerSession."""
        waits = policy or self.policy
        limits = Limits(
            connect_timeout_seconds=waits.connect_timeout_seconds,
            read_timeout_seconds=waits.read_timeout_seconds,
            answer_seconds=2 * waits.read_timeout_seconds,
        )
        session = PartnerSession(
            self.base_url,
            limits=limits,
            allow_http=self.allow_http,
            before_request=before_request,
        )
        return PartnerClient(session, request_id=request_id)


def fetch_capability(client: PartnerClient, name: str) -> Resource:
    """The partner's CapabilityStatement. Raises PartnerUnreachable if there is none to be had."""
    exchange = client.capabilities()
    body = read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    if body is None or body.get("resourceType") != "CapabilityStatement":
        raise unreachable(exchange, name)
    return body
