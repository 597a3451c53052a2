"""What `python -m benchmarks` rests on: the function written by hand, the clock, the shrinking."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import handwritten, laws, mapping, timing
from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.mappings import compiled
from fhirbridge.mapping.compiler import Mapping
from tests.laws.laws import LAWS, Case, streams

CASES = sorted(p.parent.name for p in (timing.ROOT / "fixtures/enrollment").glob("*/native.json"))


@pytest.fixture(scope="module")
def sessions() -> Mapping:
    return mapping.subset(compiled(DEFAULT_BASE, None)["enrollment"], handwritten.SUBSET)


@pytest.mark.parametrize("case", CASES)
def test_function_written_by_hand_makes_what_the_mapping_makes(
    case: str, sessions: Mapping
) -> None:
    document = mapping.load(f"enrollment/{case}")
    codes = handwritten.Codes(sessions.pack)
    namespace = mapping.IDENTITY.namespace

    by_hand = handwritten.series(document.data, codes, namespace)

    made = [item.resource for item in sessions.encode(document.data, namespace).resources]
    assert mapping.in_order(by_hand) == mapping.in_order(made)


def test_ratio_is_to_the_first_function_and_a_missed_goal_is_told() -> None:
    def twice() -> None:
        sum(range(2000))
        sum(range(2000))

    functions = {"once": lambda: sum(range(2000)), "twice": twice}

    once, again = timing.compare("sums", functions, goals={"twice": 1.1}, rounds=3)

    assert once.ratio == 1
    assert again.ratio is not None
    assert again.ratio > 1.3
    assert again.missed


def test_smaller_document_is_found_that_breaks_the_same_law(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_consent_expires(case: Case) -> Iterator[str]:
        if any("expires" in consent for consent in case.document.data.get("consents", ())):
            yield "a consent expires"

    monkeypatch.setitem(LAWS, "no consent expires", no_consent_expires)  # type: ignore[arg-type]
    drawn = streams(30, 1)
    failures = [
        laws.Failure("no consent expires", "referral", stream, 0, ("a consent expires",))
        for stream in drawn
        if list(no_consent_expires(Case("referral", stream)))
    ]

    small = laws.smallest(max(failures, key=lambda failure: failure.stream.density))

    assert small.faults == ("a consent expires",)
    assert len(small.stream.data) < 1500
    assert len(small.stream.document("referral")["consents"]) == 1


def test_same_seed_gives_the_same_documents() -> None:
    assert streams(5, 3) == streams(5, 3) != streams(5, 4)


def test_work_is_cut_into_chunks_with_seeds_of_their_own() -> None:
    work = laws.chunks(("referral", "enrollment"), 250, 2)

    assert sum(chunk.count for chunk in work) == 500
    assert len({(chunk.kind, chunk.seed) for chunk in work}) == len(work) == 6


def test_report_names_commit_and_machine() -> None:
    assert timing.commit()
    assert "cores, CPython" in timing.machine()
    assert Path(timing.ROOT / "pyproject.toml").is_file()
