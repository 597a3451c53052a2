"""The steps of the schema lead to the tables as they are in code, on both databases."""

import importlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fhirbridge.errors import Misconfigured
from fhirbridge.storage import documents, history, migrations, outbox, resources, tables
from fhirbridge.storage.database import Database
from fhirbridge.storage.documents import DocumentKey
from fhirbridge.storage.history import Place
from tests.unit.storage.shelf import NOW, Shelf, patient

# A database as it was before Alembic, with rows; made by fhirbridge on SQLite.
FIRST = (Path(__file__).parent / "schema_1.sql").read_text()
LAST_BEFORE_ALEMBIC = "v0003_handoffs"


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


@pytest.fixture
def first(database: Database, tmp_path: Path) -> Database:
    """A database with the first schema, and rows in it."""
    is_sqlite = database.engine.dialect.name == "sqlite"
    path = database.path if is_sqlite else tmp_path / "first.db"
    source = sqlite3.connect(path)
    source.executescript(FIRST)
    if not is_sqlite:
        with database.transaction() as session:
            migrations.upgrade(session, LAST_BEFORE_ALEMBIC)
            copy_rows(source, session.connection)
    source.close()
    return database


def copy_rows(source: sqlite3.Connection, target: sa.Connection) -> None:
    """Put the rows of one database into another with the same tables."""
    metadata = sa.MetaData()
    metadata.reflect(target)
    source.row_factory = sqlite3.Row
    for table in metadata.sorted_tables:
        if table.name == "alembic_version":
            continue
        rows = [dict(row) for row in source.execute(f"SELECT * FROM {table.name}")]  # noqa: S608
        for row in rows:
            for column in table.columns:
                if isinstance(column.type, sa.Boolean):
                    row[column.name] = bool(row[column.name])
                if isinstance(column.type, sa.JSON) and row[column.name]:
                    row[column.name] = sa.text(f"'{row[column.name]}'")
            target.execute(sa.insert(table).values(**row))
        serial = sa.text(f"SELECT pg_get_serial_sequence('{table.name}', :name)")
        for column in table.primary_key:
            if len(table.primary_key) == 1 and target.scalar(serial, {"name": column.name}):
                last = sa.select(sa.func.coalesce(sa.func.max(column), 1)).scalar_subquery()
                name = sa.func.pg_get_serial_sequence(table.name, column.name)
                target.execute(sa.select(sa.func.setval(name, last)))


def test_data_of_the_first_schema_is_kept(first: Database) -> None:
    first.upgrade()

    first.check()
    assert str(first.custodian().namespace) == "6b1f0c9e-2f5e-4b53-9d0e-0f3a6f6f9a11"
    first.act_for(first.custodian())
    shelf = Shelf(first)
    assert shelf.ids("Patient", "identifier=urn:mrn|m1&birthdate=1980") == ["p1"]
    assert shelf.ids("Goal", "patient.name=doe") == ["g1"]
    assert shelf.ids("Observation", "value-quantity=5.5||mg") == ["o1"]
    assert shelf.ids("Questionnaire", "url=http://a.example/q") == ["q1"]
    key = DocumentKey("enrollment", "src", "r1")
    with first.transaction() as session:
        versions = history.versions(session, Place(shelf.custodian_id), count=99)
        assert [version.seq for version in versions] == [7, 6, 5, 4, 3, 2, 1]
        deleted = resources.read(session, shelf.custodian_id, "Goal", "g2")
        assert deleted is not None
        assert deleted.deleted
        document = documents.find(session, shelf.custodian_id, key)
        assert document is not None
        assert (document.content, document.conversion) == (b'{"a":1}', {"pack": "x"})
        claimed = outbox.claim(session, shelf.custodian_id, "worker", now=NOW)
        assert claimed is not None
        assert claimed.body == b'{"resourceType":"Bundle"}'


def test_work_goes_on_after_the_first_schema(first: Database) -> None:
    first.upgrade()
    first.act_for(first.custodian())
    shelf = Shelf(first)

    shelf.put(patient("p9"))

    with first.read() as session:
        written = resources.read(session, shelf.custodian_id, "Patient", "p9")
    assert written is not None
    assert written.seq == 8
