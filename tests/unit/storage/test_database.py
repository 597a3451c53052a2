"""Write transactions share commits and nothing else; reads are snapshots."""

import multiprocessing
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from fhirbridge.errors import Misconfigured, Unavailable
from fhirbridge.storage import tables
from fhirbridge.storage.database import Database
from fhirbridge.storage.session import Session
from fhirbridge.storage.writer import Writer, _Group
from tests.locking import locked

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    made.upgrade()
    yield made
    made.close()


def insert(session: Session, name: str) -> None:
    session.execute(sa.insert(tables.custodians).values(name=name, namespace="n", created_at=NOW))


def names(database: Database) -> set[str]:
    with database.read() as session:
        found = session.execute(sa.select(tables.custodians.c.name)).scalars()
        return set(found) - {"default"}


def insert_many(url: str, prefix: str, count: int) -> None:
    """What another process does."""
    other = Database(url)
    for number in range(count):
        with other.transaction() as session:
            insert(session, f"{prefix}{number}")
    other.close()


class TestTransaction:
    def test_what_is_written_is_there_afterwards(self, database: Database) -> None:
        with database.transaction() as session:
            insert(session, "a")

        assert names(database) == {"a"}

    def test_error_undoes_its_own_work_only(self, database: Database) -> None:
        with database.transaction() as session:
            insert(session, "a")
        with pytest.raises(ZeroDivisionError), database.transaction() as session:
            insert(session, "b")
            _ = 1 / 0

        assert names(database) == {"a"}

    def test_readers_see_all_of_it_or_nothing(self, database: Database) -> None:
        with database.transaction() as session:
            insert(session, "a")
            insert(session, "b")
            assert names(database) == set()

        assert names(database) == {"a", "b"}

    def test_read_is_one_snapshot(self, database: Database) -> None:
        with database.read() as session:
            count = sa.select(sa.func.count()).select_from(tables.custodians)
            before = session.execute(count).scalar()
            with database.transaction() as writing:
                insert(writing, "a")

            assert session.execute(count).scalar() == before

    def test_readers_cannot_write(self, database: Database) -> None:
        with pytest.raises(sa.exc.DBAPIError), database.read() as session:
            insert(session, "a")

    def test_transaction_inside_a_transaction_is_a_fault_of_ours(self, database: Database) -> None:
        with (
            pytest.raises(RuntimeError),
            database.transaction() as session,
        ):
            insert(session, "a")
            with database.transaction():
                pass

        assert names(database) == set()

    def test_commit_is_durable_before_it_returns(self, database: Database) -> None:
        is_sqlite = database.engine.dialect.name == "sqlite"
        setting = "PRAGMA synchronous" if is_sqlite else "SHOW synchronous_commit"
        with database.transaction() as session:
            insert(session, "a")
            found = session.driver.execute(setting).fetchone()

        assert found == ((2,) if is_sqlite else ("on",))  # FULL


class TestGroups:
    def test_threads_share_commits_and_lose_nothing(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commits: list[_Group] = []
        finish = Writer._finish

        def counted(self: Writer, session: Session, group: _Group, **kwargs: object) -> None:
            commits.append(group)
            finish(self, session, group, **kwargs)  # type: ignore[arg-type]

        monkeypatch.setattr(Writer, "_finish", counted)

        def work(worker: int) -> None:
            for number in range(20):
                with database.transaction() as session:
                    insert(session, f"{worker}-{number}")

        run_in_threads(work, 8)

        assert len(names(database)) == 160
        assert len(commits) < 160

    def test_failing_member_of_a_group_does_not_harm_the_others(self, database: Database) -> None:
        def work(worker: int) -> None:
            for number in range(20):
                try:
                    with database.transaction() as session:
                        insert(session, f"{worker}-{number}")
                        if number % 3 == 0:
                            raise ValueError
                except ValueError:
                    continue

        run_in_threads(work, 8)

        assert names(database) == {f"{w}-{n}" for w in range(8) for n in range(20) if n % 3}

    def test_nobody_returns_before_the_commit(self, database: Database) -> None:
        seen_by_others: list[bool] = []

        def work(worker: int) -> None:
            for number in range(20):
                with database.transaction() as session:
                    insert(session, f"{worker}-{number}")
                seen_by_others.append(f"{worker}-{number}" in names(database))

        run_in_threads(work, 8)

        assert seen_by_others == [True] * 160

    def test_what_cannot_be_undone_is_not_committed_by_the_next(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = Writer._finish

        def broken(self: Writer, session: Session, group: object, **kwargs: object) -> None:
            finish(self, session, group, error=OSError("disk full"))  # type: ignore[arg-type]

        def no_undo(self: Writer, session: Session) -> None:
            raise OSError("disk full")

        monkeypatch.setattr(Writer, "_finish", broken)
        monkeypatch.setattr(Writer, "_undo", no_undo)
        with pytest.raises(Unavailable), database.transaction() as session:
            insert(session, "a")
        monkeypatch.undo()

        with database.transaction() as session:
            insert(session, "b")
        assert names(database) == {"b"}

    def test_lost_commit_fails_every_member(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        finish = Writer._finish

        def broken(self: Writer, session: Session, group: object, **kwargs: object) -> None:
            finish(self, session, group, error=OSError("disk full"))  # type: ignore[arg-type]

        monkeypatch.setattr(Writer, "_finish", broken)
        with pytest.raises(Unavailable) as caught, database.transaction() as session:
            insert(session, "a")
        assert isinstance(caught.value.__cause__, OSError)
        monkeypatch.undo()

        assert names(database) == set()
        with database.transaction() as session:
            insert(session, "b")
        assert names(database) == {"b"}

    def test_locked_database_is_unavailable(self, database: Database) -> None:
        with locked(database), pytest.raises(Unavailable), database.transaction():
            pass

        with database.transaction() as session:
            insert(session, "a")
        assert names(database) == {"a"}

    def test_connection_that_cannot_begin_is_closed(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = database._backend
        opened: list[Session] = []

        def connect() -> Session:
            opened.append(backend.writer())
            return opened[-1]

        def fail(session: Session) -> None:
            raise OSError

        monkeypatch.setattr(backend, "begin_write", fail)
        with pytest.raises(Unavailable), Writer(backend, connect).transaction():
            pass

        assert [session.connection.closed for session in opened] == [True]

    def test_processes_take_turns(self, database: Database) -> None:
        url = database.engine.url.render_as_string(hide_password=False)
        context = multiprocessing.get_context("spawn")
        others = [context.Process(target=insert_many, args=(url, f"{n}-", 30)) for n in range(2)]
        for other in others:
            other.start()
        insert_many(url, "here-", 30)
        for other in others:
            other.join(60)

        assert [other.exitcode for other in others] == [0, 0]
        assert len(names(database)) == 90


class TestTogether:
    def test_writers_are_served_together_and_return_after_the_commit(
        self, database: Database
    ) -> None:
        calls: list[int] = []
        seen_by_others: list[bool] = []

        def insert_all(session: Session, found: list[str]) -> None:
            calls.append(len(found))
            for name in found:
                insert(session, name)

        def work(worker: int) -> None:
            for number in range(20):
                name = f"{worker}-{number}"
                if number % 5:
                    database.together(insert_all, name)
                else:
                    with database.transaction() as session:
                        insert(session, name)
                seen_by_others.append(name in names(database))

        run_in_threads(work, 8)

        assert seen_by_others == [True] * 160
        assert len(names(database)) == 160
        assert sum(calls) == 128

    def test_failure_is_told_to_everyone_who_waits(self, database: Database) -> None:
        def fail(_session: Session, _found: list[str]) -> None:
            raise OSError("disk full")

        with pytest.raises(Unavailable) as caught:
            database.together(fail, "a")

        assert isinstance(caught.value.__cause__, OSError)
        database.together(lambda session, found: insert(session, found[0]), "b")
        assert names(database) == {"b"}

    def test_failing_batch_does_not_harm_the_others(self, database: Database) -> None:
        def good(session: Session, found: list[str]) -> None:
            for name in found:
                insert(session, name)

        def bad(session: Session, found: list[str]) -> None:
            good(session, found)
            raise OSError("disk full")

        refused: list[str] = []

        def work(worker: int) -> None:
            for number in range(10):
                name = f"{worker}-{number}"
                try:
                    database.together(good if worker % 2 else bad, name)
                except Unavailable:
                    refused.append(name)

        run_in_threads(work, 8)

        assert {name[0] for name in refused} == {"0", "2", "4", "6"}
        assert len(refused) == 40
        assert names(database) == {f"{w}-{n}" for w in (1, 3, 5, 7) for n in range(10)}

    def test_locked_database_is_unavailable(self, database: Database) -> None:
        with locked(database), pytest.raises(Unavailable):
            database.together(lambda session, found: insert(session, found[0]), "a")

        database.together(lambda session, found: insert(session, found[0]), "b")
        assert names(database) == {"b"}

    def test_inside_a_transaction_it_is_a_fault_of_ours(self, database: Database) -> None:
        with pytest.raises(RuntimeError), database.transaction():
            database.together(lambda session, found: insert(session, found[0]), "a")


class TestUpgrade:
    def test_it_may_be_repeated_and_keeps_the_namespace(self, database: Database) -> None:
        before = database.custodian()

        database.upgrade()
        database.check()

        assert database.custodian() == before

    def test_namespaces_are_random(self, database: Database, tmp_path: Path) -> None:
        other = Database(f"sqlite:///{tmp_path / 'other.db'}")
        other.upgrade()

        assert other.custodian().namespace != database.custodian().namespace
        other.close()

    def test_another_custodian_can_be_added(self, database: Database) -> None:
        database.upgrade(custodian="second")

        assert database.custodian("second").id != database.custodian().id

    def test_unknown_custodian_is_refused(self, database: Database) -> None:
        with pytest.raises(Misconfigured, match="nobody"):
            database.custodian("nobody")

    @pytest.mark.parametrize(
        "url", ["nonsense", "sqlite://", "sqlite:///:memory:", "postgresql://x", "mysql://x/y"]
    )
    def test_url_must_name_a_file_or_a_postgresql_database(self, url: str) -> None:
        with pytest.raises(Misconfigured):
            Database(url)

    @pytest.mark.parametrize("name", ["no-folder/a.db", "notes.txt"])
    def test_file_that_cannot_be_opened_is_named(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "notes.txt").write_text("This is no database, although it is long enough. " * 9)
        other = Database(f"sqlite:///{tmp_path / name}")

        with pytest.raises(Misconfigured, match=name):
            other.upgrade()
        other.close()


def run_in_threads(work: object, count: int) -> None:
    threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
