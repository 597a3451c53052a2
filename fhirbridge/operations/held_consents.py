"""The consents of a patient as decisions read them, with what people noted about them."""

from dataclasses import dataclass
from datetime import datetime

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.consent.written import WrittenConsent
from fhirbridge.disclosure import knowledge
from fhirbridge.jsontypes import JsonObject
from fhirbridge.storage import consents, resources
from fhirbridge.storage.consents import Mark, StoredConsent
from fhirbridge.storage.keys import key_of


@dataclass(frozen=True, slots=True)
class Held:
    """A consent, and the marks that were put on it."""

    consent: WrittenConsent
    marks: tuple[Mark, ...]

    def state(self, at: datetime) -> str:
        """Its R4 status, or what has come since: `revoked`, or `ended` with its event."""
        if self.consent.ends_at is None or self.consent.ends_at > at:
            return self.consent.status
        return "revoked" if any(one.kind == "revoked" for one in self.marks) else "ended"

    def to_json(self) -> JsonObject:
        """The consent for programs."""
        read = self.consent
        return {
            "consent": read.reference,
            "kind": read.kind,
            "status": read.status,
            "origin": read.origin,
            "signedAt": to_instant(read.starts_at) if read.starts_at else None,
            "endedAt": to_instant(read.ends_at) if read.ends_at else None,
            "missingElements": list(read.missing),
            "marks": [
                {
                    "kind": one.kind,
                    "version": one.version_id,
                    "by": one.made_by,
                    "at": to_instant(one.effective_at),
                    "confirmed": sorted(one.confirmed),
                }
                for one in self.marks
                if one.kind != "document"
            ],
        }


def of_patient(bridge: Bridge, patient_id: str) -> list[Held]:
    """Every Consent about a patient, whether it has force or not."""
    key = key_of(f"Patient/{patient_id}")
    with bridge.database.read() as session:
        stored = consents.of_patient(session, bridge.custodian.id, key)
    return [Held(knowledge.read(one, bridge.settings.zone), one.marks) for one in stored]


def missing_of(bridge: Bridge, consent_id: str) -> tuple[str, ...]:
    """The written elements that a consent lacks, after what was confirmed; () if it is gone."""
    with bridge.database.read() as session:
        found = resources.read(session, bridge.custodian.id, "Consent", consent_id)
        if found is None or found.deleted:
            return ()
        marks = consents.marks_of(session, bridge.custodian.id, consent_id)
    stored = StoredConsent(found.patient_key, consent_id, found.version_id, found.content, marks)
    return knowledge.read(stored, bridge.settings.zone).missing
