"""What all tests share."""

import pytest
from hypothesis import settings

# No limit of time, so that a busy machine fails no test, and the same examples everywhere.
settings.register_profile("tests", max_examples=200, deadline=None, derandomize=True, database=None)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="Rewrite the golden files in fixtures/ from what the code does now.",
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))
