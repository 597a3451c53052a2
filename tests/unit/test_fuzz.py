"""A short run of `python -m benchmarks.fuzz`, and that it notices what it looks for."""

from itertools import islice, repeat

import pytest

from benchmarks import fuzz
from benchmarks.fuzz_requests import Asked, Requests


def test_nothing_breaks_hangs_or_answers_without_an_outcome() -> None:
    report = fuzz.in_process(200, seed=7)

    assert [str(finding) for finding in report.findings] == []
    assert report.statuses[200] > 10


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fuzz.Answer(500, {}, b"{}"), "status 500"),
        (fuzz.Answer(404, {}, b""), "without a body"),
        (fuzz.Answer(404, {}, b'{"resourceType":"Patient"}'), "without an OperationOutcome"),
        (fuzz.Answer(404, {}, b'{"resourceType":"OperationOutcome"}'), "no valid R4"),
        (fuzz.Answer(200, {}, b"<html>"), "cannot be read"),
        (fuzz.Answer(200, {}, b'{"resourceType":"Patient"}'), ""),
        (fuzz.Answer(200, {}, b'{"response":{"status":"500 x"}}'), "in an entry"),
    ],
)
def test_bad_answers_are_noticed(answer: fuzz.Answer, words: str) -> None:
    found = fuzz.judged(Asked("GET", "/fhir/Patient/a"), answer, thoroughly=False)

    assert words in " ".join(found)
    assert bool(found) == bool(words)


def test_seed_decides_the_requests_and_a_line_repeats_one() -> None:
    first, second, other = (Requests(seed, fuzz.examples()) for seed in (3, 3, 4))

    made = [maker() for maker in islice(repeat(first.next), 50)]

    assert made == [second.next() for _ in range(50)]
    assert made != [other.next() for _ in range(50)]
    assert [Asked.from_text(asked.to_text()) for asked in made] == made
