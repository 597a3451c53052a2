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
from fhirbridge.storage import patients, resources
from fhirbridge.storage.patients import Shared
from fhirbridge.storage.session import Session

_UNCOUNTED = frozenset({CONSENT, COUNSELING_NOTES})


def withheld(session: Session, gate: Gate, patient_keys: Iterable[int]) -> Mapping[str, int]:
    """How many records of these patients, whom the caller knows, it may not see, by type.

    They are counted by class of content. Read are only those of a withheld class of which a consent
    may yet let single ones be seen.
    """
    custodian_id = gate.place.custodian_id
    found: Counter[str] = Counter()
    of_several: dict[int, Shared] = {}
    for key in patient_keys:
        allowance = gate.allowance(session, key)
        for group in patients.counts(session, custodian_id, key):
            of_class = group.content_class
            if of_class in _UNCOUNTED or allowance.permits(of_class, ""):
                continue
            found[group.resource_type] += group.count
            if allowance.by_resource:
                versions = patients.of_group(session, custodian_id, key, group)
                found[group.resource_type] -= sum(gate.sees(session, each) for each in versions)
        of_several.update({one.key: one for one in patients.shared(session, custodian_id, key)})
    found.update(
        each.resource_type
        for each in of_several.values()
        if each.content_class not in _UNCOUNTED and not _is_seen(session, gate, each)
    )
    return +found


def _is_seen(session: Session, gate: Gate, shared: Shared) -> bool:
    allowances = [gate.allowance(session, key) for key in shared.patient_keys]
    if not any(each.by_resource for each in allowances):
        return all(each.permits(shared.content_class, "") for each in allowances)
    version = resources.read(
        session, gate.place.custodian_id, shared.resource_type, shared.resource_id
    )
    return version is not None and gate.sees(session, version)


def words(manifest: Manifest, counts: Mapping[str, int]) -> str:
    """The counts in words, as far as the policy allows; "" if there is nothing to tell."""
    if manifest == "nothing" or not counts:
        return ""
    if manifest == "count":
        return f"{sum(counts.values())} records."
    listed = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    return f"{listed}."
