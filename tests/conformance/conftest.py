"""A server on each kind of database, asked through the WSGI application."""

from collections.abc import Iterator

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.web.app import create_app
from tests.conformance.support import Api


@pytest.fixture
def settings(database_url: str) -> Settings:
    """Settings of the server; a test module may override them."""
    return Settings(auth="none", database_url=database_url, max_body_bytes=200_000)


@pytest.fixture
def bridge(settings: Settings) -> Iterator[Bridge]:
    built = bridges.build(settings)
    yield built
    built.close()


@pytest.fixture
def api(bridge: Bridge) -> Api:
    """The server."""
    return Api(create_app(bridge).test_client())
