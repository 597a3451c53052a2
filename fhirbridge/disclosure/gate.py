"""`Gate`: the one way out. What a caller may see, for the length of one request.

The custodian's own systems pass without a question. Everybody else sees what the patients'
consents permit for the caller's organization and purpose: whole, in part, or not at all; and what
is not for them is as if it were not there.
Source: 42 CFR 2.12, 2.13, 2.31 to 2.33; design.md section 9
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, tzinfo

from fhirbridge.consent.classes import DIRECTORY, content_class
from fhirbridge.consent.labels import labels_of, merged, redacted
from fhirbridge.consent.policy import Policy
from fhirbridge.consent.purposes import EMERGENCIES
from fhirbridge.consent.recipient import Recipient
from fhirbridge.consent.redaction import redact, removed_elements
from fhirbridge.consent.stripping import View
from fhirbridge.consent.written import read_consent
from fhirbridge.disclosure import knowledge
from fhirbridge.disclosure.allowance import Allowance, Decisions, of_resource, question
from fhirbridge.disclosure.caller import Caller
from fhirbridge.disclosure.knowledge import Knowledge
from fhirbridge.disclosure.views import Grounds, Views
from fhirbridge.fhir import wire
from fhirbridge.fhir.compartments import patients_of
from fhirbridge.jsontypes import Resource
from fhirbridge.records import record
from fhirbridge.storage import consents, resources
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

# Sent with what a consent lets out (42 CFR 2.32, 2.33).
PERSIST = "PERSISTLABEL"
MARKS_WITHOUT_HIPAA = ("NORDSCLCD", "RedisclosureProhibitionMark")


@record(kw_only=True)
class Place:
    """Whose records the gate guards, by which rules, and when; `secret` seals marks of pages."""

    custodian_id: int
    policy: Policy
    now: datetime
    zone: tzinfo
    bases: tuple[str, ...] = ()
    secret: bytes = bytes(32)


class Gate:
    """What one caller may see. It remembers what it decided until the request ends."""

    def __init__(
        self,
        caller: Caller,
        place: Place,
        decisions: Decisions | None = None,
        views: Views | None = None,
    ) -> None:
        """`decisions` and `views` are those of other requests to the same database."""
        self.caller = caller
        self.place = place
        self.views = views or Views()
        self._decisions = decisions or Decisions()
        self._grounds: Grounds | None = None
        self._known: dict[int, Knowledge] = {}
        self._allowed: dict[int, Allowance] = {}
        self._single: dict[tuple[int, int], Allowance] = {}  # by `seq` of a version
        self._seen: dict[str, bool] = {}

    @property
    def is_open(self) -> bool:
        """True for the custodian's own systems: nothing is disclosed to them."""
        return self.caller.recipient is None

    @property
    def recipient(self) -> Recipient:
        """To whom something would be disclosed."""
        assert self.caller.recipient is not None  # noqa: S101
        return self.caller.recipient

    @property
    def as_everybody(self) -> "Gate":
        """An emergency is about one patient: elsewhere the caller treats like everybody else."""
        if self.is_open or self.caller.purpose not in EMERGENCIES:
            return self
        caller = replace(self.caller, purpose="TREAT", reason="", actor="")
        return Gate(caller, self.place, self._decisions, self.views)

    def forget(self) -> None:
        """Decide anew: something was written meanwhile."""
        self._known.clear()
        self._allowed.clear()
        self._single.clear()
        self._seen.clear()

    def known(self, session: Session, patient_key: int) -> Knowledge:
        """What is known about a patient."""
        found = self._known.get(patient_key)
        if found is None:
            place = self.place
            found = knowledge.about(session, place.custodian_id, patient_key, zone=place.zone)
            self._known[patient_key] = found
        return found

    def learn(self, session: Session, patient: Resource, found: Iterable[Resource]) -> None:
        """Decide with the consents of a document that was not stored yet, revoked ones as such."""
        key = key_of(f"Patient/{patient['id']}")
        known = self.known(session, key)
        read = {each.reference: each for each in known.consents}
        for one in found:
            marks = consents.marks_of(session, self.place.custodian_id, str(one["id"]))
            written = read_consent(
                one,
                origin="document",
                zone=self.place.zone,
                ended_at=knowledge.ended_at(marks),
            )
            read[written.reference] = written
        self._known[key] = replace(
            known, consents=tuple(read.values()), birth_date=knowledge.birth_date_of(patient)
        )
        self._allowed.pop(key, None)

    def allowance(self, session: Session, patient_key: int) -> Allowance:
        """What may be seen of a patient."""
        found = self._allowed.get(patient_key)
        if found is None:
            known = self.known(session, patient_key)
            asked = question(self.caller, self.recipient, known, self.place.now)
            found = self._decisions.get(patient_key, known, asked, self.place.policy)
            self._allowed[patient_key] = found
        if self._grounds is not None:
            self._grounds.allowances[patient_key] = found
        return found

    @contextmanager
    def noting(self) -> Iterator[Grounds]:
        """Note on which grounds is decided what is asked meanwhile."""
        grounds = Grounds(self.place.policy, self.place.bases)
        before, self._grounds = self._grounds, grounds
        try:
            yield grounds
        finally:
            self._grounds = before

    def holds(self, session: Session, grounds: Grounds) -> bool:
        """Whether what was asked for these grounds would be answered in the same way now."""
        if grounds.policy is not self.place.policy or grounds.bases != self.place.bases:
            return False
        return all(
            self.allowance(session, key) is found for key, found in grounds.allowances.items()
        ) and all(
            self.sees_reference(session, reference) is found
            for reference, found in grounds.seen.items()
        )

    def sees(self, session: Session, version: ResourceVersion) -> bool:
        """Whether any of a version may be seen, be it a deletion."""
        if self.is_open:
            return True
        patients = self.patients(version)
        if not patients:
            return version.patient_key == 0 and version.content_class == DIRECTORY
        return all(self._permits(session, key, version) for key in patients)

    def sees_reference(self, session: Session, reference: str) -> bool:
        """Whether a resource of this server may be seen: it is there, and for this caller."""
        known = self._seen.get(reference)
        if known is None:
            resource_type, _, resource_id = reference.partition("/")
            version = resources.read(session, self.place.custodian_id, resource_type, resource_id)
            with self.noting():  # of the answer, not of how it came about
                known = version is not None and not version.deleted and self.sees(session, version)
            self._seen[reference] = known
        if self._grounds is not None:
            self._grounds.seen[reference] = known
        return known

    def shown(self, session: Session, version: ResourceVersion) -> Resource | None:
        """What of a version leaves, without labels; None where nothing may.

        That elements were taken out of it is said where the policy lets a receiver be told.
        """
        if not self.sees(session, version) or version.deleted:
            return None
        resource = wire.parse(version.content)
        view = self._view(session, version, resource)
        kept = redact(resource, view, of_class=version.content_class)
        if kept is None or self.place.policy.manifest == "nothing":
            return kept
        return redacted(kept) if removed_elements(resource, kept) else kept

    def is_whole(self, session: Session, version: ResourceVersion) -> bool:
        """True if nothing of this version is hidden, whatever its content."""
        return not self._view(session, version, wire.parse(version.content)).is_limited

    def labelled(self, session: Session, version: ResourceVersion, resource: Resource) -> Resource:
        """A resource with its labels, and the marks of this disclosure."""
        labels = labels_of(
            resource, is_part2=self.place.policy.is_part2, of_class=version.content_class
        )
        return merged(resource, labels, more=self._marks(session, version))

    def allowance_of(
        self, session: Session, patient_key: int, version: ResourceVersion
    ) -> Allowance:
        """What may be seen of a version, as far as it is about a patient."""
        found = self.allowance(session, patient_key)
        if not found.by_resource or version.deleted:
            return found
        key = (patient_key, version.seq)
        one = self._single.get(key)
        if one is None:
            known = self.known(session, patient_key)
            asked = question(self.caller, self.recipient, known, self.place.now)
            resource = wire.parse(version.content)
            one = of_resource(known, asked, self.place.policy, resource, bases=self.place.bases)
            self._single[key] = one
        return one

    def _permits(self, session: Session, patient_key: int, version: ResourceVersion) -> bool:
        allowance = self.allowance_of(session, patient_key, version)
        return allowance.permits(version.content_class, version.reference)

    def patients(self, version: ResourceVersion) -> frozenset[int]:
        """The keys of the patients whom a version is about."""
        if version.patient_key >= 0:
            return frozenset({version.patient_key} - {0})
        if version.deleted:  # nobody knows any more whose it was
            return frozenset({-1})
        resource = wire.parse(version.content)
        return frozenset(map(key_of, patients_of(resource, bases=self.place.bases)))

    def _view(self, session: Session, version: ResourceVersion, resource: Resource) -> View:
        keys = self.patients(version)
        classes = [self.allowance_of(session, key, version).classes for key in keys]
        everything = frozenset(content_class(resource).split("+")) if not keys else frozenset()
        return View(
            classes=frozenset.intersection(*classes) if classes else everything,
            sees=lambda reference: self.sees_reference(session, reference),
            patients=patients_of(resource, bases=self.place.bases),
            bases=self.place.bases,
            has_exceptions=any(self.allowance(session, key).by_resource for key in keys),
        )

    def _marks(self, session: Session, version: ResourceVersion) -> tuple[str, ...]:
        keys = self.patients(version)
        if not keys:
            return ()
        found = [self.allowance_of(session, key, version) for key in keys]
        free = all(each.redisclosure(version.content_class) == "hipaa" for each in found)
        return (PERSIST,) if free else (PERSIST, *MARKS_WITHOUT_HIPAA)
