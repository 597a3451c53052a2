"""`fhirbridge db`, and `work` on both databases."""

import os
import subprocess
from pathlib import Path

import sqlalchemy as sa

from fhirbridge.storage import migrations
from fhirbridge.storage.database import Database
from tests import commands


def run(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return commands.run(
        "fhirbridge", *arguments, cwd=folder, env={**os.environ, "FHIRBRIDGE_DATABASE_URL": url}
    )


def test_upgrade_makes_the_database_once(tmp_path: Path, empty_database_url: str) -> None:
    first = run(tmp_path, empty_database_url, "db", "upgrade")
    again = run(tmp_path, empty_database_url, "db", "upgrade")

    assert (first.returncode, again.returncode) == (0, 0), first.stderr
    database = Database(empty_database_url)
    database.check()
    database.close()


def test_newer_schema_is_refused(tmp_path: Path, database_url: str) -> None:
    database = Database(database_url)
    database.upgrade()
    set_revision(database, "v9999_tomorrow")

    refused = run(tmp_path, database_url, "work", "--once")

    set_revision(database, migrations.HEAD)
    database.close()
    assert refused.returncode == 2
    assert "v9999_tomorrow" in refused.stderr


def set_revision(database: Database, name: str) -> None:
    with database.transaction() as session:
        session.execute(sa.text("UPDATE alembic_version SET version_num = :name"), {"name": name})


def test_work_and_reindex_use_the_database(tmp_path: Path, database_url: str) -> None:
    assert run(tmp_path, database_url, "work", "--once").returncode == 0

    done = run(tmp_path, database_url, "db", "reindex")

    assert done.returncode == 0
    assert "0 resources" in done.stderr
