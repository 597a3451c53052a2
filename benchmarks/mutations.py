"""Mutation run over the rules of all mapping packs.

`python -m benchmarks.mutations [--seed N] [--jobs 2] [--only DOCUMENT] [--sample N]` changes every
rule in every way that `benchmarks/mutants.py` knows, one at a time, and counts who notices: the
check of the pack, a golden Bundle, or the laws on the fixtures' documents. Mutants that provably do
the same are counted apart, with the proof. Exit code 1 when nobody notices one; each is named.
"""

import argparse
import multiprocessing
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.judging import Judge, Verdict
from benchmarks.mutants import Breeder, Mutant
from benchmarks.timing import commit, machine
from fhirbridge.fhir import wire
from fhirbridge.native.documents import KINDS, Kind

CHUNK = 40  # mutants that one process judges in one go


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some mutants of one document's rules, by their numbers."""

    kind: Kind
    seed: int
    numbers: tuple[int, ...]


@dataclass
class Report:
    """What became of the mutants, by document."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    proofs: Counter[str] = field(default_factory=Counter)
    survivors: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: Kind, verdicts: Sequence[Verdict]) -> None:
        """Count one chunk."""
        self.counts.setdefault(kind, Counter()).update(verdict.by for verdict in verdicts)
        self.proofs.update(verdict.why for verdict in verdicts if verdict.by == "same")
        found = [verdict.mutant for verdict in verdicts if verdict.by == "nobody"]
        self.survivors.setdefault(kind, []).extend(found)

    @property
    def survived(self) -> int:
        """How many nobody noticed."""
        return sum(map(len, self.survivors.values()))


@cache
def bench(kind: Kind) -> Judge:
    """The judge of one document, made once in each process."""
    return Judge(kind)


@cache
def mutants(kind: Kind, seed: int) -> tuple[Mutant, ...]:
    """All mutants of one document's rules, in the order of its entries."""
    mapping = bench(kind).mapping
    breeder = Breeder(mapping, seed)
    return tuple(mutant for name in mapping.pack.entries for mutant in breeder.mutants(name))


def judged(chunk: Chunk) -> tuple[Chunk, list[Verdict]]:
    """Judge the mutants of one chunk."""
    several = mutants(chunk.kind, chunk.seed)
    return chunk, [bench(chunk.kind).judge(several[number]) for number in chunk.numbers]


def chunks(kind: Kind, seed: int, sample: int = 0) -> Iterator[Chunk]:
    """The work on one document; with `sample` only so many mutants, chosen by the seed."""
    numbers = list(range(len(mutants(kind, seed))))
    if sample:
        numbers = random.Random(f"{seed} {kind}").sample(numbers, min(sample, len(numbers)))
    for start in range(0, len(numbers), CHUNK):
        yield Chunk(kind, seed, tuple(numbers[start : start + CHUNK]))


def run(work: list[Chunk], jobs: int) -> Report:
    """Judge all chunks in so many processes, with a progress bar on a terminal."""
    report = Report()
    words = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=words, disable=not words.is_terminal) as progress:
        bar = progress.add_task("mutants", total=sum(len(chunk.numbers) for chunk in work))
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            for chunk, verdicts in pool.imap_unordered(judged, work):
                report.add(chunk.kind, verdicts)
                if report.survived:
                    progress.update(bar, description=f"mutants, {report.survived} unnoticed")
                progress.advance(bar, len(chunk.numbers))
    return report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", choices=KINDS, action="append", help="all documents by default")
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each document")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    kinds = chosen.only or KINDS
    work = [one for kind in kinds for one in chunks(kind, chosen.seed, chosen.sample)]
    report = run(work, chosen.jobs)
    whole = {
        "seed": chosen.seed,
        "commit": commit(),
        "machine": machine(),
        "documents": {kind: row(report.counts[kind]) for kind in kinds},
        "same": dict(report.proofs),
        "survivors": {kind: sorted(found) for kind, found in report.survivors.items() if found},
    }
    if chosen.json:
        print(wire.dump(whole, pretty=True).decode())
    else:
        tell(whole)
    return 1 if report.survived else 0


def row(counts: Counter[str]) -> dict[str, Any]:
    """The figures of one document; those that do the same are no part of the score."""
    mutants = sum(counts.values())
    noticed = mutants - counts["same"] - counts["nobody"]
    able = mutants - counts["same"]
    return {
        "mutants": mutants,
        "check": counts["check"],
        "golden": counts["golden"],
        "law": counts["law"],
        "same": counts["same"],
        "unnoticed": counts["nobody"],
        "score": f"{100 * noticed / able if able else 100:.2f} %",
    }


def tell(whole: dict[str, Any]) -> None:
    """The report to read."""
    print(f"seed {whole['seed']}, commit {whole['commit']}, {whole['machine']}")
    for kind, figures in whole["documents"].items():
        print(f"{kind}: " + ", ".join(f"{name} {value}" for name, value in figures.items()))
    for why, count in whole["same"].items():
        print(f"the same: {count}, because {why}")
    for kind, found in whole["survivors"].items():
        print(f"\n{kind}, unnoticed:")
        for mutant in found:
            print(f"  {mutant}")


if __name__ == "__main__":
    sys.exit(main())
