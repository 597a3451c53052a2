"""Another process that writes to a database, and does not end."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from fhirbridge.storage.database import Database
from fhirbridge.storage.postgresql import WRITE_LOCK


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Keep everyone else from writing; they wait for a moment only."""
    url = database.engine.url
    is_sqlite = url.get_backend_name() == "sqlite"
    with database.transaction() as session:
        session.driver.execute("PRAGMA busy_timeout=1" if is_sqlite else "SET lock_timeout = 1")
    if is_sqlite:
        other = sqlite3.connect(database.path)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.close()
        return
    dsn = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(dsn) as connection:
        connection.execute(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")
        yield
