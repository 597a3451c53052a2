"""`scope`: what a caller may see of all patients, or of some, as part of a search.

Patients who permit the same are one grant. Where a consent speaks about single resources, those
that may be seen are listed, so that totals and pages stay exact.
Source: design.md section 9
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain

from fhirbridge.consent.classes import CONSENT, both, parts, permitted_rows
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure import knowledge
from fhirbridge.disclosure.allowance import Allowance, Decisions, question
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.views import Views
from fhirbridge.search.clauses import Clause
from fhirbridge.search.parameter_types.reference import ReferenceCriterion
from fhirbridge.search.query import SearchQuery
from fhirbridge.search.scope import EVERYTHING, Grant, Scope
from fhirbridge.storage import consents, patients, versions
from fhirbridge.storage.database import Database
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session

_LONGEST = timedelta(hours=1)  # somebody comes of age at midnight
_OF_SEVERAL = -1  # the patient key of what is about several


@dataclass(frozen=True, slots=True)
class _Remembered:
    """`listed` has the grants of patients whose resources are decided one by one, as of `seq`."""

    state: tuple[int, int]
    until: datetime
    by_class: tuple[Grant, ...]
    listed: Mapping[int, tuple[Grant, ...]]
    seq: int

    @property
    def scope(self) -> Scope:
        return Scope((*self.by_class, *chain.from_iterable(self.listed.values())))


class Memory:
    """Scopes over all patients, by caller, until a consent is written, begins or ends."""

    def __init__(self) -> None:
        self.decisions = Decisions()
        self.views = Views()
        self._scopes: dict[tuple[int, Recipient, str], _Remembered] = {}

    def get(self, session: Session, gate: Gate) -> Scope:
        """The scope of a caller over all patients."""
        place, caller = gate.place, gate.caller
        key = (place.custodian_id, gate.recipient, caller.purpose)
        state = consents.state_of_knowledge(session, place.custodian_id)
        known = self._scopes.get(key)
        if known is None or known.state != state or known.until <= place.now:
            known = _over_all(session, gate, self.decisions, state)
            self._scopes[key] = known
        elif known.listed:
            known = _listed_anew(session, gate, known)
            self._scopes[key] = known
        return known.scope


@lru_cache(maxsize=16)
def memory_of(database: Database) -> Memory:
    """What is remembered for one database, as long as this process uses it."""
    return Memory()


def asking(gate: Gate, query: SearchQuery) -> Gate:
    """The gate of a search: an emergency opens the record of the one patient whom it names."""
    return gate if len(_patients_of(query)) == 1 else gate.as_everybody


def scope_of(
    session: Session, gate: Gate, query: SearchQuery | None = None, *, memory: Memory | None = None
) -> Scope:
    """The scope of a caller, for a search; only over its patients where the search names some."""
    if gate.is_open:
        return EVERYTHING
    bound = _patients_of(query) if query else frozenset()
    if bound:
        allowed = {key: gate.allowance(session, key) for key in bound}
        by_class, listed = _grants(session, gate, allowed)
        return Scope((*by_class, *chain.from_iterable(listed.values())))
    return (memory or Memory()).get(session, gate)


def _patients_of(query: SearchQuery) -> frozenset[int]:
    """The patients by whom a search is bound, by a condition that every match must meet."""
    place = query.compartment
    if place is not None and place.name == "Patient":
        return frozenset({key_of(f"Patient/{place.resource_id}")})
    for clause in query.clauses:
        if isinstance(clause, Clause) and not clause.negated:
            named = [
                target
                for each in clause.criteria
                if isinstance(each, ReferenceCriterion)
                for target in each.targets
                if target.startswith("Patient/")
            ]
            if named:
                return frozenset(map(key_of, named))
    return frozenset()


def _over_all(
    session: Session, gate: Gate, decisions: Decisions, state: tuple[int, int]
) -> _Remembered:
    place = gate.place
    gate = gate.as_everybody
    until = place.now + _LONGEST
    allowed: dict[int, Allowance] = {}
    by_patient = consents.by_patient(session, place.custodian_id)
    about_several = by_patient.pop(_OF_SEVERAL, [])
    keys: Iterable[int] = by_patient.keys()
    if not place.policy.is_part2 or about_several:
        keys = {*keys, *patients.keys(session, place.custodian_id)}
    for key in keys:
        if about_several:
            known = gate.known(session, key)
        else:
            known = knowledge.assemble(
                session, place.custodian_id, key, by_patient.get(key, ()), zone=place.zone
            )
        asked = question(gate.caller, gate.recipient, known, place.now)
        found = decisions.get(key, known, asked, place.policy)
        changes_at = known.next_change(place.now)
        until = min(until, changes_at or until)
        if found.classes or found.by_resource:
            allowed[key] = found
    seq = versions.last_seq(session)
    by_class, listed = _grants(session, gate, allowed)
    return _Remembered(state, until, by_class, listed, seq)


def _listed_anew(session: Session, gate: Gate, known: _Remembered) -> _Remembered:
    """With the resources that were written meanwhile about patients whose resources are listed."""
    seq = versions.last_seq(session)
    if seq == known.seq:
        return known
    gate = gate.as_everybody
    written = patients.written_after(session, gate.place.custodian_id, known.seq)
    listed = {
        key: _grants_of_resources(session, gate, key)
        if key in written or _OF_SEVERAL in written
        else grant
        for key, grant in known.listed.items()
    }
    return replace(known, listed=listed, seq=seq)


def _grants(
    session: Session, gate: Gate, allowed: dict[int, Allowance]
) -> tuple[tuple[Grant, ...], Mapping[int, tuple[Grant, ...]]]:
    """By class of content, and by patients of whom single resources may be seen."""
    by_classes: dict[frozenset[str], list[int]] = {}
    listed: dict[int, tuple[Grant, ...]] = {}
    own: dict[int, frozenset[str]] = {}
    for key, allowance in sorted(allowed.items()):
        if allowance.by_resource:
            listed[key] = _grants_of_resources(session, gate, key)
        elif allowance.classes:
            by_classes.setdefault(allowance.classes, []).append(key)
            own[key] = allowance.consents
    grants = [Grant(tuple(keys), permitted_rows(classes)) for classes, keys in by_classes.items()]
    if any(own.values()):
        named = sorted(key_of(name) for names in own.values() for name in names)
        found = patients.resource_keys(session, gate.place.custodian_id, named)
        grants.append(Grant(tuple(own), (CONSENT, both(CONSENT, "identity")), found))
    return tuple(grants), listed


def _grants_of_resources(session: Session, gate: Gate, patient_key: int) -> tuple[Grant, ...]:
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
