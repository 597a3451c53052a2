"""`fhirbridge db`."""

import os
import subprocess
import sys
from pathlib import Path

from fhirbridge.storage.database import Database


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fhirbridge", "db", *arguments],
        cwd=folder,
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_upgrade_makes_the_database_once(tmp_path: Path) -> None:
    first, again = run(tmp_path, "upgrade"), run(tmp_path, "upgrade")

    assert (first.returncode, again.returncode) == (0, 0)
    database = Database(f"sqlite:///{tmp_path / 'fhirbridge.db'}")
    database.check()
    database.close()


def test_reindex_says_how_many(tmp_path: Path) -> None:
    done = run(tmp_path, "reindex")

    assert done.returncode == 0
    assert "0 resources" in done.stderr
