"""`Unit`: one database transaction of interactions, and the checks before its commit.

What a caller may not see is not there for it: it matches nothing, can be referred to by nothing,
and stays as it was when the rest of a resource is changed.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace

from fhirbridge.consent.classes import content_class
from fhirbridge.consent.provisions import flatten
from fhirbridge.conversion.published import TYPES, is_ours
from fhirbridge.disclosure.gate import Gate
from fhirbridge.disclosure.knowledge import takes_name
from fhirbridge.disclosure.leaving import leaving
from fhirbridge.disclosure.parties import TYPES as MOVING
from fhirbridge.disclosure.parties import is_of_referral, is_strangers, note_writer
from fhirbridge.disclosure.returning import (
    ONLY_CUSTODIAN,
    has_birth_date_of,
    is_shared,
    with_hidden,
)
from fhirbridge.disclosure.trail import Trail
from fhirbridge.errors import Conflict, Forbidden, InvalidContent, Issue
from fhirbridge.fhir import wire
from fhirbridge.fhir.compartments import patients_of
from fhirbridge.interactions.entries import in_entry
from fhirbridge.jsontypes import Resource
from fhirbridge.storage import integrity, resources
from fhirbridge.storage.keys import key_of
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion


@dataclass(frozen=True, slots=True)
class Unit:
    """What is written together, by relative reference."""

    session: Session
    circumstances: Circumstances
    gate: Gate
    trail: Trail
    written: dict[str, ResourceVersion] = field(default_factory=dict)
    deleted: dict[str, ResourceVersion] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)  # the entry of a transaction
    kept: dict[str, frozenset[str]] = field(default_factory=dict)  # what it referred to before
    given: dict[str, Resource] = field(default_factory=dict)  # as it was written, before the rest
    before: list[Gate] = field(default_factory=list)  # as it was before a Consent was written
    base: str = ""  # the canonical base of what is ours

    @property
    def custodian_id(self) -> int:
        """Whose records they are."""
        return self.circumstances.custodian_id

    def read(self, resource_type: str, resource_id: str) -> ResourceVersion | None:
        """The current version, as this unit has left it; None if it is hidden from the caller."""
        version = resources.read(self.session, self.custodian_id, resource_type, resource_id)
        if self.gate.is_open or version is None:
            return version
        return version if leaving(self.session, self.gate, version) is not None else None

    def as_seen(self, current: ResourceVersion | None) -> ResourceVersion | None:
        """A version that `read` gave, as the caller knows it."""
        if self.gate.is_open or current is None:
            return current
        return leaving(self.session, self.gate, current)

    def save(
        self,
        resource: Resource,
        *,
        resource_id: str,
        current: ResourceVersion | None,
        method: str,
    ) -> ResourceVersion:
        """Store a resource as the next version of `current`, or as a new one under the id.

        Returns `current` itself if nothing changed. Raises Forbidden for what this program
        publishes itself.
        """
        self._refuse_ours(resource, current)
        if not self.gate.is_open:
            self._refuse_consent(resource, current)
            self._refuse_task(current)
            resource = self._with_hidden(resource, current)
        if current is None:
            version = resources.create(
                self.session, self.circumstances, resource, resource_id=resource_id, method=method
            )
        else:
            version = resources.update(
                self.session, self.circumstances, resource, current=current, method=method
            )
        if version is not current:
            self.written[version.reference] = version
            self.deleted.pop(version.reference, None)
            self.gate.forget()
            if version.resource_type in MOVING and not self.gate.is_open:
                note_writer(self.session, self.circumstances, version, self.gate.recipient)
        # whoever patches is shown the rest
        self.trail.note(self.session, (version,), received=method != "PATCH")
        if self.gate.is_open or current is None:
            return version
        return leaving(self.session, self.gate, version) or replace(version, content=b"")

    def _refuse_consent(self, resource: Resource, current: ResourceVersion | None) -> None:
        """A Consent restricts everybody: others write one only with a scope that names the type.

        What a Consent denies is lifted by the custodian only.
        """
        held = self.gate.caller.scopes
        if resource.get("resourceType") != "Consent":
            return
        if held is not None and not any(scope.startswith("system/Consent.") for scope in held):
            raise Forbidden(
                Issue("forbidden", "To write a Consent needs a scope of its own: system/Consent.")
            )
        stored = wire.parse(current.content) if current and not current.deleted else {}
        if any(each.type == "deny" for each in flatten(stored, self.circumstances.zone)):
            raise Forbidden(
                Issue("forbidden", "This Consent denies something: only the custodian changes it.")
            )
        self._remember(resource, stored)

    def _remember(self, *consents: Resource) -> None:
        """Keep what the caller may see of their patients: a Consent may take it away."""
        if not self.before:
            self.before.append(Gate(self.gate.caller, self.gate.place))
        for consent in consents:
            for name in patients_of(consent, bases=self.circumstances.bases) if consent else ():
                self.before[0].allowance(self.session, key_of(name))

    def _refuse_task(self, current: ResourceVersion | None) -> None:
        """The Task of a referral is moved by whom it was handed to, or who asked for it."""
        if current is None or current.resource_type != "Task":
            return
        if is_strangers(self.session, self.circumstances, current.reference, self.gate.recipient):
            words = "The Task of a referral is changed by the organization it was handed to."
            raise Forbidden(Issue("forbidden", words))

    def _with_hidden(self, resource: Resource, current: ResourceVersion | None) -> Resource:
        """What the caller could not see of the current version stays."""
        seen = self.as_seen(current)
        if current is None or seen is None or current.deleted or seen.deleted:
            return resource
        stored, shown = wire.parse(current.content), wire.parse(seen.content)
        self._refuse_other(resource, shown, current)
        if resource["resourceType"] == "Patient" and not has_birth_date_of(resource, stored):
            words = "Only the custodian changes a birth date: who signs for a minor depends on it."
            raise Forbidden(Issue("forbidden", words))
        if takes_name(resource, stored, self.gate.recipient):
            raise Forbidden(
                Issue("forbidden", "A client gives nobody the name of its own organization.")
            )
        # What the caller names itself is kept only if it saw it: a guess is not confirmed.
        found = integrity.local_references(shown, self.circumstances.bases)
        self.kept[current.reference] = frozenset(each.target for each in found)
        self.given[current.reference] = resource
        return with_hidden(resource, stored, shown)

    def _refuse_other(self, resource: Resource, shown: Resource, current: ResourceVersion) -> None:
        """Who sees only a part changes neither whose it is nor its class: both hide the rest."""
        if self.gate.is_whole(self.session, current):
            return
        bases = self.circumstances.bases
        is_same = content_class(resource) == content_class(shown)
        if not is_same or patients_of(resource, bases=bases) != patients_of(shown, bases=bases):
            words = "A client that may see a part of a record changes neither its patient nor kind."
            raise Forbidden(Issue("forbidden", words))

    def delete(self, current: ResourceVersion) -> ResourceVersion:
        """Delete a resource that exists. Raises Forbidden for what this program publishes."""
        stored = wire.parse(current.content)
        self._refuse_ours(stored, None)
        if not self.gate.is_open:
            if is_shared(current):
                raise Forbidden(Issue("forbidden", ONLY_CUSTODIAN))
            self._refuse_consent(stored, current)
            self._refuse_task(current)
            if is_of_referral(self.session, self.circumstances, current.reference):
                words = "The Task of a referral is cancelled or declined, not deleted."
                raise Forbidden(Issue("forbidden", words))
        version = resources.delete(self.session, self.circumstances, current=current)
        self.deleted[version.reference] = version
        self.written.pop(version.reference, None)
        self.trail.note(self.session, (version,), received=True)
        self.gate.forget()
        return version

    def _refuse_ours(self, resource: Resource, current: ResourceVersion | None) -> None:
        if resource.get("resourceType") not in TYPES:
            return
        stored = wire.parse(current.content) if current and not current.deleted else {}
        if is_ours(resource, self.base) or is_ours(stored, self.base):
            raise Forbidden(
                Issue("forbidden", "This resource is made from the mapping packs; it is read-only.")
            )

    def check(self) -> None:
        """Referential integrity of everything written and deleted; issues name the entry.

        Raises InvalidContent (422) for references to what does not exist, Conflict for deleted
        resources that others refer to.
        """
        written = self.written.values()
        dangling = integrity.dangling(self.session, [version.key for version in written])
        absent = [
            issue
            for version in written
            for issue in self._absent(version, dangling.get(version.key, frozenset()))
        ]
        if absent:
            raise InvalidContent(*absent)
        held = [issue for reference in self.deleted for issue in self._held(reference)]
        if held:
            raise Conflict(*held)

    def _absent(self, version: ResourceVersion, dangling: Set[int]) -> Iterator[Issue]:
        if not dangling and self.gate.is_open and b"/_history/" not in version.content:
            return
        # Of what stays hidden nothing is said, and what it hides is no excuse for what was written.
        resource = self.given.get(version.reference) or wire.parse(version.content)
        for found in integrity.local_references(resource, self.circumstances.bases):
            kept = self.kept.get(version.reference, frozenset())
            is_hidden = found.target not in kept and self._is_hidden(found.target)
            if key_of(found.target) in dangling or is_hidden:
                issue = Issue(
                    "not-found",
                    f"The reference names {found.target}, which does not exist on this server.",
                    expression=(found.path,),
                )
                yield self._placed(issue, version.reference)
            # Numbers of versions would tell others of changes that they may not see.
            elif self.gate.is_open and not integrity.has_version(
                self.session, self.custodian_id, found
            ):
                text = f"The reference names a version that {found.target} does not have."
                issue = Issue("not-found", text, expression=(found.path,))
                yield self._placed(issue, version.reference)

    def _is_hidden(self, target: str) -> bool:
        """True for what the caller may not see, unless it was written here and now."""
        return not (self.gate.is_open or target in self.written or self._is_seen(target))

    def _is_seen(self, target: str) -> bool:
        """Whether the caller sees it, by the consents that held before this unit wrote any."""
        gate = self.before[0] if self.before else self.gate
        return gate.sees_reference(self.session, target)

    def _held(self, reference: str) -> Iterator[Issue]:
        # What the caller may not see keeps its reference: a refusal would tell of it.
        seen = None if self.gate.is_open else lambda name: not self._is_hidden(name)
        found = integrity.referrers(self.session, self.custodian_id, reference, seen=seen)
        if found:
            named = ", ".join(found[: integrity.MAX_REFERRERS])
            others = " and others" if len(found) > integrity.MAX_REFERRERS else ""
            issue = Issue(
                "conflict",
                f"{reference} cannot be deleted, because it is referred to by {named}{others}.",
            )
            yield self._placed(issue, reference)

    def _placed(self, issue: Issue, reference: str) -> Issue:
        index = self.places.get(reference)
        return issue if index is None else in_entry(issue, index)
