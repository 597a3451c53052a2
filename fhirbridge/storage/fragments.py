"""Pieces of SQL: text made of constants and `?`, with the values for each `?` beside it."""

from collections.abc import Sequence
from typing import Any

from fhirbridge.records import record


@record()
class Sql:
    """SQL text with `?` for each parameter."""

    text: str
    parameters: tuple[Any, ...] = ()


def joined(parts: Sequence[Sql], word: str) -> Sql:
    """Conditions joined by AND or OR, in brackets when there are several."""
    text = f" {word} ".join(part.text for part in parts)
    parameters = tuple(value for part in parts for value in part.parameters)
    return Sql(f"({text})" if len(parts) > 1 else text, parameters)


def one_of(column: str, values: Sequence[Any]) -> Sql:
    """`column = ?` or `column IN (…)`; false for no values."""
    if len(values) == 1:
        return Sql(f"{column} = ?", tuple(values))
    if not values:
        return Sql("1 = 0")
    return Sql(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))
