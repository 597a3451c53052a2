"""A PostgreSQL database, used as a SQLite file is: one writer at a time, readers on snapshots.

A writer takes one advisory lock before its first statement and keeps it until its commit, so
that all writes of all processes happen one after the other (docs/decisions/006-postgresql.md).
Row-level security shows a connection the rows of one custodian only.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from psycopg.types.string import StrDumperUnknown
from sqlalchemy.pool import NullPool

from fhirbridge.storage.session import Session

LOCK_TIMEOUT_SECONDS = 30
IDLE_TIMEOUT_SECONDS = 300

WRITE_LOCK = 0x66686972  # "fhir"; advisory locks belong to one database
_PREPARED_STATEMENTS = 500
_BEGIN_WRITE = f"BEGIN; SELECT pg_advisory_xact_lock({WRITE_LOCK})"
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SETTINGS = (
    # A writer that hangs must not stop all others for ever.
    f"SET lock_timeout = {LOCK_TIMEOUT_SECONDS * 1000};"
    f"SET idle_in_transaction_session_timeout = {IDLE_TIMEOUT_SECONDS * 1000};"
    # Compiling a plan takes longer than carrying it out.
    "SET jit = off;"
    # A plan kept for all values takes each type for as frequent as the average, and would read
    # the table from its beginning until a rare one has come up often enough.
    "SET enable_seqscan = off;"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
_WITH_CUSTODIAN = (
    "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE a.attname = 'custodian_id' AND NOT a.attisdropped AND c.relkind IN ('r', 'p')"
    " AND c.relnamespace = current_schema()::regnamespace ORDER BY c.relname"
)
_MINE = "custodian_id = nullif(current_setting('fhirbridge.custodian_id', true), '')::integer"


class Driver:
    """A psycopg connection that is called as SQLite's is, and answers with tuples."""

    __slots__ = ("connection", "custodian_id")

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self.connection = connection
        self.custodian_id = 0  # whose rows it shows

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "psycopg.Cursor[Any]":
        """Run one statement with `?` or `%s` for each parameter."""
        return self.connection.cursor(binary=True).execute(_formatted(sql), parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each set of parameters, in one exchange with the server."""
        self.connection.cursor().executemany(_formatted(sql), parameters)


@lru_cache(maxsize=4096)
def _formatted(sql: str) -> bytes:
    return sql.replace("?", "%s").encode()


class _Text(StrDumperUnknown):
    """Text without NUL, which PostgreSQL cannot hold and FHIR does not allow."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\uffff") if "\0" in obj else obj)


class Postgresql:
    """Opens connections, and begins and ends what is done on them."""

    def __init__(self, url: sa.URL) -> None:
        # Connections are kept by the writer and the reader list, as for SQLite.
        self.engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            paramstyle="format",
            use_native_hstore=False,
        )
        sa.event.listen(self.engine, "connect", _prepare)
        self._custodian_id = 0

    def act_for(self, custodian_id: int) -> None:
        """Show connections the rows of this custodian from their next transaction on."""
        self._custodian_id = custodian_id

    def writer(self) -> Session:
        """A new connection to write with."""
        return self._connect()

    def reader(self) -> Session:
        """A new connection to read with."""
        return self._connect()

    def migrator(self) -> Session:
        """A new connection to change tables with."""
        return self._connect()

    def begin_write(self, session: Session) -> None:
        """Begin, and wait for the turn of this process."""
        self._show(session.driver)
        # Every later statement sees what was committed before the lock was given.
        session.driver.connection.execute(_BEGIN_WRITE)

    def end_write(self) -> None:
        """Nothing: the lock ends with the transaction."""

    def begin_read(self, session: Session) -> None:
        """Begin a snapshot."""
        self._show(session.driver)
        session.driver.connection.execute(_BEGIN_READ)

    def prepare_glance(self, session: Session) -> None:
        """Show the rows of the custodian; a statement is a snapshot."""
        self._show(session.driver)

    def in_transaction(self, session: Session) -> bool:
        """True until it is committed or rolled back."""
        status = session.driver.connection.info.transaction_status
        return status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def is_lost(self, session: Session) -> bool:
        """True if the server hung up."""
        return bool(session.driver.connection.closed)

    def is_fault_of_database(self, error: BaseException) -> bool:
        """True if the server could not be used now, and may be later."""
        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        return isinstance(cause, psycopg.OperationalError | OSError)

    def before_migration(self, session: Session) -> None:
        """Let a migration see all rows."""
        self._protect(session, "ALTER TABLE {0} NO FORCE ROW LEVEL SECURITY")

    def after_migration(self, session: Session) -> None:
        """Put row-level security on every table with a custodian, for its owner too."""
        self._protect(
            session,
            "DROP POLICY IF EXISTS custodian ON {0}",
            f"CREATE POLICY custodian ON {{0}} USING ({_MINE})",
            "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY",
            "ALTER TABLE {0} FORCE ROW LEVEL SECURITY",
        )

    def close(self) -> None:
        """Give the engine back."""
        self.engine.dispose()

    def _connect(self) -> Session:
        connection = self.engine.connect()
        return Session(connection, Driver(connection.connection.dbapi_connection))  # type: ignore[arg-type]

    def _show(self, driver: Driver) -> None:
        """Set whose rows the connection shows, if it shows those of another."""
        if driver.custodian_id != self._custodian_id:
            driver.execute(
                "SELECT set_config('fhirbridge.custodian_id', ?, false)", (str(self._custodian_id),)
            )
            driver.custodian_id = self._custodian_id

    def _protect(self, session: Session, *statements: str) -> None:
        for (table,) in session.driver.execute(_WITH_CUSTODIAN).fetchall():
            for statement in statements:
                session.driver.execute(statement.format(table))


def _prepare(connection: "psycopg.Connection[Any]", _record: object) -> None:
    connection.prepared_max = _PREPARED_STATEMENTS
    # One size of integers, so that a statement is prepared once.
    connection.adapters.register_dumper(int, Int8BinaryDumper)
    connection.adapters.register_dumper(str, _Text)
    connection.execute(_SETTINGS)
