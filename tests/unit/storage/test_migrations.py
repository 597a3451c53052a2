"""The steps of the schema lead to the tables as they are in code, on both databases."""

import importlib
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fhirbridge.errors import Misconfigured
from fhirbridge.storage import migrations, tables
from fhirbridge.storage.database import Database


@pytest.fixture
def database(empty_database_url: str) -> Iterator[Database]:
    """A database without a schema."""
    made = Database(empty_database_url)
    yield made
    made.close()


def test_steps_lead_to_the_tables_in_code(database: Database) -> None:
    database.upgrade()

    with database.read() as session:
        # Alembic misreads empty texts as defaults on SQLite.
        is_postgresql = session.connection.dialect.name == "postgresql"
        options = {"compare_type": True, "compare_server_default": is_postgresql}
        context = MigrationContext.configure(session.connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []


def test_steps_follow_each_other() -> None:
    steps = [
        importlib.import_module(f"{migrations.__name__}.versions.{name}")
        for name in migrations.REVISIONS
    ]

    assert [step.revision for step in steps] == list(migrations.REVISIONS)
    assert [step.down_revision for step in steps] == [None, *migrations.REVISIONS[:-1]]


def test_newer_schema_is_refused_by_name(database: Database) -> None:
    database.upgrade()
    with database.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'v9999_tomorrow'"))

    with pytest.raises(Misconfigured, match="v9999_tomorrow"):
        database.check()
    with pytest.raises(Misconfigured, match="v9999_tomorrow"):
        database.upgrade()


def test_older_schema_is_named_until_it_is_upgraded(database: Database) -> None:
    database.upgrade()
    with database.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = 'v0003_handoffs'"))

    with pytest.raises(Misconfigured, match=r"v0003_handoffs.*db upgrade"):
        database.check()


def test_database_without_a_schema_says_what_to_do(database: Database) -> None:
    with pytest.raises(Misconfigured, match="db upgrade"):
        database.check()
