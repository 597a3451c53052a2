"""Aliases for JSON values, and `NativeNode`, the shape of a native document."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]
Resource: TypeAlias = dict[str, Any]

NativeKind = Literal[
    "object",
    "list",
    "string",  # one line or more of plain text
    "markdown",
    "code",
    "uri",
    "integer",
    "decimal",
    "boolean",
    "date",  # YYYY-MM-DD
    "datetime",  # RFC 3339 with offset
    "localdatetime",  # YYYY-MM-DDTHH:MM, in the zone named beside it
    "time",  # HH:MM or HH:MM:SS, local
]


@dataclass(frozen=True, slots=True)
class NativeNode:
    """One field of a native document, as the mapping checks need it.

    `fields` for objects; `item` and `key` for lists, where `key` is the name of the field that
    identifies an item, "." for a set of plain values, and None for a list whose order matters.
    `codes` is the closed code set of a code, empty where unknown codes pass; `known` are then the
    codes that pass without a warning.
    """

    kind: NativeKind
    required: bool = False
    fields: Mapping[str, "NativeNode"] = field(default_factory=dict)
    item: "NativeNode | None" = None
    key: str | None = None
    codes: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
