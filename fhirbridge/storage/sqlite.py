"""A SQLite file: WAL, synchronous=FULL, foreign keys; safe for threads and processes.

Between processes, `flock` on `<file>.writer` is taken before BEGIN IMMEDIATE: the kernel serves
it in order, where SQLite's own busy handler polls and starves.
"""

import fcntl
import os
import sqlite3
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from fhirbridge.storage.session import Session

BUSY_TIMEOUT_SECONDS = 30


class Sqlite:
    """Opens connections to a file, and begins and ends what is done on them."""

    def __init__(self, url: sa.URL) -> None:
        self.path = Path(url.database or "")
        # Connections are kept by the writer and the reader list; a pool would only add cost.
        self.engine = sa.create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_SECONDS},
        )
        sa.event.listen(self.engine, "connect", _prepare)
        self._lock_path = self.path.with_name(self.path.name + ".writer")
        self._lock_file: int | None = None

    def act_for(self, custodian_id: int) -> None:
        """Nothing: a file has no row-level security."""

    def writer(self) -> Session:
        """A new connection to write with."""
        connection = self.engine.connect()
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        return Session(connection)

    def reader(self) -> Session:
        """A new connection to read with."""
        connection = self.engine.connect()
        connection.exec_driver_sql("PRAGMA query_only=ON")
        return Session(connection)

    def migrator(self) -> Session:
        """A new connection to change tables with, which SQLite does by making them again."""
        session = self.writer()
        session.driver.execute("PRAGMA foreign_keys=OFF")
        return session

    def begin_write(self, session: Session) -> None:
        """Wait for the turn of this process, and begin."""
        if self._lock_file is None:
            self._lock_file = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            session.driver.execute("BEGIN IMMEDIATE")
        except BaseException:
            self.end_write()
            raise

    def end_write(self) -> None:
        """Let the next process in, after the commit."""
        if self._lock_file is not None:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def begin_read(self, session: Session) -> None:
        """Begin a snapshot."""
        session.driver.execute("BEGIN")

    def prepare_glance(self, session: Session) -> None:
        """Nothing: a statement is a snapshot."""

    def in_transaction(self, session: Session) -> bool:
        """True until it is committed or rolled back."""
        return bool(session.driver.in_transaction)

    def is_lost(self, session: Session) -> bool:
        """Never: a file does not hang up."""
        return False

    def is_fault_of_database(self, error: BaseException) -> bool:
        """True if the file could not be used now, and may be later."""
        return isinstance(error, sqlite3.OperationalError | OSError)

    def before_migration(self, session: Session) -> None:
        """Nothing: the connection was opened for it."""

    def after_migration(self, session: Session) -> None:
        """Check that every reference still has its target."""
        broken = session.driver.execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"A migration broke references of the table {broken[0][0]}.")

    def close(self) -> None:
        """Give the lock file and the engine back."""
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None
        self.engine.dispose()


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    execute = connection.execute
    execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_SECONDS * 1000}")
    execute("PRAGMA synchronous=FULL")
    execute("PRAGMA foreign_keys=ON")
    execute("PRAGMA cache_size=-16000")
    execute("PRAGMA temp_store=MEMORY")
