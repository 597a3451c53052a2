"""The quick form of `python -m benchmarks.crash`."""

import json
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_kill_9_at_random_loses_nothing_and_doubles_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.crash", "--handoffs", "4", "--seed", "7"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["acknowledged"] == 4
    assert report["faults"] == {}
    assert sum(report["kills"].values()) > 0
