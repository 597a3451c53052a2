"""Integer keys for index rows, made from text without a table of names.

Long texts (systems, `Type.parameter`, patient references) would be the bulk of every index.
A 63-bit hash needs no look-up, is the same in every process, and survives a re-index.
"""

from functools import lru_cache
from hashlib import blake2b

NO_KEY = 0


@lru_cache(maxsize=65_536)
def key_of(text: str) -> int:
    """The key of a text: 1 to 2**63-1, the same everywhere; 0 for the empty text."""
    if not text:
        return NO_KEY
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 1) or 1


def patient_key_of(patients: frozenset[str] | set[str]) -> int:
    """The key of the one patient whom a row concerns; 0 for none, -1 for several.

    `patients` holds references, e.g. `{"Patient/p1"}`.
    """
    if len(patients) > 1:
        return -1
    return key_of(next(iter(patients))) if patients else NO_KEY
