"""SMART scopes: which interactions a caller may ask for, by resource type.

`system/Patient.rs` is read and search of Patients; the letters are c create, r read, u update,
d delete, s search. The version 1 words `read`, `write` and `*` mean `rs`, `cud` and `cruds`.
Source: SMART App Launch 2.2, Scopes for requesting FHIR resources
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from fhirbridge.fhir.definitions import definitions

LETTERS = "cruds"
ANY = "*"
# Not a resource type: documents, handoffs and partners, for the custodian's own systems only.
DOCUMENTS = "fhirbridge"

_FORM = re.compile(r"system/([A-Za-z]+|\*)\.(c?r?u?d?s?|read|write|\*)")
_WORDS = {"read": "rs", "write": "cud", "*": LETTERS}


@dataclass(frozen=True, slots=True)
class Scopes:
    """Letters by resource type; the type `*` stands for all resource types of R4."""

    letters_by_type: Mapping[str, frozenset[str]]

    def allow(self, resource_type: str, letter: str) -> bool:
        """Whether an interaction of this letter is within the scopes, for a type or for `*`."""
        everywhere = self.letters_by_type.get(ANY, frozenset())
        if letter in everywhere and resource_type != DOCUMENTS:
            return True
        return letter in self.letters_by_type.get(resource_type, frozenset())

    def within(self, allowed: "Scopes") -> "Scopes":
        """What both allow."""
        return _collect(
            pair
            for name, letters in self.letters_by_type.items()
            for other, others in allowed.letters_by_type.items()
            if (pair := _both(name, other, letters & others))
        )

    def words(self) -> tuple[str, ...]:
        """The scopes in the form of version 2, sorted."""
        return tuple(
            f"system/{name}.{''.join(each for each in LETTERS if each in letters)}"
            for name, letters in sorted(self.letters_by_type.items())
        )


def read(words: Iterable[str]) -> Scopes:
    """Read scopes. Raises ValueError, naming the first that this server does not know."""

    def each() -> Iterator[tuple[str, frozenset[str]]]:
        for word in words:
            found = _FORM.fullmatch(word)
            if found is None or not found[2] or not _is_type(found[1]):
                raise ValueError(f"'{word[:80]}' is not a scope such as system/Patient.rs")
            yield found[1], frozenset(_WORDS.get(found[2], found[2]))

    return _collect(each())


def read_known(words: Iterable[str]) -> Scopes:
    """Read scopes, those that this server does not know left out.

    Source: RFC 6749 section 3.3 (a server may ignore scopes)
    """

    def is_known(word: str) -> bool:
        try:
            read((word,))
        except ValueError:
            return False
        return True

    return read(filter(is_known, words))


@lru_cache(maxsize=1024)
def scopes_of(words: frozenset[str]) -> Scopes:
    """The scopes that a caller holds, read once."""
    return read(words)


def _is_type(name: str) -> bool:
    return name in (ANY, DOCUMENTS) or name in definitions().resource_types


def _both(name: str, other: str, letters: frozenset[str]) -> tuple[str, frozenset[str]] | None:
    """What two scopes have in common; `*` does not reach documents."""
    if not letters:
        return None
    if name == other or (other == ANY and name != DOCUMENTS):
        return name, letters
    if name == ANY and other != DOCUMENTS:
        return other, letters
    return None


def _collect(pairs: Iterable[tuple[str, frozenset[str]]]) -> Scopes:
    found: dict[str, frozenset[str]] = {}
    for name, letters in pairs:
        found[name] = found.get(name, frozenset()) | letters
    return Scopes(found)
