"""How fast a partner is asked: so many requests a second, counted over all threads of a process."""

import threading
import time

FASTEST = 1000.0  # requests a second; who says more means no limit
_LONGEST_SECONDS = 3600.0


class Paces:
    """Who may ask which partner when. Waiting for one partner keeps nobody from another."""

    def __init__(self) -> None:
        self._next: dict[str, float] = {}
        self._lock = threading.Lock()

    def wait(self, name: str, requests_per_second: float) -> None:
        """Wait for the next turn at a partner; 0 requests a second is no limit."""
        if requests_per_second <= 0:
            return
        with self._lock:
            now = time.monotonic()
            turn = max(now, self._next.get(name, now))
            self._next[name] = turn + min(1 / requests_per_second, _LONGEST_SECONDS)
        if turn > now:
            threading.Event().wait(turn - now)
