"""The one writer of a database in this process, with group commit.

A durable commit waits for the disk. Writers that wait for their turn therefore share one: each
works inside a savepoint of the open transaction, hands over to the next, and waits; the last one
commits for all. An error rolls back its own savepoint only. Nobody returns before the commit.

What needs nothing but to be written (`together`) waits in a list, and whoever has the turn writes
all of it at once, inside one savepoint.

Between processes, the backend gives one turn after the other.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fhirbridge.errors import Issue, Unavailable
from fhirbridge.storage.backend import Backend
from fhirbridge.storage.session import Session

MAX_GROUP = 64  # transactions that share one commit; others wait for the next
_PATIENCE_SECONDS = 0.1


T = TypeVar("T")


class _Group:
    """Transactions that share one commit."""

    def __init__(self) -> None:
        self.size = 0
        self.done = threading.Event()
        self.error: BaseException | None = None


class _Item:
    """Something to be written together with others; `group` or `error` once that was done."""

    __slots__ = ("content", "error", "group", "write")

    def __init__(self, write: Callable[[Session, list[Any]], object], content: Any) -> None:
        self.write = write
        self.content = content
        self.group: _Group | None = None
        self.error: BaseException | None = None


def discard(session: Session) -> None:
    """Close a connection, also one that the server hung up on."""
    session.connection.invalidate()
    session.connection.close()


class Writer:
    """Serialises the write transactions of this process and shares commits among them."""

    def __init__(self, backend: Backend, connect: Callable[[], Session]) -> None:
        self._backend = backend
        self._connect = connect
        self._turn = threading.Lock()
        self._waiting = 0
        self._waiting_lock = threading.Lock()
        self._owner: int | None = None
        self._group: _Group | None = None
        self._session: Session | None = None
        self._items: deque[_Item] = deque()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Everything inside is committed together, durably, or not at all."""
        if self._owner == threading.get_ident():
            raise RuntimeError("A transaction was opened inside a transaction.")
        session, group = self._enter()
        try:
            yield session
            session.flush()
        except BaseException:
            session.forget()
            self._leave(session, group, keep=False)
            raise
        session.forget()
        self._leave(session, group, keep=True)
        self._await(group)

    def together(self, write: Callable[[Session, list[T]], object], content: T) -> None:
        """Write something durably, with what others want written by the same function."""
        if self._owner == threading.get_ident():
            raise RuntimeError("A transaction was opened inside a transaction.")
        item = _Item(write, content)
        self._items.append(item)
        with self._turn:
            try:
                if item.group is None:
                    self._write_items()
            except BaseException:
                if item.group is None:  # it waits still, and nobody else takes it meanwhile
                    self._items.remove(item)
                raise
        assert item.group is not None  # noqa: S101
        if item.error is not None:
            raise self._unavailable(item.error) from item.error
        self._await(item.group)

    def close(self) -> None:
        """Close the connection."""
        with self._turn:
            if self._session is not None:
                discard(self._session)
                self._session = None

    def _enter(self) -> tuple[Session, _Group]:
        with self._waiting_lock:
            self._waiting += 1
        try:
            self._turn.acquire()
        finally:
            with self._waiting_lock:
                self._waiting -= 1
        try:
            session, group = self._open()
            self._mark(session, group)
            self._owner = threading.get_ident()
        except BaseException:
            self._turn.release()
            raise
        return session, group

    def _open(self) -> tuple[Session, _Group]:
        """The transaction under way and its group, or new ones."""
        if self._group is None:
            self._session = self._begin()
            self._group = _Group()
        assert self._session is not None  # noqa: S101
        return self._session, self._group

    def _write_items(self) -> None:
        """Write what waits in the list, and commit unless somebody else is about to."""
        session, group = self._open()
        by_write: dict[Callable[[Session, list[Any]], object], list[_Item]] = {}
        while self._items:
            item = self._items.popleft()
            item.group = group
            by_write.setdefault(item.write, []).append(item)
        for write, items in by_write.items():
            self._mark(session, group)
            try:
                write(session, [item.content for item in items])
                session.flush()
            except BaseException as exc:
                session.forget()
                for item in items:
                    item.error = exc
            self._unmark(session, group, keep=len(items) if items[0].error is None else 0)
        if self._waiting == 0 or group.size >= MAX_GROUP:
            self._finish(session, group)

    def _mark(self, session: Session, group: _Group) -> None:
        try:
            session.driver.execute("SAVEPOINT caller")
        except BaseException as exc:
            self._finish(session, group, error=exc)
            raise self._unavailable(exc) from exc

    def _unmark(self, session: Session, group: _Group, *, keep: int) -> None:
        """Keep what so many have written since `_mark`, or nothing of it."""
        try:
            if not keep:
                session.driver.execute("ROLLBACK TO caller")
            session.driver.execute("RELEASE caller")
            group.size += keep
        except BaseException as exc:
            # The database gave up the whole transaction (disk full, connection lost): nobody is
            # committed.
            self._finish(session, group, error=exc)
            raise self._unavailable(exc) from exc

    def _begin(self) -> Session:
        """A session in a new transaction; the connection is made again if it was lost."""
        try:
            if self._session is not None:
                try:
                    self._backend.begin_write(self._session)
                    return self._session
                except BaseException:
                    if not self._backend.is_lost(self._session):
                        self._undo(self._session)
                        raise
                    discard(self._session)
                    self._session = None
            session = self._connect()
            try:
                self._backend.begin_write(session)
            except BaseException:
                discard(session)
                raise
            return session
        except BaseException as exc:
            raise self._unavailable(exc) from exc

    def _leave(self, session: Session, group: _Group, *, keep: bool) -> None:
        try:
            self._unmark(session, group, keep=int(keep))
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
            error = error or exc
            self._abandon(session)
        finally:
            group.error = error
            self._group = None
            self._backend.end_write()
            group.done.set()

    def _abandon(self, session: Session) -> None:
        """Undo, at worst with the connection: nothing of it may be committed by the next."""
        try:
            self._undo(session)
        except BaseException:
            self._session = None
            discard(session)

    def _undo(self, session: Session) -> None:
        """Roll back what is not committed."""
        if self._backend.in_transaction(session):
            session.driver.execute("ROLLBACK")

    def _await(self, group: _Group) -> None:
        """Wait for the commit; whoever was to make it may have been interrupted: then make it."""
        while not group.done.wait(_PATIENCE_SECONDS):
            if self._turn.acquire(timeout=_PATIENCE_SECONDS):
                try:
                    if not group.done.is_set() and self._session is not None:
                        self._finish(self._session, group)
                finally:
                    self._turn.release()
        if group.error is not None:
            raise self._unavailable(group.error) from group.error

    def _unavailable(self, error: BaseException) -> BaseException:
        """What callers see when nothing can be written now; faults of ours stay what they are."""
        if self._backend.is_fault_of_database(error):
            return Unavailable(Issue("transient", "The database cannot be written now. Try again."))
        return error
