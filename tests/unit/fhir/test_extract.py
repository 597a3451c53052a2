import os
from pathlib import Path

import pytest

from fhirbridge.fhir import definitions
from fhirbridge.fhir.definitions import extract
from fhirbridge.fhir.definitions.expansion import CannotExpand, Terminology
from tests import official_examples


def test_the_data_files_are_those_that_extract_writes(tmp_path: Path) -> None:
    try:
        archive = official_examples.archive()
    except official_examples.Unavailable as exc:
        if os.environ.get("FHIRBRIDGE_TEST_REQUIRE_EXAMPLES"):
            raise
        pytest.skip(str(exc))

    extract.main(str(archive), tmp_path)

    written = sorted(tmp_path.iterdir())
    assert len(written) == 5
    for path in written:
        committed = Path(definitions.__file__).parent / path.name
        assert path.read_bytes() == committed.read_bytes(), path.name


SYSTEM = {
    "resourceType": "CodeSystem",
    "url": "s",
    "content": "complete",
    "concept": [
        {"code": "a", "concept": [{"code": "b"}]},
        {"code": "c", "property": [{"code": "subsumedBy", "valueCode": "b"}]},
        {"code": "d", "property": [{"code": "notSelectable", "valueBoolean": True}]},
    ],
}


def concepts(operator: str, value: str) -> dict[str, object]:
    return {
        "system": "s",
        "filter": [{"property": "concept", "op": operator, "value": value}],
    }


ONLY_A = {"system": "s", "concept": [{"code": "a"}]}


@pytest.mark.parametrize(
    ("compose", "codes"),
    [
        ({"include": [{"system": "s"}]}, "abc"),
        ({"include": [{"system": "s", "concept": [{"code": "a"}, {"code": "x"}]}]}, "ax"),
        ({"include": [{"system": "s"}], "exclude": [ONLY_A]}, "bc"),
        ({"include": [concepts("is-a", "b")]}, "bc"),
        ({"include": [concepts("descendent-of", "a")]}, "bc"),
        ({"include": [{"valueSet": ["one"]}]}, "a"),
        ({"include": [{"system": "s", "valueSet": ["one|4.0.1"]}]}, "a"),
    ],
    ids=["all", "listed", "excluded", "is-a", "descendent-of", "imported", "both"],
)
def test_value_sets_are_expanded(compose: dict[str, object], codes: str) -> None:
    one = {"include": [ONLY_A]}
    terminology = Terminology(
        [
            SYSTEM,
            {"resourceType": "ValueSet", "url": "v", "compose": compose},
            {"resourceType": "ValueSet", "url": "one", "compose": one},
        ]
    )

    assert "".join(sorted(code for _, code in terminology.expand("v"))) == codes


def test_what_cannot_be_listed_is_left_out() -> None:
    snomed = {"include": [{"system": "http://snomed.info/sct"}]}
    terminology = Terminology([{"resourceType": "ValueSet", "url": "v", "compose": snomed}])

    assert terminology.expand_all(["v", "unknown"]) == {}
    with pytest.raises(CannotExpand):
        terminology.expand("v")
