"""How often an address may be refused before it has to wait: a limit on guessing and on load.

Checking a signature costs more than sending one, so whoever was refused too often is turned away
before anything is checked. Counted in the memory of each process: a refusal must not cause a write,
and with several processes the limit holds for each. Addresses beyond what can be remembered wait.
"""

import math
import threading
from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from fhirbridge.access.refusals import TokenRefused

LIMIT = 30  # refusals of one address at once
REFILL_SECONDS = 2.0  # after which one more is allowed
MAX_ADDRESSES = 10_000


class TooManyAttempts(TokenRefused):
    """Refused without being looked at; it may be tried again after `retry_after_seconds`."""

    status: ClassVar[int] = 429

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            "temporarily_unavailable", "Too many requests were refused; try again later."
        )
        self.retry_after_seconds = retry_after_seconds


class Attempts:
    """The refusals of all addresses lately. May be used by several threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        # address -> until when its refusals count, in seconds since 1970
        self._until: dict[str, float] = {}

    def check(self, address: str) -> None:
        """Raise TooManyAttempts for an address that was refused too often."""
        now = self._now().timestamp()
        with self._lock:
            waiting = self._until.get(address, 0.0) - now
            if address not in self._until and len(self._until) >= MAX_ADDRESSES:
                self._forget(now)
                if len(self._until) >= MAX_ADDRESSES:
                    raise TooManyAttempts(math.ceil(LIMIT * REFILL_SECONDS))
        if waiting > (LIMIT - 1) * REFILL_SECONDS:
            raise TooManyAttempts(math.ceil(waiting - (LIMIT - 1) * REFILL_SECONDS))

    def note(self, address: str) -> None:
        """Count a refusal."""
        now = self._now().timestamp()
        with self._lock:
            self._until[address] = max(self._until.get(address, 0.0), now) + REFILL_SECONDS

    def _forget(self, now: float) -> None:
        for address in [each for each, until in self._until.items() if until <= now]:
            del self._until[address]
