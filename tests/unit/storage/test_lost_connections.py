"""PostgreSQL may hang up: a transaction under way fails as a whole, and the next one works."""

from collections.abc import Iterator

import pytest

from fhirbridge.errors import Unavailable
from fhirbridge.storage import resources
from fhirbridge.storage.database import Database
from tests.postgresql import Postgres
from tests.unit.storage.shelf import Shelf, patient


@pytest.fixture
def shelf(postgres: Postgres) -> Iterator[Shelf]:
    database = Database(postgres.emptied())
    database.upgrade()
    database.act_for(database.custodian())
    yield Shelf(database)
    database.close()


def hang_up(postgres: Postgres) -> None:
    """Close all connections of the database, as a restart of the server does."""
    with postgres.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND usename = 'fhirbridge_tests'"
        )


def test_connections_that_waited_are_made_again(shelf: Shelf, postgres: Postgres) -> None:
    shelf.put(patient("p1"))
    assert shelf.ids("Patient") == ["p1"]

    hang_up(postgres)

    assert shelf.ids("Patient") == ["p1"]
    shelf.put(patient("p2"))
    assert shelf.found("Patient") == {"p1", "p2"}


def test_transaction_that_loses_its_connection_leaves_nothing(
    shelf: Shelf, postgres: Postgres
) -> None:
    with pytest.raises(Unavailable), shelf.database.transaction() as session:
        resources.create(session, shelf.circumstances(), patient("p1"), resource_id="p1")
        hang_up(postgres)
        resources.create(session, shelf.circumstances(), patient("p2"), resource_id="p2")

    shelf.put(patient("p3"))
    assert shelf.ids("Patient") == ["p3"]


def test_lost_commit_is_not_acknowledged(shelf: Shelf, postgres: Postgres) -> None:
    with pytest.raises(Unavailable), shelf.database.transaction() as session:
        resources.create(session, shelf.circumstances(), patient("p1"), resource_id="p1")
        hang_up(postgres)

    assert shelf.ids("Patient") == []


def test_snapshot_that_loses_its_connection_is_unavailable(
    shelf: Shelf, postgres: Postgres
) -> None:
    with pytest.raises(Unavailable), shelf.database.read() as session:
        hang_up(postgres)
        resources.read(session, shelf.custodian_id, "Patient", "p1")


def test_server_that_is_not_there_is_unavailable(postgres: Postgres) -> None:
    database = Database(postgres.url.replace(f"/{postgres.name}?", "/nothing_here?"))

    with pytest.raises(Unavailable):
        database.upgrade()
    database.close()
