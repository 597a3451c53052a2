"""Time several functions side by side, so that a busy machine slows all of them alike."""

import gc
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ROUND_SECONDS = 0.02


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is to the floor of its group.

    `goal` is the most that is wanted, or with `at_least` the least.
    """

    group: str
    name: str
    value: float
    unit: str
    ratio: float | None = None
    goal: float | None = None
    at_least: bool = False

    @property
    def missed(self) -> bool:
        """True where there is a goal and it is not met."""
        measured = self.value if self.ratio is None else self.ratio
        if self.goal is None:
            return False
        return measured < self.goal if self.at_least else measured > self.goal

    def json(self) -> dict[str, Any]:
        """The row for --json."""
        return {**asdict(self), "missed": self.missed}


def compare(
    group: str,
    functions: Mapping[str, Callable[[], object]],
    *,
    goals: Mapping[str, float] | None = None,
    rounds: int = 15,
) -> list[Row]:
    """Microseconds of CPU a call, and the ratio to the first function (the floor).

    The functions take turns, for about 20 ms each round. The time is the best round; the ratio the
    median of the ratios of each round, in which both saw the same machine.
    """
    counts = {name: _calls(function) for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, function in functions.items():
                times[name].append(_seconds(function, counts[name]))
    finally:
        gc.enable()
    floor = next(iter(times.values()))
    goals = goals or {}
    return [
        Row(
            group,
            name,
            min(taken) * 1e6,
            "µs",
            statistics.median(own / base for own, base in zip(taken, floor, strict=True)),
            goals.get(name),
        )
        for name, taken in times.items()
    ]


def _calls(function: Callable[[], object]) -> int:
    function()  # caches are filled before the clock runs
    once = min(_seconds(function, 1) for _ in range(3))
    return max(1, int(ROUND_SECONDS / max(once, 1e-7)))


def _seconds(function: Callable[[], object], count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        function()
    return (time.thread_time() - began) / count


def machine() -> str:
    """Processor architecture, cores, Python, and how busy it was when asked."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{platform.machine()}, {os.cpu_count()} cores, {python}, load {load:.1f}"


def commit() -> str:
    """The commit of this checkout, with a + where files differ from it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")


def child(code: str, *arguments: str) -> tuple[float, str]:
    """Run Python in a process of its own; CPU seconds that it took, and what it printed."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env={k: v for k, v in os.environ.items() if not k.startswith("FHIRBRIDGE_")},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    after = os.times()
    taken = after.children_user - before.children_user
    taken += after.children_system - before.children_system
    return taken, done.stdout
