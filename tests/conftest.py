"""What all tests share."""

import atexit
import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from werkzeug.routing import Rule

from fhirbridge.storage.database import Database
from tests.postgresql import Postgres, server

# No limit of time, so that a busy machine fails no test, and the same examples everywhere.
settings.register_profile("tests", max_examples=200, deadline=None, derandomize=True, database=None)
settings.load_profile("tests")

# Thousands of tests and all definitions are on the heap; looking through it as often as Python
# does by default took 8 to 17 % of the tests' time.
gc.set_threshold(100_000, 20, 100)


# Every application compiles the same routes anew, which took longer than most tests that ask one.
_compile_builder = Rule._compile_builder
_builders: dict[object, Callable[..., Any]] = {}


def _compiled_once(rule: Rule, append_unknown: bool = True) -> Callable[..., Any]:
    assert not rule.defaults
    key = (*rule._trace, append_unknown)
    if key not in _builders:
        _builders[key] = _compile_builder(rule, append_unknown)
    return _builders[key]


Rule._compile_builder = _compiled_once  # type: ignore[method-assign]


# The steps from nothing to the schema are taken once, and then what they made is copied: they took
# longer than most tests. Tests that ask for `empty_database_url` take them, and all processes.
_migrate = Database._migrate
_schema = sqlite3.connect(":memory:", check_same_thread=False)
atexit.register(_schema.close)


def _copy_schema(database: Database) -> None:
    if database.engine.dialect.name != "sqlite":
        _migrate(database)
        return
    with closing(sqlite3.connect(database.path)) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            _migrate(database)
        elif _schema.execute("SELECT 1 FROM sqlite_master").fetchone():
            _schema.backup(connection)
        else:
            _migrate(database)
            connection.backup(_schema)


Database._migrate = _copy_schema  # type: ignore[method-assign]


# Begun first, so that none of them is what everything waits for at the end.
_LONG = ("test_readme.py", "journeys/test_crash.py", "journeys/test_demo.py", "laws/")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are processors: many tests wait for a disk or for another process."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = Path(__file__).parent
    items.sort(key=lambda item: not str(item.path.relative_to(folder)).startswith(_LONG))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="Rewrite the golden files in fixtures/ from what the code does now.",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def postgres(worker_id: str, testrun_uid: str) -> Iterator[Postgres]:
    """A database of this process on the PostgreSQL server of the test run."""
    with server(testrun_uid) as url:
        made = Postgres(url, f"fhirbridge_{worker_id}_{os.getpid()}")
        yield made
        made.close()


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the schema, to be copied: making it takes longer than many a test."""
    path = tmp_path_factory.mktemp("sqlite") / "schema.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    with database.transaction() as session:
        session.driver.execute("DELETE FROM custodians")
    database.close()
    return path


@pytest.fixture
def sqlite_url(sqlite_file: Path, tmp_path: Path) -> str:
    """The URL of a SQLite file with the schema and without rows."""
    path = tmp_path / "server.db"
    shutil.copyfile(sqlite_file, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with the schema and without rows, of both kinds in turn."""
    if request.param == "sqlite":
        url: str = request.getfixturevalue("sqlite_url")
        return url
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.emptied()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The URL of a database without a schema, of both kinds in turn; it takes every step."""
    monkeypatch.setattr(Database, "_migrate", _migrate)
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    postgres: Postgres = request.getfixturevalue("postgres")
    return postgres.new_database("_empty")
