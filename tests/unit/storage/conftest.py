from collections.abc import Iterator

import pytest

from fhirbridge.storage.database import Database
from tests.unit.storage.shelf import Shelf


@pytest.fixture
def shelf(database_url: str) -> Iterator[Shelf]:
    """A searchable database."""
    database = Database(database_url)
    database.upgrade()
    database.act_for(database.custodian())
    yield Shelf(database)
    database.close()
