"""Which resource each entry of a transaction is about: no two may be about the same.

Source: R4 http.html#trules
"""

from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.interactions.entries import Entry, place_of
from fhirbridge.records import record


@record()
class Identity:
    """Which resource an entry is about, and how it was found."""

    entry: Entry
    reference: str
    exists: bool = False  # a conditional create whose match exists: nothing is written


def refuse_collisions(identities: list[Identity]) -> None:
    """Raise InvalidContent if two entries are about one resource; the issues name both."""
    first: dict[str, int] = {}
    issues = []
    for identity in identities:
        index = identity.entry.index
        other = first.setdefault(identity.reference, index)
        if other != index:
            issues.append(
                Issue(
                    "invalid",
                    f"Entries {min(other, index)} and {max(other, index)} are about one resource.",
                    expression=(place_of(index),),
                )
            )
    if issues:
        raise InvalidContent(*issues)
