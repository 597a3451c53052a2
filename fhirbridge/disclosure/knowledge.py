"""What the decision needs to know of a patient: consents, where they come from, age, recipients."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from types import MappingProxyType

from fhirbridge.consent.purposes import folded
from fhirbridge.consent.recipient import Recipient
from fhirbridge.consent.written import Origin, WrittenConsent, read_consent
from fhirbridge.fhir import wire
from fhirbridge.fhir.primitives import bounds
from fhirbridge.jsontypes import Json, Resource
from fhirbridge.storage import consents
from fhirbridge.storage.consents import Mark, StoredConsent
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session

_KNOWN = 20_000
_MOMENT = timedelta(milliseconds=1)
_LATEST = datetime.max.replace(tzinfo=UTC) - _MOMENT


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Of one patient: consents as decisions read them, birth date, and who their actors are."""

    consents: tuple[WrittenConsent, ...] = ()
    birth_date: date | None = None
    recipients: Mapping[str, Recipient] = field(default_factory=dict)

    @property
    def named(self) -> frozenset[str]:
        """The references by which consents name actors, whoever is stored."""
        return _named(self.consents)

    def next_change(self, after: datetime) -> datetime | None:
        """When the next consent begins or ends; None if nothing will change by itself."""
        moments = [
            moment
            for consent in self.consents
            for moment in (consent.starts_at, consent.ends_at, *_bounds(consent))
            if moment is not None and moment > after
        ]
        return min(moments, default=None)


def about(session: Session, custodian_id: int, patient_key: int, *, zone: tzinfo) -> Knowledge:
    """Everything about one patient, by the key of the reference (`storage.keys`)."""
    stored = consents.of_patient(session, custodian_id, patient_key)
    return assemble(session, custodian_id, patient_key, stored, zone=zone)


def assemble(
    session: Session,
    custodian_id: int,
    patient_key: int,
    stored: Iterable[StoredConsent],
    *,
    zone: tzinfo,
) -> Knowledge:
    """Knowledge from consents that were read already."""
    written = tuple(read(each, zone) for each in stored)
    if not written:
        return Knowledge()
    patients = consents.current(session, custodian_id, [patient_key])
    return Knowledge(
        written,
        next((_birth_date(content) for content in patients.values()), None),
        _recipients(session, custodian_id, written),
    )


def read(stored: StoredConsent, zone: tzinfo) -> WrittenConsent:
    """A stored consent, with what its marks say. The same content is read once."""
    origin: Origin = "other"
    confirmed: frozenset[str] = frozenset()
    for mark in stored.marks:
        is_this = mark.version_id == stored.version_id
        if mark.kind == "document" and is_this and origin == "other":
            origin = "document"
        elif mark.kind == "attested" and is_this:
            origin, confirmed = "attested", mark.confirmed
    return _read(stored.content, origin, zone, confirmed, ended_at(stored.marks))


def ended_at(marks: Iterable[Mark]) -> datetime | None:
    """When a consent was revoked or the event of its expiry came: in every version of it."""
    ends = [one.effective_at for one in marks if one.kind in ("ended", "revoking", "revoked")]
    return min(ends, default=None)


@lru_cache(maxsize=_KNOWN)
def _read(
    content: bytes,
    origin: Origin,
    zone: tzinfo,
    confirmed: frozenset[str],
    ended_at: datetime | None,
) -> WrittenConsent:
    return read_consent(
        wire.parse(content),
        origin=origin,
        zone=zone,
        confirmed=confirmed,
        ended_at=ended_at,
    )


def _bounds(consent: WrittenConsent) -> tuple[datetime, ...]:
    periods = [provision.period for provision in consent.provisions]
    moments = [moment for each in periods for moment in (each.start, each.end)]
    of_data = [each.data_period for each in consent.provisions if each.data_period is not None]
    reached = [moment for each in of_data for moment in (each.start, each.end)]
    # What goes on in a resource lasts until now, and so grows into a time or out of it.
    return (*moments, *(each + _MOMENT for each in reached if each < _LATEST))


@lru_cache(maxsize=_KNOWN)
def _birth_date(content: bytes) -> date | None:
    return birth_date_of(json.loads(content))


def birth_date_of(patient: Resource) -> date | None:
    """The last day that a birth date may mean: a year alone makes nobody an adult too early."""
    try:
        last = bounds(str(patient.get("birthDate", "")), UTC).end
    except ValueError:
        return None
    return (last - timedelta(days=1)).date()


def takes_name(resource: Resource, stored: Resource, recipient: Recipient) -> bool:
    """True if a change gives somebody whom a Consent may name the name of a recipient."""
    if resource.get("resourceType") not in consents.ACTORS:
        return False
    return _is_named(resource, recipient) and not _is_named(stored, recipient)


def _is_named(resource: Resource, recipient: Recipient) -> bool:
    found = recipient_in(resource)
    shared = set(found.identifiers).intersection(recipient.identifiers)
    return bool(shared) or folded(found.name) == folded(recipient.name)


def _recipients(
    session: Session, custodian_id: int, written: tuple[WrittenConsent, ...]
) -> Mapping[str, Recipient]:
    """Organizations that consents refer to, as far as they are stored here."""
    named = _named(written)
    if not named:
        return MappingProxyType({})
    found = consents.current(session, custodian_id, map(key_of, sorted(named)))
    return MappingProxyType({name: recipient_in(json.loads(found[name])) for name in found})


def _named(written: tuple[WrittenConsent, ...]) -> frozenset[str]:
    return frozenset(
        actor.reference
        for consent in written
        for provision in consent.provisions
        for actor in provision.actors
        if actor.reference
    )


def recipient_in(resource: Json) -> Recipient:
    """An organization or a person as one whom a consent may name."""
    name = resource.get("name")
    if isinstance(name, list):  # a person
        first = name[0] if name else {}
        given = " ".join(first.get("given", ()))
        name = first.get("text") or f"{given} {first.get('family', '')}".strip()
    return Recipient(
        name=str(name or ""),
        identifiers=tuple(
            (str(each.get("system", "")), str(each.get("value", "")))
            for each in resource.get("identifier", ())
        ),
    )
