"""`Memory`: scopes over all patients, by caller, kept from one request to the next.

After a change only the patients whom it concerns are decided about again: where a Consent, a mark
or the Patient was written, or somebody whom a consent names, or where a consent began or ended.
Source: design.md section 9
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from fhirbridge.consent.policy import Policy
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure import grants, knowledge
from fhirbridge.disclosure.allowance import Decisions, midnight_after, question
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.grants import Share
from fhirbridge.disclosure.knowledge import Knowledge
from fhirbridge.disclosure.views import Views
from fhirbridge.search.scope import Grant, Scope
from fhirbridge.storage import consent_changes, consents, patients, versions
from fhirbridge.storage.database import Database
from fhirbridge.storage.session import Session

_OF_SEVERAL = -1  # the patient key of what is about several

# As `consents.state_of_knowledge` gives it.
_State: TypeAlias = tuple[int, int]
# Custodian, for whom, and for what purpose.
_Key: TypeAlias = tuple[int, Recipient, str]


@dataclass(frozen=True, slots=True)
class _Decided:
    """One patient for one caller: the share, whom consents name, and when they change next."""

    share: Share
    named: frozenset[str]
    changes_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Remembered:
    """All patients for one caller, as of `state`; `until` everybody is decided about again.

    `listed` has the grants of patients whose resources are decided one by one, as of `seq`.
    """

    state: _State
    seq: int
    until: datetime
    changes_at: datetime  # of the first patient whose consents begin or end
    policy: Policy
    patients: Mapping[int, _Decided]
    listed: Mapping[int, tuple[Grant, ...]]
    scope: Scope

    def due(self, now: datetime) -> frozenset[int]:
        """The patients whose consents have begun or ended meanwhile."""
        if now < self.changes_at:
            return frozenset()
        moments = ((key, each.changes_at) for key, each in self.patients.items())
        return frozenset(key for key, at in moments if at is not None and at <= now)

    def naming(self, references: frozenset[str]) -> frozenset[int]:
        """The patients whose consents name one of these."""
        if not references:
            return frozenset()
        return frozenset(key for key, each in self.patients.items() if each.named & references)


class Memory:
    """What is remembered for one database: decisions, views, and scopes over all patients."""

    def __init__(self) -> None:
        self.decisions = Decisions()
        self.views = Views()
        self._scopes: dict[_Key, _Remembered] = {}

    def get(self, session: Session, gate: Gate) -> Scope:
        """The scope of a caller over all patients."""
        gate = gate.as_everybody
        key = (gate.place.custodian_id, gate.recipient, gate.caller.purpose)
        known = self._scopes.get(key)
        found = (
            self._everybody(session, gate) if known is None else self._later(session, gate, known)
        )
        if session.is_reader:  # else it is about what may yet be taken back
            self._scopes[key] = found
        return found.scope

    def _everybody(self, session: Session, gate: Gate) -> _Remembered:
        place = gate.place
        state = consents.state_of_knowledge(session, place.custodian_id)
        by_patient = consents.by_patient(session, place.custodian_id)
        about_several = by_patient.pop(_OF_SEVERAL, [])
        keys: Iterable[int] = by_patient.keys()
        if not place.policy.is_part2 or about_several:
            keys = {*keys, *patients.keys(session, place.custodian_id)}
        found: dict[int, _Decided] = {}
        for key in keys:
            if about_several:
                known = gate.known(session, key)
            else:
                known = knowledge.assemble(
                    session, place.custodian_id, key, by_patient.get(key, ()), zone=place.zone
                )
            found[key] = self._decided(session, gate, key, known)
        until = midnight_after(place.now)
        return _remembered(session, gate, found, state=state, until=until)

    def _later(self, session: Session, gate: Gate, known: _Remembered) -> _Remembered:
        """What is remembered, brought up to what this request knows."""
        place = gate.place
        if known.until <= place.now or known.policy is not place.policy:
            return self._everybody(session, gate)
        seq = versions.last_seq(session)
        state = consents.state_of_knowledge(session, place.custodian_id)
        changed = known.due(place.now)
        if state > known.state:
            changes = consent_changes.changes_after(session, place.custodian_id, known.state)
            if _OF_SEVERAL in changes.patient_keys:
                return self._everybody(session, gate)
            changed |= changes.patient_keys | known.naming(changes.references)
        elif not changed and (seq <= known.seq or not known.listed):
            return known
        found = dict(known.patients)
        for key in changed:
            found.pop(key, None)
            about = gate.known(session, key)
            is_open = not place.policy.is_part2 and _exists(session, place.custodian_id, key)
            if about.consents or is_open:
                found[key] = self._decided(session, gate, key, about)
        kept = _unchanged(session, place.custodian_id, known, changed)
        return _remembered(session, gate, found, state=state, until=known.until, listed=kept)

    def _decided(
        self, session: Session, gate: Gate, patient_key: int, known: Knowledge
    ) -> _Decided:
        place = gate.place
        asked = question(gate.caller, gate.recipient, known, place.now)
        allowance = self.decisions.get(patient_key, known, asked, place.policy)
        share = grants.share_of(session, place.custodian_id, allowance)
        return _Decided(share, known.named, known.next_change(place.now))


@lru_cache(maxsize=16)
def memory_of(database: Database) -> Memory:
    """What is remembered for one database, as long as this process uses it."""
    return Memory()


def _exists(session: Session, custodian_id: int, patient_key: int) -> bool:
    return bool(consents.current(session, custodian_id, [patient_key]))


def _unchanged(
    session: Session, custodian_id: int, known: _Remembered, changed: frozenset[int]
) -> Mapping[int, tuple[Grant, ...]]:
    """The grants of single resources of patients about whom nothing was written since."""
    if not known.listed:
        return known.listed
    written = patients.written_after(session, custodian_id, known.seq)
    if _OF_SEVERAL in written:
        return {}
    stale = changed | written
    return {key: granted for key, granted in known.listed.items() if key not in stale}


def _remembered(
    session: Session,
    gate: Gate,
    found: Mapping[int, _Decided],
    *,
    state: _State,
    until: datetime,
    listed: Mapping[int, tuple[Grant, ...]] | None = None,
) -> _Remembered:
    """`listed` are grants that still hold; the others are made."""
    by_class = grants.of_classes({key: each.share for key, each in found.items()})
    known = listed or {}
    made = {
        key: known[key] if key in known else grants.of_resources(session, gate, key)
        for key, each in sorted(found.items())
        if each.share.allowance.by_resource
    }
    moments = (each.changes_at for each in found.values() if each.changes_at is not None)
    return _Remembered(
        state=state,
        seq=versions.last_seq(session),
        until=until,
        changes_at=min(moments, default=until),
        policy=gate.place.policy,
        patients=found,
        listed=made,
        scope=Scope((*by_class, *chain.from_iterable(made.values()))),
    )
