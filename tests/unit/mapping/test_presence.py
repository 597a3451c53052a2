"""Codecs that speak of what a document does not say: lacks, given, yes-no, digits, next."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from fhirbridge.errors import Issue
from fhirbridge.jsontypes import Json, JsonObject
from fhirbridge.mapping.codec import CodecError
from fhirbridge.mapping.codecs import make


@dataclass
class Context:
    document: JsonObject = field(default_factory=dict)
    issues: list[Issue] = field(default_factory=list)
    key_prefix: str = ""

    def reference_to(self, entries: tuple[str, ...], key: str) -> str | None:
        return None


def encoded(codec: str, value: Json, document: JsonObject | None = None) -> Json:
    return make(codec, {}, {}).encode(value, Context(document or {}))


def decoded(codec: str, value: Json) -> Json:
    decode = make(codec, {}, {}).decode
    assert decode is not None
    context: Any = None
    return decode(value, context)


def test_lacks_writes_its_code_only_without_the_field() -> None:
    assert encoded("lacks phone unknown", {"name": "Here"}) == "unknown"
    assert encoded("lacks phone unknown", {"phone": "988"}) is None


def test_given_writes_its_code_for_whatever_is_there() -> None:
    assert encoded("given VR", {"url": "https://meet.example.org"}) == "VR"


@pytest.mark.parametrize(("native", "code"), [(True, "Y"), (False, "N")])
def test_yes_no_goes_both_ways(native: bool, code: str) -> None:
    assert encoded("yes-no Y N", native) == code
    assert decoded("yes-no Y N", code) is native


@pytest.mark.parametrize("number", [0, 3, -12])
def test_digits_go_both_ways(number: int) -> None:
    assert decoded("digits", encoded("digits", number)) == number


@pytest.mark.parametrize(
    ("codec", "value"),
    [("yes-no Y N", "U"), ("digits", "03"), ("digits", "1.0"), ("digits", 3)],
)
def test_what_the_document_cannot_say_is_refused(codec: str, value: Json) -> None:
    with pytest.raises(CodecError):
        decoded(codec, value)


def test_next_reads_the_item_that_follows() -> None:
    changes = [{"at": "2026-01-01"}, {"at": "2026-02-01"}]

    assert encoded("next changes at", changes[0], {"changes": changes}) == "2026-02-01"
    assert encoded("next changes at", changes[1], {"changes": changes}) is None


@pytest.mark.parametrize("codec", ["lacks phone", "given", "yes-no Y Y", "digits 2", "next list"])
def test_wrong_arguments_are_refused(codec: str) -> None:
    with pytest.raises(ValueError, match=r"need|argument"):
        make(codec, {}, {})
