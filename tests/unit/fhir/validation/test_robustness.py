"""Whatever a resource holds, the check ends with issues, never with an exception."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.fhir import references, wire
from fhirbridge.fhir.validation import check
from tests import official_examples

NAMES = sorted(official_examples.sample())
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "#", "#x", "2024-02-30", "Patient/1", "<div/>", "active"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "extension", "url", "reference", "coding", "start", "_id", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a resource."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        current = waiting.pop()
        pairs = current.items() if isinstance(current, dict) else enumerate(current)
        for key, child in list(pairs):
            found.append((current, key))
            if isinstance(child, (dict, list)):
                waiting.append(child)
    return found


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_a_mutated_example_never_raises(name: str, data: st.DataObject) -> None:
    resource = copy.deepcopy(wire.parse(official_examples.sample()[name]))
    for _ in range(data.draw(st.integers(1, 4))):
        listed = places(resource)
        container, key = listed[data.draw(st.integers(0, len(listed) - 1))]
        container[key] = data.draw(JSON)

    for issue in check(resource):
        assert issue.expression[0].startswith(("Resource", str(resource.get("resourceType"))))
        assert issue.diagnostics.endswith(".")
    list(references.walk(resource))
    references.rewrite(resource, {"Patient/1": "Patient/2", "#x": "#y"})


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(NAMES), st.data())
def test_an_unknown_element_is_found_wherever_it_is(name: str, data: st.DataObject) -> None:
    resource = copy.deepcopy(wire.parse(official_examples.sample()[name]))
    objects = [c for c, _ in places(resource) if isinstance(c, dict)]
    objects[data.draw(st.integers(0, len(objects) - 1))]["zzz"] = 1

    assert any(issue.expression[0].endswith(".zzz") for issue in check(resource))
