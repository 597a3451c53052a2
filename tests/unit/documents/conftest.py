"""An empty database for documents."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge.storage.database import Database
from tests.unit.documents.desk import Desk


def open_desk(url: str) -> Desk:
    database = Database(url)
    database.upgrade()
    database.act_for(database.custodian())
    return Desk(database)


@pytest.fixture
def desk(sqlite_url: str) -> Iterator[Desk]:
    opened = open_desk(sqlite_url)
    yield opened
    opened.database.close()


@pytest.fixture
def other_desk(tmp_path: Path) -> Iterator[Desk]:
    """A second database, for what must come out the same on another way."""
    opened = open_desk(f"sqlite:///{tmp_path / 'other.db'}")
    yield opened
    opened.database.close()
