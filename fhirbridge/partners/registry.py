"""A registered partner: where it is, how it is treated, what it said it can do."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from fhirbridge.consent.recipient import Recipient
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import Abilities, abilities_of
from fhirbridge.partners.client import PartnerClient, unreachable
from fhirbridge.partners.credentials import Credentials, TokenStore
from fhirbridge.partners.http import Answer, Limits, PartnerSession, check_base_url
from fhirbridge.partners.pace import Paces
from fhirbridge.partners.verdict import read_body
from fhirbridge.workflow.clocks import calendar_of
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import Profile

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
NPI = "http://hl7.org/fhir/sid/us-npi"


@dataclass(frozen=True, slots=True)
class Partner:
    """One partner. `policy` is stamped on each delivery when it is enqueued; `follow_seconds` is
    the time between two looks at a Task (Gravity asks for 15 minutes at least).

    `headers` go with every request; `requests_per_second` 0 is no limit; `window` are the days and
    hours in which is sent, `calendar` those in which its people work, both in `timezone`;
    `recipient` is the organization behind it, as a consent may name it; `probe` what a trial of
    its look-up showed; `subscription` what it is asked to tell us, and how that stands.
    """

    name: str
    base_url: str
    allow_http: bool = False
    profile: Profile = "base"
    policy: Policy = field(default_factory=Policy)
    follow_seconds: float = 900.0
    headers: Mapping[str, str] = field(default_factory=dict)
    requests_per_second: float = 0.0
    timezone: str = ""
    window: JsonObject = field(default_factory=dict)
    calendar: JsonObject = field(default_factory=dict)
    recipient: Recipient | None = None
    credentials: Credentials | None = None
    probe: JsonObject = field(default_factory=dict)
    subscription: JsonObject = field(default_factory=dict)
    capability: Resource | None = None
    capability_at: datetime | None = None

    @property
    def abilities(self) -> Abilities:
        """What its CapabilityStatement offers, less what a trial disproved."""
        offered = abilities_of(self.capability)
        if not offered.known:
            return offered
        if self.probe.get("lookUp") is False:
            offered = replace(offered, find=frozenset())
        if self.probe.get("conditionalCreate") is False:
            offered = replace(offered, conditional_create=frozenset())
        return offered

    def settings(self) -> JsonObject:
        """What is stored beside name, address and CapabilityStatement."""
        return {
            "allowHttp": self.allow_http,
            "profile": self.profile,
            "policy": self.policy.to_json(),
            "followSeconds": self.follow_seconds,
            "headers": dict(self.headers),
            "requestsPerSecond": self.requests_per_second,
            "timezone": self.timezone,
            "window": dict(self.window),
            "calendar": dict(self.calendar),
            "recipient": recipient_json(self.recipient),
            "credentials": self.credentials.to_json() if self.credentials else None,
            "probe": dict(self.probe),
            "subscription": dict(self.subscription),
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
            headers=settings.get("headers") or {},
            requests_per_second=float(settings.get("requestsPerSecond") or 0.0),
            timezone=settings.get("timezone") or "",
            window=settings.get("window") or {},
            calendar=settings.get("calendar") or {},
            recipient=recipient_of(settings.get("recipient")),
            credentials=Credentials.from_json(settings.get("credentials")),
            probe=settings.get("probe") or {},
            subscription=settings.get("subscription") or {},
            capability=capability,
            capability_at=capability_at,
        )

    def connect(
        self,
        *,
        request_id: str = "",
        policy: Policy | None = None,
        before_request: Callable[[], None] | None = None,
        tokens: TokenStore | None = None,
        paces: Paces | None = None,
    ) -> PartnerClient:
        """A client for this partner; the caller closes it. See PartnerSession.

        `tokens` keeps access tokens, and `paces` the pace, from one connection to the next.
        """
        turns = paces or Paces()

        def begin() -> None:
            turns.wait(self.base_url, self.requests_per_second)
            if before_request is not None:
                before_request()

        authorise = None
        if self.credentials is not None:
            authorise = _Authorised(self, self.credentials, tokens or TokenStore())
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
            headers=self.headers,
            before_request=begin,
            authorise=authorise,
        )
        return PartnerClient(session, request_id=request_id)


@dataclass(frozen=True, slots=True)
class _Authorised:
    """Gives a session of a partner its tokens."""

    partner: Partner
    credentials: Credentials
    tokens: TokenStore

    def __call__(self, refused: str) -> str:
        return self.tokens.token(
            self.credentials,
            self.partner.base_url,
            allow_http=self.partner.allow_http,
            refused=refused,
        )


def fetch_capability(client: PartnerClient, name: str) -> Resource:
    """The partner's CapabilityStatement. Raises PartnerUnreachable if there is none to be had."""
    exchange = client.capabilities()
    body = read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    if body is None or body.get("resourceType") != "CapabilityStatement":
        raise unreachable(exchange, name)
    return body


def is_open(settings: JsonObject, now: datetime) -> bool:
    """True if deliveries may be sent now, by the window in a partner's settings."""
    window = settings.get("window") or {}
    if not window:
        return True
    hours = calendar_of(window)
    local = now.astimezone(ZoneInfo(settings.get("timezone") or "UTC"))
    today, at = hours.is_open_on(local.date()), local.time()
    if hours.opens < hours.closes:
        return today and hours.opens <= at < hours.closes
    # over midnight: the morning belongs to the evening before
    evening_before = hours.is_open_on(local.date() - timedelta(days=1))
    return (today and at >= hours.opens) or (evening_before and at < hours.closes)


def check_headers(headers: Mapping[str, object]) -> None:
    """Raise InvalidContent for a header that cannot be sent. Source: RFC 9110 sections 5.1, 5.5"""
    for name, value in headers.items():
        good = isinstance(value, str) and _HEADER_VALUE.fullmatch(value)
        if not _HEADER_NAME.fullmatch(name) or not good:
            words = "A header is a name of letters, digits and -, and a text on one line."
            raise InvalidContent(Issue("value", words, expression=("$.headers",)))


def recipient_of(data: JsonObject | None) -> Recipient | None:
    """The organization behind a partner, as it is written in its settings."""
    if not data:
        return None
    npi = data.get("npi")
    return Recipient(
        str(data.get("name") or ""),
        ((NPI, str(npi)),) if npi else (),
        tuple(str(code) for code in data.get("classes") or ()),
        bool(data.get("coveredEntity")),
    )


def recipient_json(recipient: Recipient | None) -> JsonObject | None:
    """The same, to be stored and shown."""
    if recipient is None:
        return None
    return {
        "name": recipient.name,
        "npi": dict(recipient.identifiers).get(NPI),
        "classes": list(recipient.classes),
        "coveredEntity": recipient.covered_entity,
    }
