"""Grants: what may be seen of patients, in the form that becomes part of a search.

Patients who permit the same are one grant. Where a consent speaks about single resources, those
that may be seen are listed, so that totals and pages stay exact.
Source: design.md section 9
"""

from collections.abc import Mapping
from dataclasses import dataclass

from fhirbridge.consent.classes import CONSENT, both, parts, permitted_rows
from fhirbridge.disclosure.allowance import Allowance
from fhirbridge.disclosure.gate import Gate
from fhirbridge.search.scope import Grant
from fhirbridge.storage import patients
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session


@dataclass(frozen=True, slots=True)
class Share:
    """What may be seen of one patient, and the rows of the Consents among it."""

    allowance: Allowance
    consent_rows: tuple[int, ...] = ()


def share_of(session: Session, custodian_id: int, allowance: Allowance) -> Share:
    """The share of a search that an allowance gives."""
    if allowance.by_resource or not allowance.classes:
        return Share(allowance)
    named = sorted(map(key_of, allowance.consents))
    return Share(allowance, patients.resource_keys(session, custodian_id, named))


def of_classes(shares: Mapping[int, Share]) -> tuple[Grant, ...]:
    """The grants over patients, by key, as far as their consents speak about classes of content."""
    by_classes: dict[frozenset[str], list[int]] = {}
    with_consents: list[int] = []
    rows: list[int] = []
    for key, share in sorted(shares.items()):
        allowance = share.allowance
        if allowance.classes and not allowance.by_resource:
            by_classes.setdefault(allowance.classes, []).append(key)
            with_consents.append(key)
            rows += share.consent_rows
    grants = [Grant(tuple(keys), permitted_rows(classes)) for classes, keys in by_classes.items()]
    if rows:
        classes = (CONSENT, both(CONSENT, "identity"))
        grants.append(Grant(tuple(with_consents), classes, tuple(rows)))
    return tuple(grants)


def of_resources(session: Session, gate: Gate, patient_key: int) -> tuple[Grant, ...]:
    """One by one, where a consent speaks about single resources: by what may be seen in them."""
    by_classes: dict[frozenset[str], list[int]] = {}
    for version in patients.versions(session, gate.place.custodian_id, patient_key):
        if gate.sees(session, version):
            allowance = gate.allowance_of(session, patient_key, version)
            classes = allowance.classes.union(parts(version.content_class))
            by_classes.setdefault(classes, []).append(version.key)
    return tuple(
        Grant((patient_key,), permitted_rows(classes), tuple(keys))
        for classes, keys in by_classes.items()
    )
