"""What a codec is: a named two-way function between a native value and a FHIR primitive."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.mapping.model import CodeTable


class CodecError(ValueError):
    """A FHIR value that the native side cannot hold; the text says what was expected."""


class EncodeContext(Protocol):
    """What a codec may ask while a document is encoded."""

    key_prefix: str  # scope and leading key parts of the present resource, escaped, ends with /
    issues: list[Issue]
    document: JsonObject

    def reference_to(self, entries: tuple[str, ...], key: str) -> str | None:
        """The Reference.reference of the resource with that key, if the document has it."""


class DecodeContext(Protocol):
    """What a codec may ask while resources are decoded."""

    def key_behind(self, entries: tuple[str, ...], reference: str) -> str | None:
        """The native key of the resource that a reference points to."""


Encode = Callable[[Json, EncodeContext], Json]
Decode = Callable[[Json, DecodeContext], Json]


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec, ready to call. `fhir_types` empty means any primitive.

    `needs_context` False lets the compiler call `plain` with the value alone. `many` codecs write a
    whole FHIR list of primitives. `beside` names native fields next to the rule's own: both
    functions then take a tuple of the value and theirs (None where one is missing).
    """

    name: str
    encode: Encode
    decode: Decode | None
    plain: Callable[[Json], Json] | None = None
    native_kinds: frozenset[str] = frozenset()
    fhir_types: frozenset[str] = frozenset()
    table: CodeTable | None = None
    targets: tuple[str, ...] = field(default=())
    many: bool = False
    beside: tuple[str, ...] = ()


Maker = Callable[[tuple[str, ...], Mapping[str, CodeTable], Mapping[str, str]], Codec]


def simple(
    name: str,
    encode: Callable[[Json], Json],
    decode: Callable[[Json], Json] | None,
    *,
    kinds: frozenset[str] = frozenset(),
    types: frozenset[str] = frozenset(),
    many: bool = False,
) -> Codec:
    """A codec that needs the value only."""
    return Codec(
        name,
        lambda value, _: encode(value),
        None if decode is None else (lambda value, _: decode(value)),
        plain=encode,
        native_kinds=kinds,
        fhir_types=types,
        many=many,
    )


def fixed(codec: Callable[[], Codec]) -> Maker:
    """The maker of a codec without arguments."""

    def maker(
        arguments: tuple[str, ...], _t: Mapping[str, CodeTable], _p: Mapping[str, str]
    ) -> Codec:
        if arguments:
            raise ValueError("this codec takes no argument")
        return codec()

    return maker
