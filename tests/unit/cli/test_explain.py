"""`fhirbridge explain`: where each FHIR element comes from."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.running import CASES, ROOT, bundle, native, run

CASE = "aftercare-plan/mother-of-two"


def leaves(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [leaf for name, item in value.items() for leaf in leaves(item, f"{path}.{name}")]
    if isinstance(value, list):
        return [leaf for i, item in enumerate(value) for leaf in leaves(item, f"{path}[{i}]")]
    return [path]


@pytest.mark.parametrize("case", CASES)
def test_every_leaf_of_a_golden_case_is_accounted_for_once(case: str) -> None:
    resources = [entry["resource"] for entry in json.loads(bundle(case).read_text())["entry"]]
    present = sorted(
        (f"{resource['resourceType']}/{resource['id']}", leaf)
        for resource in resources
        for leaf in leaves(resource, resource["resourceType"])
    )

    done = run("explain", "--json", native(case))

    assert done.code == 0
    elements = done.json["elements"]
    assert sorted((item["resource"], item["path"]) for item in elements) == present
    assert all(item["rule"] and item["content_class"] for item in elements)
    assert all(item["layer"] == "fhirbridge" for item in elements)


def test_place_is_the_line_of_the_rule() -> None:
    elements = run("explain", "--json", native(CASE)).json["elements"]

    for place, rule in {(item["place"], item["rule"]) for item in elements}:
        file, _, line = place.rpartition(":")
        text = (ROOT / "mappings" / file).read_text().splitlines()[int(line) - 1]
        # what concerns a whole resource (id, narrative, profile) stands at its entry
        assert f"{rule}:" in text or file.endswith("/mapping.yaml"), place


def test_native_field_codec_and_code_row_are_named() -> None:
    status = run("explain", "--json", native(CASE), "CarePlan.status").json["elements"][0]

    assert status["native"] == "$.status"
    assert status["codec"].startswith("code ")
    file, _, line = status["code_row"].rpartition(":")
    row = (ROOT / "mappings" / file).read_text().splitlines()[int(line) - 1]
    assert json.loads(native(CASE).read_text())["status"] in row


def test_fhirpath_picks_what_starts_with_it() -> None:
    picked = run("explain", "--json", native(CASE), "Goal.description").json["elements"]

    assert picked
    assert {item["path"] for item in picked} == {"Goal.description.text"}


def test_table_has_a_line_an_element_and_says_what_is_not_mapped() -> None:
    done = run("explain", native(CASE), "CarePlan.status")

    lines = done.out.decode().splitlines()
    assert lines[0].split() == ["element", "from", "rule", "codec", "code", "row"]
    plans = [
        one
        for one in json.loads(bundle(CASE).read_text())["entry"]
        if one["resource"]["resourceType"] == "CarePlan"
    ]
    # several plans: the id says which one
    assert {line.split()[0] for line in lines[1:]} == {
        f"CarePlan/{one['resource']['id']}.status" for one in plans
    }
    assert any(line.startswith("not mapped: $.schema (") for line in done.lines)


def test_path_without_element_is_a_finding() -> None:
    done = run("explain", native(CASE), "CarePlan.nothing")

    assert done.code == 1
    assert "No element" in done.err


def test_refused_document_is_not_explained(tmp_path: Path) -> None:
    document = json.loads(native(CASE).read_text())
    document["version"] = "one"

    done = run("explain", "-", stdin=json.dumps(document).encode())

    assert (done.code, done.out) == (1, b"")
    assert done.lines[0].startswith("error: $.version: ")
