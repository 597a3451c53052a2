"""The comparison prefixes of date, number and quantity values.

Source: R4 search.html#prefix
"""

from enum import StrEnum


class Prefix(StrEnum):
    """How a value in a resource compares with the search value."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


_KNOWN = frozenset(Prefix)


def parse_prefix(value: str) -> tuple[Prefix, str]:
    """Split a value into prefix and rest: `"ge2024-05"` -> `(Prefix.GE, "2024-05")`.

    No prefix means `EQ`. Raises ValueError for letters that are no prefix.
    """
    letters = value[:2]
    if len(letters) == 2 and letters.isalpha():
        if letters not in _KNOWN:
            raise ValueError(f"expected no letters before it but one of {', '.join(Prefix)}")
        return Prefix(letters), value[2:]
    return Prefix.EQ, value
