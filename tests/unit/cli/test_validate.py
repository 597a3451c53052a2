"""`fhirbridge validate`: resources by the R4 definitions, documents by their schemas."""

import json
from pathlib import Path

import pytest

from fhirbridge.fhir import wire
from tests.unit.cli.running import CASES, FIXTURES, NOT_READABLE, bundle, native, run

REFUSED = sorted(
    path.parent.name
    for path in FIXTURES.glob("invalid/*/native.json")
    if path.parent.name != "schema-missing"  # nothing says that it is a document
)


@pytest.mark.parametrize("case", CASES)
def test_golden_bundle_and_its_document_have_no_error(case: str) -> None:
    done = run("validate", bundle(case), native(case))

    assert done.code == 0
    assert done.lines[0] == f"{bundle(case)}: 0 errors, 0 other findings."
    assert done.lines[1].startswith(f"{native(case)}: 0 errors, ")
    assert b"error: " not in done.out


def test_findings_are_data_with_place_and_sentence() -> None:
    resource = {"resourceType": "CarePlan", "status": "bogus", "intent": "plan"}

    done = run("validate", "-", stdin=wire.dump(resource))

    assert done.code == 1
    places = {line.split(": ")[1] for line in done.out.decode().splitlines()}
    assert places == {"CarePlan.status", "CarePlan.subject"}
    assert done.lines == ["-: 2 errors, 0 other findings."]


def test_json_is_an_operation_outcome() -> None:
    resource = {"resourceType": "CarePlan", "status": "bogus", "intent": "plan"}

    done = run("validate", "--json", "-", stdin=wire.dump(resource))

    assert (done.code, done.err) == (1, "")
    assert done.json["resourceType"] == "OperationOutcome"
    assert {i["severity"] for i in done.json["issue"]} == {"error"}


def test_json_of_several_files_is_a_list_in_their_order(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("[]")

    done = run("validate", "--json", bundle("referral/minimal"), bad)

    assert done.code == 1
    assert [one["issue"][0]["severity"] for one in done.json] == ["information", "fatal"]


@pytest.mark.parametrize("case", REFUSED)
def test_refused_document_has_its_expected_findings(case: str) -> None:
    expected = json.loads((FIXTURES / "invalid" / case / "issues.json").read_text())

    done = run("validate", FIXTURES / "invalid" / case / "native.json")

    assert done.code == 1
    for issue in expected:
        assert issue["severity"] in done.out.decode()
        assert all(place in done.out.decode() for place in issue["expression"])


def test_what_is_neither_resource_nor_document_is_said_so() -> None:
    done = run("validate", FIXTURES / "invalid" / "schema-missing" / "native.json")

    assert done.code == 1
    assert b"neither a FHIR resource" in done.out


@pytest.mark.parametrize("content", NOT_READABLE.values(), ids=NOT_READABLE.keys())
def test_unreadable_file_is_one_finding(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "case.json"
    file.write_bytes(content)

    done = run("validate", file)

    assert done.code == 1
    assert len(done.out.splitlines()) == 1
    assert done.out.startswith((b"fatal: ", b"error: "))
    assert done.lines == [f"{file}: 1 error, 0 other findings."]


def test_large_file_is_a_finding_and_the_next_file_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(50_000_000)

    done = run("validate", large, bundle("referral/minimal"))

    assert done.code == 1
    assert b"larger than the limit" in done.out
    assert done.lines[1] == f"{bundle('referral/minimal')}: 0 errors, 0 other findings."
