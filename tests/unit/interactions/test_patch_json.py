"""JSON Patch, with the examples of the RFC. Source: RFC 6902 appendix A"""

from typing import Any

import pytest

from fhirbridge.errors import InvalidContent
from fhirbridge.fhir import wire
from fhirbridge.interactions.patch_json import apply


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
        ({"a": ["x", "z"]}, [{"op": "add", "path": "/a/1", "value": "y"}], {"a": ["x", "y", "z"]}),
        ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
        ({"a": 1}, [{"op": "add", "path": "/a", "value": None}], {"a": None}),
        ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
        ({"a": ["x", "y", "z"]}, [{"op": "remove", "path": "/a/1"}], {"a": ["x", "z"]}),
        ({"a": 1}, [{"op": "replace", "path": "/a", "value": {"b": []}}], {"a": {"b": []}}),
        ({"a": [1, 2]}, [{"op": "replace", "path": "/a/1", "value": 3}], {"a": [1, 3]}),
        (
            {"a": {"x": 1, "y": 2}, "b": {}},
            [{"op": "move", "from": "/a/x", "path": "/b/z"}],
            {"a": {"y": 2}, "b": {"z": 1}},
        ),
        ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
        ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
        ({"a": [1]}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": [1], "b": [1]}),
        ({"a": {"b": [1.0]}}, [{"op": "test", "path": "/a", "value": {"b": [1]}}], None),
        ({"m~n": 1}, [{"op": "test", "path": "/m~0n", "value": 1}], {"m~n": 1}),
        ({"a/b": 1}, [{"op": "remove", "path": "/a~1b"}], {}),
        ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
        ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 1}}], {"b": 1}),
        ({"a": 1}, [{"op": "test", "path": "/a", "value": 1, "more": "ignored"}], {"a": 1}),
    ],
)
def test_operations(document: Any, patch: list[Any], expected: Any) -> None:
    document, patch = wire.parse(wire.dump(document)), wire.parse_array(wire.dump(patch))
    before = wire.canonical(document)

    found = apply(document, patch)

    assert wire.canonical(found) == wire.canonical(document if expected is None else expected)
    assert wire.canonical(document) == before


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        ({"a": 1}, {"op": "test", "path": "/a", "value": 2}),
        ({"a": 1}, {"op": "test", "path": "/a", "value": True}),
        ({"a": "1"}, {"op": "test", "path": "/a", "value": 1}),
        ({"a": 1}, {"op": "test", "path": "/b", "value": None}),
        ({"a": 1}, {"op": "remove", "path": "/b"}),
        ({"a": 1}, {"op": "remove", "path": ""}),
        ({"a": 1}, {"op": "replace", "path": "/b", "value": 1}),
        ({"a": 1}, {"op": "add", "path": "/b/c", "value": 1}),
        ({"a": 1}, {"op": "add", "path": "/a/c", "value": 1}),
        ({"a": [1]}, {"op": "add", "path": "/a/2", "value": 1}),
        ({"a": [1]}, {"op": "replace", "path": "/a/-", "value": 1}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/01"}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/-1"}),
        ({"a": [1, 2]}, {"op": "remove", "path": "/a/1e0"}),
        ({"a": 1}, {"op": "copy", "from": "/b", "path": "/c"}),
    ],
)
def test_what_the_document_does_not_allow_is_422(document: Any, operation: Any) -> None:
    with pytest.raises(InvalidContent) as caught:
        apply(document, [operation])

    assert caught.value.http_status == 422


@pytest.mark.parametrize(
    "operation",
    [
        None,
        {"op": "spam", "path": ""},
        {"op": "add", "path": "/a"},
        {"op": "remove"},
        {"op": "remove", "path": "a"},
        {"op": "remove", "path": "/~2"},
        {"op": "move", "path": "/a"},
        {"op": "move", "from": "/a", "path": "/a/b"},
        {"op": "remove", "path": 1},
    ],
)
def test_what_is_no_patch_is_400(operation: Any) -> None:
    with pytest.raises(InvalidContent) as caught:
        apply({"a": 1}, [operation])

    assert caught.value.http_status == 400


def test_copies_of_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"} for _ in range(60)]

    with pytest.raises(InvalidContent, match="too large"):
        apply({"a": [1, 2, 3]}, doubling)
