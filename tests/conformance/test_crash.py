"""The quick form of `python -m benchmarks.kills`, on both databases."""

import sys
from pathlib import Path

import pytest

from benchmarks import kills


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_server_loses_nothing_and_leaves_no_half(
    empty_database_url: str, tmp_path: Path
) -> None:
    counts = kills.run(30, 1, empty_database_url, tmp_path, most=25)

    assert counts["acknowledged"] >= 30
    assert counts["kills of the parent"]
    assert counts["kills of the group"]
    assert counts["index rows"] >= 30
    assert {fault: counts[fault] for fault in kills.FAULTS if counts[fault]} == {}
