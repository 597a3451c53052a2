"""The run of many handoffs to many partners, in its small form."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_partners_that_are_down_or_slow_hold_up_nobody_and_nothing_is_lost() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.delivery", "--handoffs", "20", "--seed", "3"),
            *("--partners", "4", "--down", "1", "--slow", "1", "--limit", "120"),
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["faults"] == {}
    assert report["waitingWhileDown"] > 0
