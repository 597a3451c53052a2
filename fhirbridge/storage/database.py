"""Engine, write transactions and read snapshots.

`with database.transaction() as session` writes: serialised, atomic, durable when it returns.
`with database.read() as session` reads one consistent snapshot and never waits for writers.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from fhirbridge.clock import Clock, now
from fhirbridge.errors import Issue, Misconfigured
from fhirbridge.storage import tables
from fhirbridge.storage.session import Session
from fhirbridge.storage.writer import Writer

BUSY_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Custodian:
    """The organization whose records they are. `namespace` is secret: ids are made under it."""

    id: int
    name: str
    namespace: UUID


class Database:
    """A SQLite file: WAL, synchronous=FULL, foreign keys; safe for threads and processes."""

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.path = Path(parsed.database or "")
        # Connections are kept by the writer and the reader list; a pool would only add cost.
        self.engine = sa.create_engine(
            parsed,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS},
        )
        sa.event.listen(self.engine, "connect", _prepare)
        self._writer = Writer(self._connect_writer, self.path.with_name(self.path.name + ".writer"))
        self._readers: deque[Session] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Write: everything inside is committed together, durably, or not at all."""
        with self._writer.transaction() as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Read: one snapshot, as of the first statement inside."""
        try:
            session = self._readers.pop()
        except IndexError:
            session = Session(self._connect_reader())
        session.driver.execute("BEGIN")
        try:
            yield session
        finally:
            session.driver.execute("ROLLBACK")
            self._readers.append(session)

    def upgrade(self, *, custodian: str = "default", clock: Clock = now) -> None:
        """Create what is missing: schema, and the custodian with a random secret namespace.

        Raises Misconfigured if the schema was made by another version of fhirbridge.
        """
        with self.transaction() as session:
            tables.metadata.create_all(session.connection)
            found = session.execute(sa.select(tables.schema_info.c.version)).scalar()
            if found is None:
                session.execute(sa.insert(tables.schema_info).values(version=tables.SCHEMA_VERSION))
            else:
                _check_version(found)
            known = sa.select(tables.custodians.c.id).where(tables.custodians.c.name == custodian)
            if session.execute(known).scalar() is None:
                row = {"name": custodian, "namespace": str(uuid4()), "created_at": clock()}
                session.execute(sa.insert(tables.custodians).values(row))

    def check(self) -> None:
        """Raise Misconfigured unless the schema is there and of this version."""
        with self.read() as session:
            if not sa.inspect(session.connection).has_table(tables.schema_info.name):
                raise _misconfigured("The database has no schema. Run `fhirbridge db upgrade`.")
            _check_version(session.execute(sa.select(tables.schema_info.c.version)).scalar())

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
            self._readers.pop().connection.close()
        self.engine.dispose()

    def _connect_writer(self) -> sa.Connection:
        connection = self.engine.connect()
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        return connection

    def _connect_reader(self) -> sa.Connection:
        connection = self.engine.connect()
        connection.exec_driver_sql("PRAGMA query_only=ON")
        return connection


def _parse(url: str) -> sa.URL:
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as exc:
        raise _misconfigured("The database URL cannot be read.") from exc
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise _misconfigured("The database URL must name a SQLite file: sqlite:///path/to/file.db.")
    return parsed


def _prepare(connection: object, _record: object) -> None:
    execute = connection.execute  # type: ignore[attr-defined]
    execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
    execute("PRAGMA synchronous=FULL")
    execute("PRAGMA foreign_keys=ON")
    execute("PRAGMA cache_size=-16000")
    execute("PRAGMA temp_store=MEMORY")


def _check_version(found: int | None) -> None:
    if found != tables.SCHEMA_VERSION:
        raise _misconfigured(
            f"The database has schema {found}, this program needs {tables.SCHEMA_VERSION}."
            " Run `fhirbridge db upgrade`."
        )


def _misconfigured(text: str) -> Misconfigured:
    return Misconfigured(Issue("exception", text))
