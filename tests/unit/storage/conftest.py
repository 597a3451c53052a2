from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge.storage.database import Database
from tests.unit.storage.shelf import Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    """A searchable database."""
    database = Database(f"sqlite:///{tmp_path / 'search.db'}")
    database.upgrade()
    yield Shelf(database)
    database.close()
