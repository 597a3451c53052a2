"""`decide`: may this leave? Permit or Withhold, with the reasons and what would change them.

Pure and deterministic: the same consents and question give the same answer, in whatever order the
consents come. Denied by default; a deny always wins; whatever cannot be understood withholds.
Source: 42 CFR 2.12, 2.13, 2.31, 2.33, 2.51; domain.md section 3
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from fhirbridge.consent.classes import CONSENT, COUNSELING_NOTES, DIRECTORY, parts
from fhirbridge.consent.disclosure import Disclosure
from fhirbridge.consent.policy import Policy
from fhirbridge.consent.provisions import Match, Provision, covering
from fhirbridge.consent.purposes import EMERGENCIES, NEVER, ON_PREMISES, TPO, is_of_class
from fhirbridge.consent.reasons import Reason, reason
from fhirbridge.consent.written import WrittenConsent

# What the receiver may do with it (42 CFR 2.33(b)): as HIPAA lets a covered entity; as the consent
# says; share with its contractors as needed; nothing.
Redisclosure: TypeAlias = Literal["hipaa", "consent", "contractors", "none"]

# Say nothing about what the program discloses.
_SILENT_KINDS = frozenset({"notice-acknowledgment", "legal-proceedings"})


@dataclass(frozen=True, slots=True)
class Permit:
    """It may leave. `consents` permit it; without one it is a directory or an exception."""

    consents: tuple[str, ...] = ()
    reasons: tuple[Reason, ...] = ()
    redisclosure: Redisclosure = "none"
    is_emergency: bool = False


@dataclass(frozen=True, slots=True)
class Withhold:
    """It stays. Every reason says which consent and provision, and what would change it."""

    reasons: tuple[Reason, ...]


Decision: TypeAlias = Permit | Withhold


def decide(consents: Iterable[WrittenConsent], disclosure: Disclosure, policy: Policy) -> Decision:
    """Decide about one class of content, or one resource, of one patient."""
    if disclosure.content_class == DIRECTORY:
        return Permit(reasons=(reason("directory"),))
    ordered = sorted(consents, key=lambda each: (each.reference, each.version_id))
    permits = []
    for content_class in parts(disclosure.content_class):
        one = disclosure
        if content_class != disclosure.content_class:
            one = replace(disclosure, content_class=content_class)
        found = _decide(ordered, one, policy)
        if isinstance(found, Withhold):
            return found
        permits.append(found)
    return Permit(
        tuple(sorted({name for permit in permits for name in permit.consents})),
        tuple(dict.fromkeys(each for permit in permits for each in permit.reasons)),
        permits[0].redisclosure,
        any(permit.is_emergency for permit in permits),
    )


def _decide(consents: list[WrittenConsent], disclosure: Disclosure, policy: Policy) -> Decision:
    if disclosure.purpose in NEVER:
        return Withhold((reason("purpose-never", detail=disclosure.purpose),))
    if disclosure.purpose in ON_PREMISES:
        return Withhold((reason("purpose-on-premises", detail=disclosure.purpose),))
    denials = tuple(_denials(consents, disclosure))
    refusals: list[Reason] = []
    permitting: list[WrittenConsent] = []
    for consent in consents:
        against = _against(consent, disclosure)
        if against is None:
            permitting.append(consent)
        else:
            refusals.append(against)
    unsigned = _unsigned(permitting, disclosure, policy)
    if permitting and not denials and not unsigned:
        return Permit(
            tuple(each.reference for each in permitting),
            tuple(reason("consent", consent=each.reference) for each in permitting),
            _redisclosure(permitting, disclosure),
        )
    is_ordinary = disclosure.content_class not in (COUNSELING_NOTES, CONSENT)
    if not policy.is_part2 and disclosure.purpose in TPO and is_ordinary and not denials:
        return Permit(reasons=(reason("not-part2"),), redisclosure="hipaa")
    emergency = _emergency(disclosure)
    if emergency is None:
        return Permit(reasons=(reason("emergency", detail=disclosure.purpose),), is_emergency=True)
    why = (*denials, *unsigned, *refusals, *emergency)
    return Withhold(why or (reason("no-consent"),))


def _denials(consents: Sequence[WrittenConsent], disclosure: Disclosure) -> Iterator[Reason]:
    for consent in consents:
        if not consent.denies or not consent.has_force(disclosure.at):
            continue
        for covered in covering(consent.provisions, disclosure):
            if covered.provision.type == "deny":
                yield reason(
                    "denied" if covered.match == Match.YES else "denied-unclear",
                    consent=consent.reference,
                    provision=covered.provision.place,
                    detail=disclosure.content_class,
                )


def _against(consent: WrittenConsent, disclosure: Disclosure) -> Reason | None:
    """Why this consent does not permit it; None if it does."""
    name = consent.reference
    if consent.kind in _SILENT_KINDS:
        return reason("consent-kind", consent=name, detail=consent.kind)
    is_for_notes = consent.kind == "sud-counseling-notes"
    if is_for_notes != (disclosure.content_class == COUNSELING_NOTES) and (
        is_for_notes or disclosure.content_class == COUNSELING_NOTES
    ):
        return reason("counseling-notes", consent=name)
    if consent.ends_at is not None and consent.ends_at <= disclosure.at:
        return reason("consent-revoked", consent=name)
    if consent.status != "active":
        return reason("consent-status", consent=name, detail=consent.status)
    if not consent.has_force(disclosure.at):
        return reason("consent-not-yet", consent=name)
    if not consent.is_attested:
        return reason("consent-not-attested", consent=name)
    if not consent.is_readable:
        return reason("consent-unreadable", consent=name)
    if consent.missing:
        return reason("consent-incomplete", consent=name, detail=", ".join(consent.missing))
    if disclosure.content_class == CONSENT:
        if consent.reference != disclosure.reference:
            return reason("other-consent", consent=name)
        disclosure = _whole(disclosure, consent)
    if any(each.provision.type == "permit" for each in covering(consent.provisions, disclosure)):
        return None
    return _missed(consent, disclosure)


def _whole(disclosure: Disclosure, consent: WrittenConsent) -> Disclosure:
    """The question whether the consent permits anything: about the first class it names."""
    named = [code for each in consent.provisions for _, code in each.classes]
    return replace(disclosure, content_class=named[0] if named else "", resource_type="Consent")


def _missed(consent: WrittenConsent, disclosure: Disclosure) -> Reason:
    """The condition that keeps the nearest permit from holding."""
    nearest: Provision | None = None
    missed: list[str] = []
    for provision in consent.provisions:
        failing = [name for name, match in provision.matches(disclosure) if match < Match.YES]
        if provision.type == "permit" and failing and (not missed or len(failing) < len(missed)):
            nearest, missed = provision, failing
    if nearest is None:
        return reason("no-permit", consent=consent.reference)
    name = missed[0]
    is_over = name == "period" and nearest.period.end <= disclosure.at
    code = "consent-expired" if is_over else f"not-covered-{name}"
    details = {
        "class": disclosure.content_class,
        "purpose": disclosure.purpose,
        "actor": disclosure.recipient.name,
    }
    return reason(
        code,
        consent=consent.reference,
        provision=nearest.place,
        detail=details.get(name, ""),
    )


def _unsigned(
    permitting: list[WrittenConsent], disclosure: Disclosure, policy: Policy
) -> tuple[Reason, ...]:
    """Signatures that a minor's consent lacks; several consents may bring them together."""
    if not permitting:
        return ()
    needed = policy.minor_rule.needed(disclosure.birth_date, disclosure.at.date())
    roles = frozenset(role for each in permitting for role in each.signer_roles)
    if not needed and roles == {"parent"}:
        needed = frozenset({"patient"})  # grown up since, or of unknown age
    if not needed:
        return ()
    given = {"parent" if role == "guardian" else role for role in roles}
    if is_of_class(disclosure.recipient, "PARENT"):
        needed |= {"patient"}  # parents learn nothing without the minor's own signature
    return tuple(reason("minor-signature", detail=role) for role in sorted(needed - given))


def _redisclosure(permitting: list[WrittenConsent], disclosure: Disclosure) -> Redisclosure:
    if disclosure.recipient.covered_entity and any(
        _is_tpo(each, disclosure) for each in permitting
    ):
        return "hipaa"
    if is_of_class(disclosure.recipient, "PART2"):
        return "consent"
    return "contractors" if disclosure.purpose in ("HPAYMT", "HOPERAT") else "none"


def _is_tpo(consent: WrittenConsent, disclosure: Disclosure) -> bool:
    """True if one consent permits it for treatment, payment and operations alike."""
    asked = (replace(disclosure, purpose=purpose) for purpose in TPO)
    return all(
        any(each.provision.type == "permit" for each in covering(consent.provisions, one))
        for one in asked
    )


def _emergency(disclosure: Disclosure) -> tuple[Reason, ...] | None:
    """None if the exception for medical emergencies holds; else what is missing for it."""
    if disclosure.purpose not in EMERGENCIES:
        return ()
    found = []
    if disclosure.content_class in (COUNSELING_NOTES, CONSENT):
        found.append(reason("counseling-notes"))
    if not is_of_class(disclosure.recipient, "TREATER"):
        found.append(reason("emergency-recipient"))
    if not disclosure.reason.strip():
        found.append(reason("emergency-reason"))
    if not disclosure.actor.strip():
        found.append(reason("emergency-actor"))
    return tuple(found) or None
