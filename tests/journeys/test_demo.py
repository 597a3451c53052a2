"""The demo as a user runs it; `demo --check` is run by the test of the README."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest


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
    with start(tmp_path) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        told = []
        for line in demo.stdout:  # which ends with the demo
            told.append(line)
            if "Ctrl-C" in line:
                break
        else:
            pytest.fail(f"The demo ended after: {told[-3:]}, saying: {demo.stderr.read()}")
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=60)

    assert demo.returncode == 0
    assert any("answer is lost" in line for line in told)
    assert any("exactly one copy" in line for line in told)
    assert any("curl" in line for line in told)
    assert list(tmp_path.iterdir()) == []
