"""The database: write transactions and read snapshots, on SQLite and on PostgreSQL.

`with database.transaction() as session` writes: serialised, atomic, durable when it returns.
`with database.read() as session` reads one consistent snapshot and never waits for writers.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from fhirbridge.clock import Clock, now
from fhirbridge.errors import Issue, Misconfigured, Unavailable
from fhirbridge.storage import migrations, tables
from fhirbridge.storage.backend import Backend
from fhirbridge.storage.session import Session
from fhirbridge.storage.sqlite import Sqlite
from fhirbridge.storage.writer import Writer, discard

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Custodian:
    """The organization whose records they are. `namespace` is secret: ids are made under it."""

    id: int
    name: str
    namespace: UUID


class Database:
    """The database behind a URL, for the threads of this process; other processes may share it."""

    def __init__(self, url: str) -> None:
        self._backend = _backend(url)
        self.engine = self._backend.engine
        self._writer = Writer(self._backend, self._backend.writer)
        self._readers: deque[Session] = deque()

    @property
    def path(self) -> Path:
        """The file of a SQLite database."""
        return Path(self.engine.url.database or "")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write: everything inside is committed together, durably, or not at all."""
        with self._writer.transaction() as session:
            yield session

    def together(self, write: Callable[[Session, list[T]], object], item: T) -> None:
        """Write an item durably, with those that others have meanwhile for the same function."""
        self._writer.together(write, item)

    def read(self) -> AbstractContextManager[Session]:
        """Read: one snapshot, as of the first statement inside."""
        return self._reading(self._backend.begin_read, self._put_back)

    def glance(self) -> AbstractContextManager[Session]:
        """Read with one statement: it is a snapshot by itself, without begin and end."""
        return self._reading(self._backend.prepare_glance, self._keep)

    @contextmanager
    def _reading(
        self, begin: Callable[[Session], None], end: Callable[[Session], None]
    ) -> Iterator[Session]:
        session = self._reader(begin)
        try:
            yield session
        except BaseException as exc:
            if self._backend.is_lost(session):
                raise _unavailable() from exc
            raise
        finally:
            end(session)

    def act_for(self, custodian: Custodian) -> None:
        """Show only the rows of this custodian from now on, where the database can enforce it."""
        self._backend.act_for(custodian.id)

    def upgrade(self, *, custodian: str = "default", clock: Clock = now) -> None:
        """Create what is missing: schema, and the custodian with a random secret namespace.

        Raises Misconfigured if the schema was made by a newer version of fhirbridge, or the file
        cannot be opened or is no database.
        """
        try:
            with self.read() as session:
                is_current = migrations.revision_of(session) == migrations.HEAD
        except sa.exc.DatabaseError as exc:
            where = self.engine.url.render_as_string(hide_password=True)
            raise _misconfigured(f"The database {where} cannot be opened: {exc.orig}.") from exc
        if not is_current:
            self._migrate()
        known = sa.select(tables.custodians.c.id).where(tables.custodians.c.name == custodian)
        with self.read() as session:
            if session.execute(known).scalar() is not None:
                return
        with self.transaction() as session:
            if session.execute(known).scalar() is None:
                row = {"name": custodian, "namespace": str(uuid4()), "created_at": clock()}
                session.execute(sa.insert(tables.custodians).values(row))

    def check(self) -> None:
        """Raise Misconfigured unless the schema is there and of this version."""
        with self.read() as session:
            migrations.check(session)

    def custodian(self, name: str = "default") -> Custodian:
        """The custodian of this name. Raises Misconfigured if there is none."""
        columns = tables.custodians.c
        with self.read() as session:
            row = session.execute(sa.select(tables.custodians).where(columns.name == name)).first()
        if row is None:
            raise _misconfigured(f"The database has no custodian named '{name}'.")
        return Custodian(row.id, row.name, UUID(row.namespace))

    def close(self) -> None:
        """Close every connection that no one uses now."""
        self._writer.close()
        while self._readers:
            discard(self._readers.pop())
        self._backend.close()

    def _migrate(self) -> None:
        writer = Writer(self._backend, self._backend.migrator)
        try:
            with writer.transaction() as session:
                self._backend.before_migration(session)
                migrations.upgrade(session)
                self._backend.after_migration(session)
        finally:
            writer.close()

    def _reader(self, begin: Callable[[Session], None]) -> Session:
        """A session that has begun to read; connections that were lost are made again."""
        try:
            while self._readers:
                session = self._take()
                if session is None:
                    break
                try:
                    begin(session)
                    return session
                except BaseException:
                    if not self._backend.is_lost(session):
                        session.connection.close()
                        raise
                    discard(session)
            session = self._backend.reader()
            session.is_reader = True
            try:
                begin(session)
            except BaseException:
                discard(session)
                raise
            return session
        except BaseException as exc:
            if self._backend.is_fault_of_database(exc):
                raise _unavailable() from exc
            raise

    def _take(self) -> Session | None:
        try:
            return self._readers.pop()
        except IndexError:  # another thread was quicker
            return None

    def _put_back(self, session: Session) -> None:
        if not self._backend.is_lost(session):
            session.driver.execute("ROLLBACK")
        self._keep(session)

    def _keep(self, session: Session) -> None:
        if self._backend.is_lost(session):
            discard(session)
        else:
            self._readers.append(session)


def _backend(url: str) -> Backend:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as exc:
        raise _misconfigured("The database URL cannot be read.") from exc
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return Sqlite(parsed)
    if parsed.drivername in ("postgresql", "postgresql+psycopg") and parsed.database:
        return _postgresql(parsed)
    raise _misconfigured(
        "The database URL must name a SQLite file, sqlite:///path/to/file.db, or a PostgreSQL"
        " database, postgresql+psycopg://user@host/name."
    )


def _postgresql(url: sa.URL) -> Backend:
    try:
        # Only who uses it needs the driver.
        from fhirbridge.storage.postgresql import Postgresql
    except ImportError as exc:
        raise _misconfigured(
            "PostgreSQL needs its driver: pip install 'fhirbridge[postgres]'."
        ) from exc
    return Postgresql(url)


def _misconfigured(text: str) -> Misconfigured:
    return Misconfigured(Issue("exception", text))


def _unavailable() -> Unavailable:
    return Unavailable(Issue("transient", "The database cannot be read now. Try again."))
