"""The official examples come back as sent. All of them: `python -m benchmarks.examples`."""

import pytest

from benchmarks import examples
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.web.app import create_app
from tests import official_examples


@pytest.fixture
def settings(database_url: str) -> Settings:
    """The examples refer to what is not among them."""
    return Settings(auth="none", database_url=database_url, referential_integrity=False)


def test_examples_come_back_equal_by_json_and_xml(bridge: Bridge) -> None:
    chosen = list(official_examples.sample().items())[::4]
    tally = examples.Tally()

    examples.send(create_app(bridge).test_client(), chosen, tally)

    assert tally.faults == []
    assert tally.counts["stored"] > 40
