"""The demo as a user runs it; `demo --check` is run by the test of the README."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.journeys.conftest import wait_for


def start(directory: Path, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "fhirbridge", "demo", *arguments],
        cwd=directory,
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_demo_tells_its_story_stays_up_until_it_is_interrupted_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    demo = start(tmp_path)
    assert demo.stdout is not None
    told: list[str] = []

    def invited() -> bool:
        told.append(demo.stdout.readline())  # type: ignore[union-attr]
        return "Ctrl-C" in told[-1]

    wait_for(invited, seconds=120)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)

    assert demo.returncode == 0
    assert any("answer is lost" in line for line in told)
    assert any("exactly one copy" in line for line in told)
    assert any("curl" in line for line in told)
    assert list(tmp_path.iterdir()) == []
