"""How fast a partner is asked: so many requests a second, counted over one delivery."""

import threading
import time
from collections.abc import Callable


class Pace:
    """Called before each request: waits until it is time, then calls `further`."""

    def __init__(self, requests_per_second: float, further: Callable[[], None] | None) -> None:
        self._interval = 1 / requests_per_second if requests_per_second > 0 else 0.0
        self._further = further
        self._next = 0.0

    def __call__(self) -> None:
        """Wait for the next turn."""
        if self._interval:
            now = time.monotonic()
            if self._next > now:
                threading.Event().wait(self._next - now)
            self._next = max(now, self._next) + self._interval
        if self._further is not None:
            self._further()
