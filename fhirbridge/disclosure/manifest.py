"""What a receiver is told of what stays: nothing, how many records, or how many of which type.

It is about the whole of a patient's record, never about a single question: what is withheld
could else be found out by asking. Counseling notes and other consents are not counted.
Source: design.md section 9
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from fhirbridge.consent.classes import CONSENT, COUNSELING_NOTES
from fhirbridge.consent.policy import Manifest
from fhirbridge.disclosure.gate import Gate
from fhirbridge.storage import patients
from fhirbridge.storage.session import Session

_UNCOUNTED = frozenset({CONSENT, COUNSELING_NOTES})


def withheld(session: Session, gate: Gate, patient_keys: Iterable[int]) -> Mapping[str, int]:
    """How many records of these patients, whom the caller knows, it may not see, by type."""
    found = {
        version.key: version.resource_type
        for key in patient_keys
        for version in patients.versions(session, gate.place.custodian_id, key)
        if version.content_class not in _UNCOUNTED and not gate.sees(session, version)
    }
    return Counter(found.values())


def words(manifest: Manifest, counts: Mapping[str, int]) -> str:
    """The counts in words, as far as the policy allows; "" if there is nothing to tell."""
    if manifest == "nothing" or not counts:
        return ""
    if manifest == "count":
        return f"{sum(counts.values())} records."
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{listed}."
