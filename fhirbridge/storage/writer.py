"""The one writer of a SQLite file in this process, with group commit.

A durable commit waits for the disk. Writers that wait for their turn therefore share one: each
works inside a savepoint of the open transaction, hands over to the next, and waits; the last one
commits for all. An error rolls back its own savepoint only. Nobody returns before the commit.

Between processes, `flock` on `<file>.writer` is taken before BEGIN IMMEDIATE: the kernel serves
it in order, where SQLite's own busy handler polls and starves.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from fhirbridge.errors import Issue, Unavailable
from fhirbridge.storage.session import Session

MAX_GROUP = 64  # transactions that share one commit; others wait for the next
_PATIENCE_SECONDS = 0.1


class _Group:
    """Transactions that share one commit."""

    def __init__(self) -> None:
        self.size = 0
        self.done = threading.Event()
        self.error: BaseException | None = None


class Writer:
    """Serialises the write transactions of this process and shares commits among them."""

    def __init__(self, connect: Callable[[], sa.Connection], lock_path: Path | None) -> None:
        self._connect = connect
        self._lock_path = lock_path
        self._lock_file: int | None = None
        self._turn = threading.Lock()
        self._waiting = 0
        self._waiting_lock = threading.Lock()
        self._owner: int | None = None
        self._group: _Group | None = None
        self._session: Session | None = None

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Everything inside is committed together, durably, or not at all."""
        if self._owner == threading.get_ident():
            raise RuntimeError("A transaction was opened inside a transaction.")
        session, group = self._enter()
        try:
            yield session
        except BaseException:
            self._leave(session, group, keep=False)
            raise
        self._leave(session, group, keep=True)
        self._await(session, group)

    def close(self) -> None:
        """Close the connection and the lock file."""
        with self._turn:
            if self._session is not None:
                self._session.connection.close()
                self._session = None
            if self._lock_file is not None:
                os.close(self._lock_file)
                self._lock_file = None

    def _enter(self) -> tuple[Session, _Group]:
        with self._waiting_lock:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._waiting_lock:
                self._waiting -= 1
        try:
            if self._session is None:
                self._session = Session(self._connect())
            session = self._session
            if self._group is None:
                self._begin(session)
                self._group = _Group()
            group = self._group
            session.driver.execute("SAVEPOINT caller")
            self._owner = threading.get_ident()
        except BaseException:
            self._turn.release()
            raise
        return session, group

    def _begin(self, session: Session) -> None:
        if self._lock_path is not None:
            if self._lock_file is None:
                self._lock_file = os.open(self._lock_path, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock_file, fcntl.LOCK_EX)
        try:
            session.driver.execute("BEGIN IMMEDIATE")
        except BaseException as exc:
            self._unlock()
            raise _unavailable(exc) from exc

    def _unlock(self) -> None:
        if self._lock_file is not None:
            fcntl.flock(self._lock_file, fcntl.LOCK_UN)

    def _leave(self, session: Session, group: _Group, *, keep: bool) -> None:
        try:
            try:
                if keep:
                    session.driver.execute("RELEASE caller")
                    group.size += 1
                else:
                    session.driver.execute("ROLLBACK TO caller")
                    session.driver.execute("RELEASE caller")
            except BaseException as exc:
                # SQLite gave up the whole transaction (disk full, I/O error): nobody is committed.
                self._finish(session, group, error=exc)
                raise
            if self._waiting == 0 or group.size >= MAX_GROUP:
                self._finish(session, group)
        finally:
            self._owner = None
            self._turn.release()

    def _finish(
        self, session: Session, group: _Group, *, error: BaseException | None = None
    ) -> None:
        """Commit the group, or undo it after an error; wakes everyone who waits for it."""
        try:
            if error is None and group.size:
                session.driver.execute("COMMIT")
            else:
                self._undo(session)
        except BaseException as exc:
            error = exc
            self._undo(session)
        group.error = error
        self._group = None
        self._unlock()
        group.done.set()

    def _undo(self, session: Session) -> None:
        if session.driver.in_transaction:
            session.driver.execute("ROLLBACK")

    def _await(self, session: Session, group: _Group) -> None:
        """Wait for the commit; whoever was to make it may have been interrupted: then make it."""
        while not group.done.wait(_PATIENCE_SECONDS):
            if self._turn.acquire(timeout=_PATIENCE_SECONDS):
                try:
                    if not group.done.is_set():
                        self._finish(session, group)
                finally:
                    self._turn.release()
        if group.error is not None:
            raise _unavailable(group.error) from group.error


def _unavailable(error: BaseException) -> BaseException:
    """What callers see when SQLite cannot begin or commit; faults of ours stay what they are."""
    if isinstance(error, (sqlite3.OperationalError, OSError)):
        return Unavailable(Issue("transient", "The database cannot be written now. Try again."))
    return error
