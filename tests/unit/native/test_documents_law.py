"""What holds for every native document that loads."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirbridge.fhir import wire
from fhirbridge.jsontypes import NativeNode
from fhirbridge.native import documents
from tests.laws.choices import Choices
from tests.laws.strategies import document
from tests.laws.strategies import documents as generated

SLOW = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@SLOW
@given(data=st.data(), kind=st.sampled_from(documents.KINDS))
def test_generated_document_loads_and_loading_is_idempotent(
    data: st.DataObject, kind: documents.Kind
) -> None:
    raw = data.draw(generated(kind))

    loaded = documents.load(kind, raw).data

    assert documents.load(kind, loaded).data == loaded


def _leaves(node: NativeNode, path: str) -> Iterator[str]:
    if node.kind == "list":
        assert node.item is not None
        yield from _leaves(node.item, f"{path}[]")
    elif node.fields:
        for name, below in node.fields.items():
            yield from _leaves(below, f"{path}.{name}")
    else:
        yield path


def _present(value: Any, path: str) -> Iterator[str]:
    yield path
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _present(below, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from _present(item, f"{path}[]")


@pytest.mark.parametrize("kind", documents.KINDS)
def test_generated_documents_cover_every_field(kind: documents.Kind) -> None:
    found: set[str] = set()

    for seed in range(60):
        stream = bytes((seed * 7 + i * (31 + seed) + i * i // 7) % 256 for i in range(4000))
        found |= set(_present(documents.load(kind, document(kind, Choices(stream))).data, "$"))

    missing = set(_leaves(documents.shape(kind), "$")) - found
    assert not missing


JUNK: tuple[Any, ...] = (
    *(None, 0, -1, 1.5, True, 10**40, float("nan"), wire.number("1E+300"), [], {}, [[1]], [None]),
    *("", "x\x00", "\ud800", "é" * 70, "active", "00:00", "23:59:60", "988", {"a": 1}),
    *("9999-12-31", "0001-01-01", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59"),
    *("FREQ=DAILY", "FREQ=MONTHLY;BYDAY=5MO", "Africa/Monrovia", "America", 2**31 - 1),
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for step, below in list(members):
        yield value, step
        if isinstance(below, dict | list):
            yield from _places(below)


@SLOW
@given(random=st.randoms(use_true_random=False), kind=st.sampled_from(documents.KINDS))
def test_damaged_document_is_refused_or_loads_and_nothing_else(
    random: Random, kind: documents.Kind
) -> None:
    path = Path(__file__).parents[3] / "fixtures" / kind / "maximal" / "native.json"
    data = wire.parse(path.read_bytes())
    places = list(_places(data))
    for _ in range(random.choice((1, 1, 2, 5))):
        holder, step = random.choice(places)
        holder[step] = random.choice(JUNK)

    try:
        loaded = documents.load(kind, data).data
    except documents.InvalidDocument as error:
        assert any(issue.is_error for issue in error.issues)
    else:
        assert documents.load(kind, loaded).data == loaded
