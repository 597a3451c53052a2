"""`Context`: what every interaction gets besides the request.

An interaction on its own opens a unit and its checks run before the commit. Inside a transaction
Bundle all entries share one unit, and the checks run once, for all of them together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from typing import TypeAlias
from uuid import UUID

from fhirbridge.bridge import Bridge
from fhirbridge.disclosure.caller import OWN, Caller
from fhirbridge.disclosure.gate import Gate, Place
from fhirbridge.disclosure.leaving import leaving
from fhirbridge.disclosure.memory import Memory, memory_of
from fhirbridge.disclosure.trail import Trail
from fhirbridge.interactions.messages import FhirRequest, FhirResponse
from fhirbridge.interactions.stored_terms import StoredTerms
from fhirbridge.interactions.unit import Unit as Unit
from fhirbridge.records import record
from fhirbridge.search.context import SearchContext
from fhirbridge.storage.resources import Circumstances
from fhirbridge.storage.session import Session
from fhirbridge.storage.versions import ResourceVersion


@record()
class Context:
    """Who answers whom, under which base URL, and the unit that a transaction shares."""

    bridge: Bridge
    base: str
    unit: Unit | None = None
    caller: Caller = OWN
    given_gate: Gate | None = None  # one for the whole request
    given_trail: Trail | None = None

    def __post_init__(self) -> None:
        """Guard what leaves, whoever made the context."""
        if self.given_gate is None:
            memory = self.memory
            gate = Gate(self.caller, self._place(), memory.decisions, memory.views)
            object.__setattr__(self, "given_gate", gate)

    @property
    def gate(self) -> Gate:
        """What the caller may see."""
        assert self.given_gate is not None  # noqa: S101
        return self.given_gate

    @property
    def trail(self) -> Trail:
        """What is audited of the request."""
        return self.given_trail or Trail(self.gate, "", "", wanted=False)

    @property
    def memory(self) -> Memory:
        """The scopes that were computed lately."""
        return memory_of(self.bridge.database)

    def show(self, session: Session, version: ResourceVersion | None) -> ResourceVersion | None:
        """A stored version as it leaves, noted in the audit; None where it is hidden."""
        if version is None:
            return None
        found = leaving(session, self.gate, version)
        if found is None:
            self.trail.withhold(version.patient_key)
        else:
            self.trail.note(session, (version,))
        return found

    @property
    def custodian_id(self) -> int:
        """Whose records are served."""
        return self.bridge.custodian.id

    @property
    def bases(self) -> tuple[str, ...]:
        """The URLs under which this server is known; references that start so are local."""
        return _bases(self.bridge.settings.own_base, self.base)

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        """A unit to write in: the shared one, or one that is committed on leaving."""
        if self.unit is not None:
            yield self.unit
            return
        with self.trail.writing(), self.bridge.database.transaction() as session:
            unit = Unit(
                session,
                self._circumstances(),
                self.gate,
                self.trail,
                base=self.bridge.settings.base,
            )
            yield unit
            if self.bridge.settings.referential_integrity:
                unit.check()
            if self.trail.is_shared:
                self.trail.file(session, (*unit.written.values(), *unit.deleted.values()))
            else:
                self.trail.write(session, status=200)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session to read in: the shared unit's, or a snapshot."""
        if self.unit is not None:
            yield self.unit.session
            return
        with self.bridge.database.read() as session:
            yield session

    @contextmanager
    def glancing(self) -> Iterator[Session]:
        """A session for one statement, which is enough where the gate asks nothing itself."""
        if self.unit is not None or not self.gate.is_open:
            with self.reading() as session:
                yield session
            return
        with self.bridge.database.glance() as session:
            yield session

    def search_context(self) -> SearchContext:
        """What reading search values needs."""
        return self.terms().search_context()

    def terms(self) -> StoredTerms:
        """The terminology that is stored here."""
        context = SearchContext(self.bridge.settings.zone, self.bases, self.bridge.now())
        return StoredTerms(self.reading, self.custodian_id, context)

    def _place(self) -> Place:
        settings = self.bridge.settings
        return Place(
            custodian_id=self.custodian_id,
            policy=self.bridge.policy,
            now=self.bridge.now(),
            zone=settings.zone,
            bases=self.bases,
            secret=_secret(self.bridge.custodian.namespace),
        )

    def _circumstances(self) -> Circumstances:
        settings = self.bridge.settings
        return Circumstances(
            custodian_id=self.custodian_id,
            now=self.bridge.now(),
            zone=settings.zone,
            bases=self.bases,
        )


@lru_cache(maxsize=16)
def _secret(namespace: UUID) -> bytes:
    """What only this custodian's servers know, all of them alike."""
    return blake2b(namespace.bytes, digest_size=32, person=b"cursors").digest()


@lru_cache(maxsize=64)
def _bases(own: str, asked: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((own, asked)))


# dispatch.handle, given to those who carry out requests inside a request
Handle: TypeAlias = Callable[[FhirRequest, Context], FhirResponse]
