"""FHIR XML, there and back. Source: R4 xml.html"""

import os

import pytest

from fhirbridge.fhir import wire, xml
from tests import official_examples

PARTS = 4
XHTML = "http://www.w3.org/1999/xhtml"


def differs(content: bytes) -> bool:
    """Whether an example is another one after a journey through XML."""
    resource = wire.parse(content)
    for pretty in (False, True):
        back = xml.parse(xml.dump(resource, pretty=pretty))
        if wire.canonical(back) != wire.canonical(resource):
            return True
    return False


@pytest.mark.parametrize("part", range(PARTS))
def test_every_official_example_comes_back(part: int) -> None:
    try:
        archive = official_examples.archive()
    except official_examples.Unavailable as exc:
        if os.environ.get("FHIRBRIDGE_TEST_REQUIRE_EXAMPLES"):
            raise
        pytest.skip(str(exc))
    examples = official_examples.read(archive, part=part, parts=PARTS)

    assert [name for name, content in examples if differs(content)] == []


@pytest.mark.parametrize("name", sorted(official_examples.sample()))
def test_committed_example_comes_back(name: str) -> None:
    assert not differs(official_examples.sample()[name])
