"""A store of a program under 42 CFR Part 2."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from tests.disclosure.support import Store

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Clock:
    """The time of one store, which a test may turn."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of the store; a test module may override them."""
    return Settings(auth="none", database_url=database_url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    built = bridges.build(settings, now=lambda: NOW)
    yield Store(built)
    built.close()
