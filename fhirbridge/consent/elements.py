"""The written elements of a consent under 42 CFR 2.31, and what a Consent resource says of them.

A consent in which one is missing permits nothing; it is checked when something leaves, because
time and corrections change it. The codes are meant for machines, the words for people.
Source: 42 CFR 2.31(a), (b), 2.33; domain.md section 3, rows 2, 3, 9, 11 and 20
"""

from collections.abc import Mapping
from types import MappingProxyType

from fhirbridge.consent.provisions import Provision
from fhirbridge.consent.purposes import LEGAL, TPO
from fhirbridge.jsontypes import Json, JsonObject

ELEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "patient": "the name of the patient",
        "discloser": "who discloses",
        "information": "a specific and meaningful description of the information",
        "recipients": "the recipients, by name or by class",
        "purpose": "the purpose",
        "right-to-revoke": "the right to revoke, and how",
        "expiry": "the date, event or condition on which it expires",
        "signature": "the signature of the patient or an authorised person",
        "date-signed": "the date of the signature",
        "statement-redisclosure": "the statement about redisclosure under HIPAA",
        "statement-protection": "the statement about the loss of protection",
        "statement-refusal": "the statement about refusing to sign",
        "signer-authority": "proof that the signer may sign for the patient",
        "stands-alone": "that it is not combined with another purpose",
    }
)
# Consents that stand alone (42 CFR 2.31(b) and (d)).
_ALONE = frozenset({"sud-counseling-notes", "legal-proceedings"})
_NEEDS_AUTHORITY = frozenset(
    {"executor", "guardian", "healthcare-agent", "personal-representative"}
)
_STATEMENTS: Mapping[str, str] = {
    "statement-redisclosure": "hipaaRedisclosure",
    "statement-protection": "lossOfProtection",
    "statement-refusal": "refusalConsequences",
}


def missing_elements(
    consent: JsonObject,
    provisions: tuple[Provision, ...],
    *,
    kind: str,
    confirmed: frozenset[str] = frozenset(),
) -> tuple[str, ...]:
    """Codes of ELEMENTS that a consent lacks, in that order; none for a complete one.

    `confirmed` are elements that a privacy officer saw on the signed form.
    """
    permits = [each for each in provisions if each.type == "permit"]
    purposes = {purpose for each in permits for purpose in each.purposes}
    stated = statements(consent)
    absent = {
        "patient": not _object(consent.get("patient")),
        "discloser": not consent.get("organization"),
        "information": not all(_describes(each) for each in permits) or not permits,
        "recipients": not all(_names_recipients(each) for each in permits) or not permits,
        "purpose": not all(_has_purpose(each) for each in permits) or not permits,
        "right-to-revoke": "rightToRevoke" not in stated,
        "expiry": not (purposes >= TPO or all(_expires(consent, each) for each in permits)),
        "signature": not signers(consent),
        "date-signed": not consent.get("dateTime"),
        "signer-authority": bool(_NEEDS_AUTHORITY & signer_roles(consent))
        and not _has_authority(consent),
        "stands-alone": (kind in _ALONE or LEGAL in purposes) and len(purposes) > 1,
    }
    for code, name in _STATEMENTS.items():
        absent[code] = bool(purposes & TPO) and name not in stated
    return tuple(code for code in ELEMENTS if absent[code] and code not in confirmed)


def statements(consent: JsonObject) -> frozenset[str]:
    """The statements that the form has, by their names in documents: `rightToRevoke`…"""
    return frozenset(
        str(part.get("url"))
        for extension in _objects(consent.get("extension"))
        if str(extension.get("url", "")).endswith("/consent-statements")
        for part in _objects(extension.get("extension"))
        if part.get("valueBoolean") is True
    )


def signers(consent: JsonObject) -> list[JsonObject]:
    """Who signed: the performers that say who they are."""
    known = ("display", "identifier", "reference")
    return [
        each for each in _objects(consent.get("performer")) if any(each.get(name) for name in known)
    ]


def signer_roles(consent: JsonObject) -> frozenset[str]:
    """In which roles it was signed; `patient` where nothing else is said by the patient's own."""
    own = _object(consent.get("patient")).get("reference")
    roles: set[str] = set()
    for performer in signers(consent):
        said = {
            str(coding.get("code"))
            for extension in _objects(performer.get("extension"))
            if str(extension.get("url", "")).endswith("/signer-role")
            for coding in _objects(_object(extension.get("valueCodeableConcept")).get("coding"))
        }
        if not said and own and performer.get("reference") == own:
            said = {"patient"}
        roles |= said
    return frozenset(roles)


def _describes(provision: Provision) -> bool:
    described = (provision.classes, provision.codes, provision.data, provision.security_labels)
    return any(described)


def _names_recipients(provision: Provision) -> bool:
    return len(provision.path) > 1 or any(actor.is_recipient() for actor in provision.actors)


def _has_purpose(provision: Provision) -> bool:
    return len(provision.path) > 1 or bool(provision.purposes)


def _expires(consent: JsonObject, provision: Provision) -> bool:
    if provision.period.end.year < 9999:
        return True
    root = _object(consent.get("provision"))
    period = _object(root.get("period"))
    return any(
        str(each.get("url", "")).endswith("/expires-event")
        for each in _objects(period.get("extension"))
    )


def _has_authority(consent: JsonObject) -> bool:
    verified = any(
        each.get("verified") is True and each.get("verifiedWith")
        for each in _objects(consent.get("verification"))
    )
    return verified or "sourceAttachment" in consent or "sourceReference" in consent


def _objects(value: Json) -> list[JsonObject]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
