"""PostgreSQL shows a connection the rows of one custodian, whatever a statement asks for."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from fhirbridge.storage import resources, tables
from fhirbridge.storage.database import Database
from tests.postgresql import Postgres
from tests.unit.storage.shelf import Shelf, patient


@pytest.fixture
def mine(postgres: Postgres) -> Iterator[Shelf]:
    """What the default custodian holds: a patient with index rows."""
    database = Database(postgres.emptied())
    database.upgrade()
    database.upgrade(custodian="other")
    database.act_for(database.custodian())
    shelf = Shelf(database)
    shelf.put(patient("p1", birthDate="1980", identifier=[{"value": "1"}]))
    yield shelf
    database.close()


def count(database: Database, table: sa.Table) -> int:
    with database.read() as session:
        query = sa.select(sa.func.count()).select_from(table)
        return int(session.execute(query).scalar_one())


SOME = (tables.resources, tables.resource_versions, tables.index_tokens, tables.index_dates)


def test_own_rows_are_there(mine: Shelf) -> None:
    assert all(count(mine.database, table) for table in SOME)


def test_another_custodian_sees_nothing(mine: Shelf) -> None:
    mine.database.act_for(mine.database.custodian("other"))

    assert [count(mine.database, table) for table in SOME] == [0] * len(SOME)
    with mine.database.read() as session:
        # even if the statement names the first custodian
        assert resources.read(session, mine.custodian_id, "Patient", "p1") is None


def test_without_a_custodian_nothing_is_seen(mine: Shelf, postgres: Postgres) -> None:
    database = Database(postgres.url)

    assert [count(database, table) for table in SOME] == [0] * len(SOME)
    database.close()


def test_rows_of_another_cannot_be_written(mine: Shelf) -> None:
    mine.database.act_for(mine.database.custodian("other"))

    with (
        pytest.raises(psycopg.errors.InsufficientPrivilege),
        mine.database.transaction() as session,
    ):
        resources.create(session, mine.circumstances(), patient("p2"), resource_id="p2")
    with mine.database.transaction() as session:
        changed = session.execute(sa.update(tables.resources).values(deleted=True))
        removed = session.execute(sa.delete(tables.index_tokens))
        assert (changed.rowcount, removed.rowcount) == (0, 0)


def test_every_table_with_a_custodian_is_protected(mine: Shelf, postgres: Postgres) -> None:
    with postgres.connect() as connection:
        forced = connection.execute(
            "SELECT relname FROM pg_class WHERE relrowsecurity AND relforcerowsecurity"
        ).fetchall()

    owned = {table.name for table in tables.metadata.sorted_tables if "custodian_id" in table.c}
    assert {name for (name,) in forced} == owned


def test_tests_run_as_a_role_that_is_not_above_it(postgres: Postgres) -> None:
    with psycopg.connect(postgres.url.replace("+psycopg", "")) as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        ).fetchone()

    assert row == (False, False)
