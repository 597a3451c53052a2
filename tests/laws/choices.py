"""A stream of choices drawn at once: quick to generate, and zero means the least there is.

Drawing each of two hundred fields by itself costs Hypothesis more than the laws under test.
"""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

# letters of several scripts, blanks, quotes, and what means something in JSON, XML and markdown
ALPHABET = (
    "abcdeABCDE0123456789 .,-_:;/'\"\\<>&{}[]()#*`~|%$@!?=+^\t\n\u00a0"
    "éßñøÅğłőżΩЖяאבتअ漢字あア한\u0301\u200d\u200b😀"
)
IDS = "abcXYZ019-."


class Choices:
    """Reads choices from bytes; when they run out, every choice is the first one."""

    def __init__(self, data: bytes, *, density: int = 3) -> None:
        self._data = data
        self._at = 0
        self.density = density

    def byte(self) -> int:
        """A number from 0 to 255."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1."""
        value = self.byte()
        while limit > 256:
            value = value << 8 | self.byte()
            limit >>= 8
        return value % limit

    def number(self, low: int, high: int) -> int:
        """A number from `low` to `high`, wide ranges included."""
        span = high - low + 1
        value = 0
        for _ in range((span.bit_length() + 7) // 8):
            value = value << 8 | self.byte()
        return low + value % span

    def of(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.number(0, len(options) - 1)] if len(options) > 1 else options[0]

    def chance(self, one_in: int) -> bool:
        """True in one of so many cases; never at the end of the stream."""
        return self.byte() % one_in == one_in - 1

    def present(self) -> bool:
        """Whether an optional field is there: seldom, often or always, by density."""
        value = self.byte()
        return value > (255, 180, 100, 0)[self.density]

    def text(self, limit: int = 8, alphabet: str = ALPHABET) -> str:
        """A text with at least one visible character."""
        body = "".join(alphabet[self.byte() % len(alphabet)] for _ in range(self.below(limit)))
        return body + alphabet[self.byte() % 10]
