"""What of a handoff stays here, and why: for people who look before they send."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fhirbridge.consent.classes import CONSENT, content_class, parts
from fhirbridge.consent.decision import Withhold
from fhirbridge.consent.reasons import REASONS, Reason
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.packages import Authorised
from fhirbridge.fhir import bundles
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session


@dataclass(frozen=True, slots=True)
class Stay:
    """Resources of one type and kind of information that are not sent, and the reason."""

    resource_type: str
    count: int
    information: str
    reason: str

    def to_json(self) -> JsonObject:
        """For programs."""
        return {
            "resourceType": self.resource_type,
            "count": self.count,
            "information": self.information,
            "reason": self.reason,
        }


def what_stays(
    session: Session, gate: Gate, whole: Resource, *, found: Authorised
) -> tuple[Stay, ...]:
    """The entries of a package that were not authorised, each with why."""
    leaving = {entry.full_url for entry in bundles.entries_of(found.bundle)}
    kinds = Counter(
        (str(entry.resource["resourceType"]), content_class(entry.resource))
        for entry in bundles.entries_of(whole)
        if entry.resource is not None and entry.full_url not in leaving
    )
    decisions = gate.allowance(session, key_of(found.patient)).decisions
    stays = []
    for (resource_type, information), count in sorted(kinds.items()):
        if information == CONSENT:
            reason = REASONS["other-consent"][0]
        else:
            refused = [decisions.get(one) for one in parts(information)]
            reasons = [each for one in refused if isinstance(one, Withhold) for each in one.reasons]
            reason = _said(reasons, found.consents)
        stays.append(Stay(resource_type, count, information, reason))
    return tuple(stays)


def _said(reasons: Iterable[Reason], consents: Iterable[str]) -> str:
    """The reasons in words; those of the consents that permit the rest, where they have one."""
    listed = list(reasons)
    near = [each for each in listed if each.consent in consents] or listed
    named: dict[str, list[str]] = {}
    for one in near:
        named.setdefault(one.sentence, []).extend(filter(None, (one.consent,)))
    sentences = (f"{text} ({', '.join(by)})" if by else text for text, by in named.items())
    return " ".join(sentences) or "It refers to what is withheld."
