"""What one caller may see of one patient at one moment: classes of content, or single resources."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType

from fhirbridge.consent.classes import CLASSES, CONSENT, COUNSELING_NOTES, parts
from fhirbridge.consent.decision import Decision, Permit, Redisclosure, decide
from fhirbridge.consent.disclosure import Disclosure
from fhirbridge.consent.labels import codings_of, labels_of
from fhirbridge.consent.policy import Policy
from fhirbridge.consent.purposes import EMERGENCIES
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.knowledge import Knowledge
from fhirbridge.fhir import references
from fhirbridge.fhir.primitives import Bounds, bounds
from fhirbridge.fhir.references import Reference
from fhirbridge.jsontypes import Resource
from fhirbridge.search.parameter_types.date import BEGINNING, DateValue
from fhirbridge.search.values import extract
from fhirbridge.storage.instants import from_millis, to_millis

_MANY = 20_000
# Search parameters of dates that no treatment has.
_LIFE = (".birthdate", ".death-date")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_LESS_TO_MORE: tuple[Redisclosure, ...] = ("none", "contractors", "consent", "hipaa")


@dataclass(frozen=True, slots=True)
class Allowance:
    """`classes` may be seen, and the Consents `consents`. `by_resource`: ask about each one.

    `decisions` are by class, for those who explain and record.
    """

    classes: frozenset[str]
    consents: frozenset[str]
    by_resource: bool
    decisions: dict[str, Decision]
    permitting: frozenset[str] = field(init=False)  # the consents by which something may be seen
    is_emergency: bool = field(init=False)  # only an emergency opens it
    _ordinary: Redisclosure = field(init=False)
    _of_notes: Redisclosure = field(init=False)

    def __post_init__(self) -> None:
        """Sum up what every request asks."""
        permits = [each for each in self.decisions.values() if isinstance(each, Permit)]
        named = frozenset(name for each in permits for name in each.consents)
        object.__setattr__(self, "permitting", named)
        object.__setattr__(self, "is_emergency", any(each.is_emergency for each in permits))
        object.__setattr__(self, "_ordinary", self._least(CLASSES))
        object.__setattr__(self, "_of_notes", self._least((COUNSELING_NOTES,)))

    def _least(self, classes: Iterable[str]) -> Redisclosure:
        found = (self.decisions.get(each) for each in classes)
        return least(each.redisclosure for each in found if isinstance(each, Permit))

    def permits(self, content_class: str, reference: str) -> bool:
        """Whether rows of a class may be seen; a Consent only if it permits something itself."""
        if content_class == CONSENT:
            return reference in self.consents
        return self.classes.issuperset(parts(content_class))

    def redisclosure(self, content_class: str) -> Redisclosure:
        """What the receiver may do with a resource: the least that holds for a part of it."""
        return self._of_notes if content_class == COUNSELING_NOTES else self._ordinary


def least(found: Iterable[Redisclosure]) -> Redisclosure:
    """What may be done with all of several; "none" for none."""
    return min(found, key=_LESS_TO_MORE.index, default="none")


def question(caller: Caller, recipient: Recipient, known: Knowledge, at: datetime) -> Disclosure:
    """The question about one patient, without a class."""
    return Disclosure(
        recipient=recipient,
        purpose=caller.purpose,
        content_class="",
        at=at,
        birth_date=known.birth_date,
        recipients=known.recipients,
        reason=caller.reason,
        actor=caller.actor,
    )


def allowance_of(known: Knowledge, asked: Disclosure, policy: Policy) -> Allowance:
    """Decide about every class of content."""
    decisions: dict[str, Decision] = {
        each: decide(known.consents, replace(asked, content_class=each), policy)
        for each in (*CLASSES, COUNSELING_NOTES)
    }
    seen = {
        consent.reference
        for consent in known.consents
        if isinstance(
            decide(
                known.consents,
                replace(asked, content_class=CONSENT, reference=consent.reference),
                policy,
            ),
            Permit,
        )
    }
    return Allowance(
        classes=frozenset(name for name, each in decisions.items() if isinstance(each, Permit)),
        consents=frozenset(seen),
        by_resource=any(
            provision.is_about_resources
            for consent in known.consents
            if consent.has_force(asked.at)
            for provision in consent.provisions
        ),
        decisions=decisions,
    )


def midnight_after(at: datetime) -> datetime:
    """When somebody may come of age next."""
    return datetime.combine(at.date() + timedelta(days=1), time(), at.tzinfo)


@dataclass(frozen=True, slots=True)
class _Decided:
    known: Knowledge
    asked: Disclosure
    policy: Policy
    until: datetime
    allowance: Allowance


class Decisions:
    """What was decided lately, until a consent begins, ends or changes, or a day is over.

    Consents are compared as objects: the same content is read into the same one.
    """

    def __init__(self) -> None:
        self._decided: dict[tuple[int, Recipient, str], _Decided] = {}

    def get(
        self, patient_key: int, known: Knowledge, asked: Disclosure, policy: Policy
    ) -> Allowance:
        """As `allowance_of` decides. Emergencies are decided anew every time."""
        if asked.purpose in EMERGENCIES:
            return allowance_of(known, asked, policy)
        key = (patient_key, asked.recipient, asked.purpose)
        before = self._decided.get(key)
        if before is not None and before.policy is policy and _is_same(before, known, asked):
            return before.allowance
        allowance = allowance_of(known, asked, policy)
        midnight = midnight_after(asked.at)
        until = min(known.next_change(asked.at) or midnight, midnight)
        if len(self._decided) >= _MANY:
            self._decided.clear()
        self._decided[key] = _Decided(known, asked, policy, until, allowance)
        return allowance


def _is_same(before: _Decided, known: Knowledge, asked: Disclosure) -> bool:
    one, other = before.known, known
    return (
        before.asked.at <= asked.at < before.until
        and len(one.consents) == len(other.consents)
        and all(a is b for a, b in zip(one.consents, other.consents, strict=True))
        and one.birth_date == other.birth_date
        and one.recipients == other.recipients
    )


def of_resource(
    known: Knowledge,
    asked: Disclosure,
    policy: Policy,
    resource: Resource,
    *,
    bases: tuple[str, ...],
    named: Mapping[str, str] = _NOTHING,
) -> Allowance:
    """Decide about every class of content in one resource: by its labels, codes and references.

    `bases` are the addresses of this server; `named` are `Type/id` of what a resource refers to by
    the addresses of a Bundle.
    """
    asks_for_time = any(each.data_period for one in known.consents for each in one.provisions)
    found = (references.parse_element(each.reference) for each in references.walk(resource))
    about = replace(
        asked,
        resource_type=str(resource["resourceType"]),
        reference=f"{resource['resourceType']}/{resource.get('id', '')}",
        labels=labels_of(resource, is_part2=policy.is_part2),
        codes=frozenset(codings_of(resource)),
        references=frozenset(
            named.get(each.text) or references.write(each.resource_type, each.resource_id)
            for each in found
            if each.text in named or _is_here(each, bases)
        ),
        recorded=_time_of(resource, asked.at) if asks_for_time else None,
    )
    return allowance_of(known, about, policy)


def _is_here(reference: Reference, bases: tuple[str, ...]) -> bool:
    return bool(reference.resource_id) and any(
        references.is_local(reference, base) for base in ("", *bases)
    )


def _time_of(resource: Resource, at: datetime) -> Bounds | None:
    """From the first to the last of the times that it tells of, or when it was stored."""
    zone = at.tzinfo or UTC
    dates = [
        each.value
        for each in extract(resource, timezone=zone)
        if isinstance(each.value, DateValue) and not each.parameter.endswith(_LIFE)
    ]
    if not dates:
        updated = resource.get("meta", {}).get("lastUpdated")
        return bounds(updated, zone) if updated else None
    first, last = min(each.low for each in dates), max(each.high for each in dates)
    now = max(first + 1, to_millis(at))  # what goes on lasts until now
    start = datetime.min.replace(tzinfo=UTC) if first == BEGINNING else from_millis(first)
    return Bounds(start, from_millis(min(last + 1, now)))
