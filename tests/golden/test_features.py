"""Each feature of domain.md section 6 is visible where its row says, and nowhere else is enough.

`features.yaml` names for every row the case and the FHIRPath expressions with their values. `%name`
in an expression is a code system, extension or questionnaire by its short name in the packs.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhirbridge.fhir.elements import compile_expression
from fhirbridge.fhir.expressions import parse
from fhirbridge.jsontypes import Json, Resource
from tests.golden.test_golden import FIXTURES, made, mappings

TABLE = yaml.safe_load((Path(__file__).parent / "features.yaml").read_text())
ROWS: dict[str, dict[str, Any]] = TABLE["rows"]
# Rows of which a part is not yet where domain.md wants it. This number only goes down.
MOST_PENDING = 1

_NAME = re.compile(r"%([A-Za-z][A-Za-z0-9-]*)")
_TYPE = re.compile(r"[A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Sight:
    """One expression of a row, in one case, with what it must yield there."""

    row: str
    case: str
    path: str
    expected: tuple[Json, ...]  # empty: anything

    def __str__(self) -> str:
        return f"{self.row} {self.path}"


def sights() -> Iterator[Sight]:
    for row, content in ROWS.items():
        for shown in content.get("shows", ()):
            for path, value in shown["see"].items():
                values = value if isinstance(value, list) else [value]
                expected = () if value == "exists" else tuple(values)
                yield Sight(row, shown["in"], path, expected)


SIGHTS = list(sights())


@cache
def names() -> dict[str, str]:
    found: dict[str, str] = dict(TABLE["names"])
    for mapping in mappings().values():
        found |= {**mapping.pack.extensions, **mapping.pack.systems}
    return found


@cache
def resources(case: str) -> tuple[Resource, ...]:
    _, bundle, _ = made(FIXTURES / case)
    return tuple(entry["resource"] for entry in bundle["entry"])


def written_out(path: str) -> str:
    return _NAME.sub(lambda match: f"'{names()[match[1]]}'", path)


def found(sight: Sight) -> list[Json]:
    type_name = _TYPE.match(sight.path)
    assert type_name is not None
    values: list[Json] = []
    for branch in compile_expression(written_out(sight.path), type_name[0]):
        for resource in resources(sight.case):
            if resource["resourceType"] == type_name[0]:
                values += branch.evaluate(resource, resource)
    return values


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_feature_is_visible(sight: Sight) -> None:
    values = found(sight)

    assert values, "nothing is there"
    missing = [value for value in sight.expected if value not in values]
    assert not missing, values


def test_every_feature_has_a_row() -> None:
    assert list(ROWS) == [f"S{number:03}" for number in range(1, 102)]


@pytest.mark.parametrize("row", ROWS)
def test_row_is_visible_or_says_why_not(row: str) -> None:
    content = ROWS[row]

    assert {"feature", "home"} <= set(content)
    assert set(content) <= {"feature", "home", "shows", "pending", "later"}
    assert content.get("shows") or content.get("pending") or content.get("later")
    assert set(content.get("later", ())) <= set(TABLE["capabilities"])


def test_every_capability_is_awaited_by_a_row() -> None:
    awaited = {name for row in ROWS.values() for name in row.get("later", ())}

    assert awaited == set(TABLE["capabilities"])


def test_what_is_pending_becomes_less() -> None:
    pending = {row: content["pending"] for row, content in ROWS.items() if "pending" in content}

    assert len(pending) == MOST_PENDING, json.dumps(pending, indent=1)


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_carrier_counts_only_where_the_row_names_it(sight: Sight) -> None:
    if sight.path.startswith("QuestionnaireResponse"):
        assert re.search("QuestionnaireResponse|[pP]lan", ROWS[sight.row]["home"])


def words(row: str) -> str:
    """What domain.md and the table say about where a row is visible."""
    return f"{ROWS[row]['home']} {TABLE['read'].get(row, '')}"


@pytest.mark.parametrize("row", ROWS)
def test_extension_of_ours_is_not_enough_unless_the_row_says_so(row: str) -> None:
    paths = [sight.path for sight in SIGHTS if sight.row == row]
    ours = [path for path in paths if "StructureDefinition" in written_out(path)]

    assert not paths or len(ours) < len(paths) or "extension" in words(row)


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_home_is_one_that_the_row_names(sight: Sight) -> None:
    """The row names the resource type or, for what it words otherwise, the table says which."""
    assert sight.path.partition(".")[0] in words(sight.row)


def test_expressions_are_in_the_subset() -> None:
    for sight in SIGHTS:
        parse(written_out(sight.path))
