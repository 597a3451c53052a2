"""`python -m benchmarks.cross_check`: our gate is right on every kind of mutation in its table."""

import os
from collections.abc import Iterator

import pytest

from benchmarks.cross_check import TABLE, WORDS, markdown
from benchmarks.explained import reason
from benchmarks.timing import ROOT
from benchmarks.validators import Judge, Objection, gate, pyrofile
from benchmarks.verdict_cases import VerdictCase, verdict_cases
from fhirbridge.fhir import wire
from tests import official_examples

CASES = list(verdict_cases())


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    try:
        official_examples.archive()
    except official_examples.Unavailable as exc:
        if os.environ.get("FHIRBRIDGE_TEST_REQUIRE_EXAMPLES"):
            raise
        pytest.skip(f"{exc}; pyrofile-validator has no definitions")
    with pyrofile() as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words)
def test_gate_is_right_on_every_kind_of_mutation(case: VerdictCase) -> None:
    resource = wire.parse(wire.dump(case.resource))

    assert (gate(resource) == []) == case.is_valid


def test_kinds_are_many_and_none_is_there_twice() -> None:
    words = [case.words for case in CASES]

    assert len(words) == len(set(words))
    assert len(words) >= 60
    assert sum(case.is_valid for case in CASES) >= 20


def test_page_lists_every_kind_and_has_ours_right() -> None:
    page = TABLE.read_text("utf-8")

    for case in CASES:
        verdict = WORDS[case.is_valid, case.is_valid]
        assert f"| {case.words} | {verdict} | " in page
    assert page.startswith(markdown(CASES, {}).partition("(")[0])


def test_page_tells_what_pyrofile_validator_says(judge: Judge) -> None:
    page = TABLE.read_text("utf-8").splitlines()
    chosen = ("bogus gender", "29 February of a common year", "script", "false")

    for case in CASES:
        if case.words in chosen:
            row = next(line for line in page if line.startswith(f"| {case.words} |"))
            said = WORDS[case.is_valid, judge(case.resource) == []]
            assert row.endswith(f"| {said} |")


def test_what_convert_makes_has_no_fault_for_pyrofile_validator(judge: Judge) -> None:
    path = ROOT / "fixtures" / "referral" / "minimal" / "bundle.json"
    bundle = wire.parse(path.read_bytes())

    left = [found for found in judge(bundle) if not reason(found)]

    assert left == []


def test_only_what_is_known_is_explained() -> None:
    assert reason(Objection("cardinality.min", "Task.input[0].value[x]", "is required"))
    assert not reason(Objection("cardinality.min", "Task.status", "is required"))
