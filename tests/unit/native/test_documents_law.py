"""What holds for every native document that loads."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
