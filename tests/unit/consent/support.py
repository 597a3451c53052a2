"""Consents and questions for the tests of decisions."""

from datetime import UTC, date, datetime

from fhirbridge.consent.disclosure import Disclosure
from fhirbridge.consent.policy import Policy, load_policy
from fhirbridge.consent.recipient import Recipient
from fhirbridge.consent.written import Origin, WrittenConsent, read_consent
from fhirbridge.jsontypes import JsonObject

BASE = "https://fhirbridge.example/fhir"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
POLICY = load_policy()
CLINIC = Recipient(name="Springfield Example Clinic", classes=("TREATER",), covered_entity=True)
PAYER = Recipient(name="Sample Health Plan", classes=("PAYOR",), covered_entity=True)
SISTER = Recipient(name="Ann Example (sister)", classes=("FAMILY",))
ALL_CLASSES = ("identity", "diagnosis", "medications", "treatment-plan", "appointments")
TPO_CLASSES = ("treating-providers", "health-plans", "third-party-payers")


def consent(
    *,
    kind: str = "tpo",
    recipients: tuple[str, ...] = TPO_CLASSES,
    purposes: tuple[str, ...] = ("TREAT", "HPAYMT", "HOPERAT"),
    classes: tuple[str, ...] = ALL_CLASSES,
    roles: tuple[str, ...] = ("patient",),
    **changes: object,
) -> JsonObject:
    """A Consent as the mappings emit it, complete unless `changes` says otherwise."""
    made: JsonObject = {
        "resourceType": "Consent",
        "id": "c1",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": f"{BASE}/CodeSystem/consent-type", "code": kind}]}],
        "patient": {"reference": "Patient/p1"},
        "dateTime": "2026-01-10T10:00:00Z",
        "performer": [
            {
                "display": "Signer",
                "extension": [
                    {
                        "url": f"{BASE}/StructureDefinition/signer-role",
                        "valueCodeableConcept": {"coding": [{"code": role}]},
                    }
                ],
            }
            for role in roles
        ],
        "organization": [{"reference": "Organization/o1"}],
        "extension": [
            {
                "url": f"{BASE}/StructureDefinition/consent-statements",
                "extension": [
                    {"url": name, "valueBoolean": True}
                    for name in (
                        "rightToRevoke",
                        "hipaaRedisclosure",
                        "lossOfProtection",
                        "refusalConsequences",
                    )
                ],
            }
        ],
        "provision": {
            "type": "permit",
            "period": {"end": "2027-01-10"},
            "actor": [
                {"role": {"coding": [{"code": "IRCP"}]}, "reference": {"display": name}}
                for name in recipients
            ],
            "purpose": [{"code": code} for code in purposes],
            "class": [{"code": code} for code in classes],
        },
    }
    made.update(changes)
    return {name: value for name, value in made.items() if value is not None}


def deny(**conditions: object) -> JsonObject:
    """A restriction: a Consent that forbids what its conditions cover."""
    return consent(id="d1", provision={"type": "deny", **conditions})


def written(
    resource: JsonObject, *, origin: Origin = "document", **given: object
) -> WrittenConsent:
    """A consent as decisions read it, from the custodian's own document."""
    return read_consent(resource, origin=origin, zone=UTC, **given)  # type: ignore[arg-type]


def asked(content_class: str = "medications", **changes: object) -> Disclosure:
    """The question of a clinic for treatment, changed where it matters."""
    given: dict[str, object] = {
        "recipient": CLINIC,
        "purpose": "TREAT",
        "content_class": content_class,
        "at": NOW,
        **changes,
    }
    return Disclosure(**given)  # type: ignore[arg-type]


def policy(**changes: object) -> Policy:
    """Our policy, for another program."""
    return load_policy(**changes)  # type: ignore[arg-type]


ADULT = date(1990, 1, 1)
MINOR = date(2011, 1, 1)
