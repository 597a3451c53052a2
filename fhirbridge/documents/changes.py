"""What storing a document would change, resource by resource; computed, not yet written.

Receiving, previewing and remapping a document all start here, so that what is shown before is what
happens. Source: design.md sections 5 and 6
"""

from collections.abc import Iterable, Iterator
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fhirbridge.conversion.model import ToFhir
from fhirbridge.conversion.presentation import Presentation
from fhirbridge.conversion.statements import Statement, combine, is_shared, pack, state, unpack
from fhirbridge.conversion.update import update
from fhirbridge.documents.withdrawal import restored_form, withdrawn_form
from fhirbridge.fhir import references, wire
from fhirbridge.fhir.bundles import resources_of
from fhirbridge.jsontypes import Resource
from fhirbridge.mapping.compiler import Mapping
from fhirbridge.mapping.engine_made import bare
from fhirbridge.mapping.model import Entry
from fhirbridge.mapping.selecting import Points
from fhirbridge.storage import document_resources as shelf
from fhirbridge.storage import documents as store
from fhirbridge.storage import resources
from fhirbridge.storage.document_resources import Made
from fhirbridge.storage.resources import says_the_same
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion

Action = Literal["create", "update", "withdraw", "keep"]


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one resource. `current` is what is stored of it now.

    `patient` is whose document made it, if no other document may make the same one.
    """

    action: Action
    reference: str  # Type/id
    resource: Resource
    current: ResourceVersion | None
    content_class: str
    patient: str = ""


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """All changes of one document, what it made and had made, and its statements, packed."""

    changes: tuple[Change, ...]
    made: tuple[Made, ...]
    encoded: bytes

    def by(self, action: Action) -> tuple[str, ...]:
        """The references of the resources that this becomes of."""
        return tuple(change.reference for change in self.changes if change.action == action)


@dataclass(frozen=True, slots=True)
class Source:
    """The document that speaks: its row and `updatedAt` as they are stored (none yet: 0, None),
    and its `updatedAt` now.
    """

    document_id: int
    stored_at: datetime | None
    updated_at: datetime


def changes(
    session: Session, custodian_id: int, made: ToFhir, mapping: Mapping, source: Source
) -> ChangeSet:
    """What storing a document that this mapping converted would change."""
    patient = next((_reference(each) for each in resources_of(made.bundle, "Patient")), "")
    compare = _Comparison(
        session, custodian_id, mapping, source, made.entries, made.presentation, patient
    )
    return compare.run(made.bundle)


@dataclass(slots=True)
class _Comparison:
    session: Session
    custodian_id: int
    mapping: Mapping
    source: Source
    entries: MappingABC[str, str]  # Type/id -> entry
    presentation: Presentation
    patient: str
    others: dict[int, dict[str, Statement]] = field(default_factory=dict)

    def run(self, bundle: Resource) -> ChangeSet:
        before = self._before()
        stated = dict(self._stated(bundle))
        found = [self._present(ref, one, before.get(ref)) for ref, one in stated.items()]
        made = [self._made(reference, one) for reference, one in stated.items()]
        gone: dict[str, Statement] = {}
        for one in self._made_before():
            if one.reference in stated:
                continue
            made.append(Made(one.resource_type, one.resource_id, withdrawn=True))
            if one.reference in before:
                gone[one.reference] = before[one.reference]
            if not one.withdrawn:
                found += self._missing(one.reference, before.get(one.reference))
        # of what is withdrawn the last statement is kept, to know it from what others add
        return ChangeSet(tuple(found), tuple(made), pack({**gone, **stated}))

    def _before(self) -> MappingABC[str, Statement]:
        if not self.source.document_id:
            return {}
        return unpack(store.encoded_of(self.session, self.source.document_id))

    def _made_before(self) -> list[Made]:
        if not self.source.document_id:
            return []
        return shelf.made_by(self.session, self.source.document_id)

    def _stated(self, bundle: Resource) -> Iterator[tuple[str, Statement]]:
        local = {entry["fullUrl"]: _reference(entry["resource"]) for entry in bundle["entry"]}
        for entry in bundle["entry"]:
            resource = references.rewrite(bare(entry["resource"]), local)
            reference = _reference(resource)
            template = self.mapping.compiled[self.entries[reference]].template
            yield reference, state(resource, template, self._points)

    def _made(self, reference: str, one: Statement) -> Made:
        resource_type, _, resource_id = reference.partition("/")
        shared = is_shared(self.mapping.pack.entries[one.entry])
        return Made(resource_type, resource_id, one.key if shared else shelf.OWN)

    def _present(self, reference: str, own: Statement, before: Statement | None) -> Change:
        """What a resource of the document becomes, beside what others state about it."""
        entry = self.mapping.pack.entries[own.entry]
        new, base = own.resource, before.resource if before else None
        if is_shared(entry):
            new, base = self._combined(reference, own, before)
        current = self._current(reference)
        if current is None or current.deleted:
            created = self.presentation.present(new, entry.content_class)
            return Change(
                "create", reference, created, current, entry.content_class, self._whose(entry)
            )
        template = self.mapping.compiled[own.entry].template
        stored = wire.parse(current.content)
        plain = restored_form(bare(stored))
        laid = update(plain, new, template, self._points, base=base)
        if plain == bare(stored):  # it was not withdrawn
            laid = _as_moved(laid, plain, new, base)
        laid = self._presented(laid, plain, entry.content_class)
        action: Action = "keep" if says_the_same(laid, stored) else "update"
        return Change(action, reference, laid, current, entry.content_class, self._whose(entry))

    def _whose(self, entry: Entry) -> str:
        """The patient, for what only documents of this record make."""
        return "" if is_shared(entry) else self.patient

    def _missing(self, reference: str, before: Statement | None) -> Iterator[Change]:
        """What becomes of a resource that the document no longer has."""
        current = self._current(reference)
        if current is None or current.deleted:
            return
        stored = wire.parse(current.content)
        known = self.mapping.compiled.get(before.entry) if before is not None else None
        content_class = known.entry.content_class if known is not None else ""
        document_id = self.source.document_id
        if not shelf.others_hold(self.session, self.custodian_id, document_id, reference):
            gone = self.presentation.present(withdrawn_form(stored), content_class)
            whose = self._whose(known.entry) if known is not None else ""
            yield Change("withdraw", reference, gone, current, content_class, whose)
            return
        rest = self._others(reference, before)
        if before is None or known is None or not rest:
            return
        new, base = combine(_newest_first(rest)), self._combination(rest, before)
        plain = bare(stored)
        laid = update(plain, new, known.template, self._points, base=base)
        laid = self._presented(laid, plain, content_class)
        if not says_the_same(laid, stored):
            yield Change("update", reference, laid, current, content_class)

    def _presented(self, laid: Resource, before: Resource, content_class: str) -> Resource:
        """With claims and text. A text that somebody wrote stays while nothing else changes."""
        keep = "text" in laid and says_the_same(laid, before)
        return self.presentation.present(laid, content_class, keep_text=keep)

    def _combined(
        self, reference: str, own: Statement, before: Statement | None
    ) -> tuple[Resource, Resource | None]:
        """What all documents state now, and what they stated before."""
        others = self._others(reference, own, before)
        if not others:
            return own.resource, before.resource if before else None
        now = _newest_first([*others, _Dated(self.source.updated_at, own)])
        return combine(now), self._combination(others, before)

    def _combination(self, others: list["_Dated"], before: Statement | None) -> Resource:
        """What the documents have stated so far."""
        told = others
        if before is not None and self.source.stored_at is not None:
            told = [*others, _Dated(self.source.stored_at, before)]
        return combine(_newest_first(told))

    def _others(self, reference: str, *known: Statement | None) -> list["_Dated"]:
        """What other documents state. What is `known` already is not read again."""
        by_key = {one.key: one for one in known if one is not None}
        holders = shelf.statements_about(
            self.session, self.custodian_id, reference, except_of=self.source.document_id
        )
        found = []
        for holder in holders:
            if holder.statement in by_key:
                found.append(_Dated(holder.updated_at, by_key[holder.statement]))
                continue
            if holder.document_id not in self.others:
                packed = store.encoded_of(self.session, holder.document_id)
                self.others[holder.document_id] = unpack(packed)
            statement = self.others[holder.document_id].get(reference)
            if statement is not None:
                found.append(_Dated(holder.updated_at, statement))
        return found

    def _current(self, reference: str) -> ResourceVersion | None:
        resource_type, _, resource_id = reference.partition("/")
        return resources.read(self.session, self.custodian_id, resource_type, resource_id)

    @property
    def _points(self) -> Points:
        return lambda reference, entry: self.entries.get(reference) == entry


# where the Task of a referral stands: moved by whoever answers it
_MOVED = ("status", "businessStatus", "statusReason")


def _as_moved(laid: Resource, stored: Resource, new: Resource, base: Resource | None) -> Resource:
    """A Task stands where it was moved to, unless the document says something else than before."""
    if laid["resourceType"] != "Task" or base is None:
        return laid
    if any(new.get(name) != base.get(name) for name in _MOVED):
        return laid
    rest = {name: value for name, value in laid.items() if name not in _MOVED}
    return {**rest, **{name: stored[name] for name in _MOVED if name in stored}}


@dataclass(frozen=True, slots=True)
class _Dated:
    at: datetime
    statement: Statement


def _newest_first(dated: Iterable[_Dated]) -> list[Statement]:
    """Statements of the same time are put in the order of their content, not of arrival."""
    found = sorted(dated, key=lambda one: (one.at, one.statement.key), reverse=True)
    return [one.statement for one in found]


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
