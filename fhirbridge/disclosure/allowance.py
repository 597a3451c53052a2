"""What one caller may see of one patient at one moment: classes of content, or single resources."""

from dataclasses import dataclass, replace
from datetime import datetime

from fhirbridge.consent.classes import CLASSES, CONSENT, COUNSELING_NOTES, parts
from fhirbridge.consent.decision import Decision, Permit, decide
from fhirbridge.consent.disclosure import Disclosure
from fhirbridge.consent.labels import codings_of, labels_of
from fhirbridge.consent.policy import Policy
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.knowledge import Knowledge
from fhirbridge.fhir import references
from fhirbridge.fhir.primitives import bounds
from fhirbridge.jsontypes import Resource


@dataclass(frozen=True, slots=True)
class Allowance:
    """`classes` may be seen, and the Consents `consents`. `by_resource`: ask about each one.

    `decisions` are by class, for those who explain and record.
    """

    classes: frozenset[str]
    consents: frozenset[str]
    by_resource: bool
    decisions: dict[str, Decision]

    def permits(self, content_class: str, reference: str) -> bool:
        """Whether rows of a class may be seen; a Consent only if it permits something itself."""
        if content_class == CONSENT:
            return reference in self.consents
        return self.classes.issuperset(parts(content_class))

    @property
    def permitting(self) -> frozenset[str]:
        """The consents by which something may be seen."""
        return frozenset(
            name
            for each in self.decisions.values()
            if isinstance(each, Permit)
            for name in each.consents
        )

    @property
    def is_emergency(self) -> bool:
        """True if only an emergency opens it."""
        permits = [each for each in self.decisions.values() if isinstance(each, Permit)]
        return any(each.is_emergency for each in permits)


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


def about_resource(
    asked: Disclosure, resource: Resource, content_class: str, *, is_part2: bool
) -> Disclosure:
    """The question about one resource."""
    updated = resource.get("meta", {}).get("lastUpdated")
    return replace(
        asked,
        content_class=content_class,
        resource_type=str(resource["resourceType"]),
        reference=f"{resource['resourceType']}/{resource.get('id', '')}",
        labels=labels_of(resource, is_part2=is_part2),
        codes=frozenset(codings_of(resource)),
        references=frozenset(
            found.reference.get("reference", "") for found in references.walk(resource)
        ),
        recorded_at=bounds(updated, asked.at.tzinfo).start if updated and asked.at.tzinfo else None,
    )
