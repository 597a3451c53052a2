"""`Views`: what left of versions lately, and on which grounds.

What leaves of a version follows from the version, from what is permitted of the patients whom it is
about, and from which of the resources it refers to may be seen. As long as these grounds are the
same it leaves as it did before; every request asks for them anew.
Source: design.md section 9
"""

from dataclasses import dataclass, field
from threading import Lock
from typing import TypeAlias

from fhirbridge.consent.policy import Policy
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.allowance import Allowance
from fhirbridge.storage.versions import ResourceVersion

MAX_BYTES = 16_000_000
_BYTES_BESIDES = 1_500  # of a view, besides its contents

# `seq` of the version, for whom, and for what purpose.
Key: TypeAlias = tuple[int, Recipient, str]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What was asked for a view: what is permitted of patients, and which references may be seen.

    Allowances are compared as objects: `Decisions` gives the same one while nothing changed.
    """

    policy: Policy
    bases: tuple[str, ...]
    allowances: dict[int, Allowance] = field(default_factory=dict)
    seen: dict[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class View:
    """A version as it is stored, as it left (None: not at all), and why."""

    stored: ResourceVersion
    shown: ResourceVersion | None
    grounds: Grounds

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        shown = len(self.shown.content) if self.shown else 0
        return len(self.stored.content) + shown + _BYTES_BESIDES


class Views:
    """The views of many requests to one database, up to a size; the oldest go first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._kept: dict[Key, View] = {}
        self._changing = Lock()

    def get(self, key: Key, version: ResourceVersion) -> View | None:
        """What was kept for this very version; whether its grounds hold is for the gate to say."""
        found = self._kept.get(key)
        return found if found is not None and found.stored == version else None

    def keep(self, key: Key, view: View) -> None:
        """Keep a view in place of the one before."""
        if view.size > self._max_bytes:
            return
        with self._changing:
            self._drop(key)
            self._kept[key] = view
            self._size += view.size
            while self._size > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: Key) -> None:
        before = self._kept.pop(key, None)
        self._size -= before.size if before else 0
