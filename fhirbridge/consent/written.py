"""`WrittenConsent`: a Consent resource, read once for all decisions; and where it came from.

Source: R4 consent.html; 42 CFR 2.31; design.md section 9
"""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Literal, TypeAlias

from fhirbridge.consent.elements import missing_elements, signer_roles
from fhirbridge.consent.provisions import Provision, flatten
from fhirbridge.fhir.primitives import bounds
from fhirbridge.jsontypes import Json, JsonObject

# The custodian's own document; one that a privacy officer attested; any other.
Origin: TypeAlias = Literal["document", "attested", "other"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenConsent:
    """What decisions ask about a consent.

    `starts_at` and `ends_at` bound its force: signature, revocation, the event of its expiry.
    `status` is R4's; only `active` has force. `signer_roles` are native words.
    """

    reference: str
    version_id: int
    origin: Origin
    kind: str
    status: str
    starts_at: datetime | None
    ends_at: datetime | None
    provisions: tuple[Provision, ...]
    missing: tuple[str, ...]
    signer_roles: frozenset[str]
    is_readable: bool = True

    def has_force(self, at: datetime) -> bool:
        """True if it is active, signed by then, and not revoked or ended."""
        started = self.starts_at is None or self.starts_at <= at
        return self.status == "active" and started and (self.ends_at is None or at < self.ends_at)

    @property
    def denies(self) -> bool:
        """True if it withholds something by name; what it does not permit is another matter."""
        return any(each.type == "deny" for each in self.provisions)

    @property
    def is_attested(self) -> bool:
        """True if it may permit; every other consent may only restrict."""
        return self.origin != "other"


def read_consent(
    consent: JsonObject,
    *,
    origin: Origin,
    zone: tzinfo,
    confirmed: frozenset[str] = frozenset(),
    ended_at: datetime | None = None,
) -> WrittenConsent:
    """Read a Consent. Never raises: what cannot be read permits nothing.

    `confirmed` are elements that a privacy officer saw on the form; `ended_at` is when the
    program noted that it is revoked, or that the event of its expiry has come.
    """
    kind = _kind(consent)
    provisions = flatten(consent, zone)
    starts_at, is_readable = _instant(consent.get("dateTime"), zone)
    revoked_at, is_known = _instant(_revoked(consent), zone)
    if not is_known:  # revoked, and nobody knows when
        revoked_at = datetime.min.replace(tzinfo=UTC)
    ends = [each for each in (revoked_at, ended_at) if each is not None]
    return WrittenConsent(
        reference=f"Consent/{consent.get('id', '')}",
        version_id=_version(consent),
        origin=origin,
        kind=kind,
        status=str(consent.get("status")),
        starts_at=starts_at,
        ends_at=min(ends, default=None),
        provisions=provisions,
        missing=missing_elements(consent, provisions, kind=kind, confirmed=confirmed),
        signer_roles=signer_roles(consent),
        is_readable=is_readable and _is_privacy(consent) and _is_verified(consent),
    )


def _kind(consent: JsonObject) -> str:
    """The native type, `release` for a foreign one, `notice-acknowledgment` for a notice."""
    codings = [
        coding
        for category in _objects(consent.get("category"))
        for coding in _objects(category.get("coding"))
    ]
    for coding in codings:
        if str(coding.get("system", "")).endswith("/CodeSystem/consent-type"):
            return str(coding.get("code"))
    codes = {str(coding.get("code")) for coding in codings}
    return "notice-acknowledgment" if codes & {"57016-8", "npp"} else "release"


def _is_privacy(consent: JsonObject) -> bool:
    scope = consent.get("scope")
    codings = _objects(scope.get("coding")) if isinstance(scope, dict) else []
    return any(coding.get("code") == "patient-privacy" for coding in codings)


def _is_verified(consent: JsonObject) -> bool:
    """False if somebody looked and could not verify it."""
    return all(each.get("verified") is True for each in _objects(consent.get("verification")))


def _revoked(consent: JsonObject) -> Json:
    for extension in _objects(consent.get("extension")):
        if str(extension.get("url", "")).endswith("/revoked-at"):
            return extension.get("valueDateTime") or "unknown"
    return None


def _instant(text: Json, zone: tzinfo) -> tuple[datetime | None, bool]:
    """The start of a date or instant, and whether it could be read."""
    if text is None:
        return None, True
    try:
        return bounds(str(text), zone).start, True
    except ValueError:
        return None, False


def _version(consent: JsonObject) -> int:
    meta = consent.get("meta")
    text = str(meta.get("versionId", "")) if isinstance(meta, dict) else ""
    return int(text) if text.isascii() and text.isdigit() else 0


def _objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
