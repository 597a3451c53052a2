"""Consents by which a system of another organization sees what the REST benchmark has stored."""

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.operations import consents

CLINIC = Recipient("Example Clinic", classes=("TREATER",), covered_entity=True)

_BASE = Settings().base
_CLASSES = ("identity", "diagnosis", "medications", "treatment-plan", "appointments")
_STATEMENTS = ("rightToRevoke", "hipaaRedisclosure", "lossOfProtection", "refusalConsequences")


def consent(patient_id: str, organization_id: str) -> dict[str, object]:
    """A consent for treatment, payment and operations, as a program's document has it."""
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"coding": [{"system": f"{_BASE}/CodeSystem/consent-type", "code": "tpo"}]}],
        "patient": {"reference": f"Patient/{patient_id}"},
        "dateTime": "2026-01-05T15:00:00Z",
        "performer": [
            {
                "display": "Signer",
                "extension": [
                    {
                        "url": f"{_BASE}/StructureDefinition/signer-role",
                        "valueCodeableConcept": {"coding": [{"code": "patient"}]},
                    }
                ],
            }
        ],
        "organization": [{"reference": f"Organization/{organization_id}"}],
        "extension": [
            {
                "url": f"{_BASE}/StructureDefinition/consent-statements",
                "extension": [{"url": name, "valueBoolean": True} for name in _STATEMENTS],
            }
        ],
        "policyRule": {"text": "42 CFR Part 2"},
        "provision": {
            "type": "permit",
            "period": {"end": "2099-01-05"},
            "actor": [
                {
                    "role": {"coding": [{"code": "IRCP"}]},
                    "reference": {"display": "treating-providers"},
                }
            ],
            "purpose": [{"code": "TREAT"}],
            "class": [{"code": name} for name in _CLASSES],
        },
    }


def attest(url: str, consent_ids: list[str]) -> None:
    """What a privacy officer does, in a database that a server uses at the same time."""
    bridge = bridges.build(Settings(database_url=url))
    for consent_id in consent_ids:
        consents.attest(bridge, consent_id, by="benchmark", confirmed=frozenset())
    bridge.close()
