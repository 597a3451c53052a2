"""The laws of the mappings over many generated documents.

`python -m benchmarks.laws --documents 10000 --seed 1 [--kind KIND] [--jobs 2]` makes so many
documents of each kind, holds every law against each, and prints seed, counts, commit and machine,
and for each broken law the smallest document found that breaks it. Exit code 0 if all laws hold.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.timing import commit, machine
from fhirbridge.fhir import wire
from fhirbridge.native.documents import KINDS, Kind
from tests.laws.laws import LAWS, Case, broken, streams
from tests.laws.strategies import Stream

CHUNK = 100  # documents that one process makes in one go, under a seed of their own
TRIALS = 400  # smaller documents that are tried for each broken law


@dataclass(frozen=True)
class Chunk:
    """Some documents of a kind, and the seed they are drawn with."""

    kind: Kind
    seed: int
    count: int


@dataclass(frozen=True)
class Failure:
    """A document that breaks a law, and how."""

    law: str
    kind: Kind
    stream: Stream
    chance: int
    faults: tuple[str, ...]


@dataclass
class Report:
    """What a run found."""

    documents: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    first: dict[tuple[str, str], Failure] = field(default_factory=dict)

    def add(self, kind: Kind, count: int, failures: list[Failure]) -> None:
        """Count one chunk."""
        self.documents[kind] += count
        for failure in failures:
            self.broken[f"{kind}: {failure.law}"] += 1
            self.first.setdefault((kind, failure.law), failure)


def run(chunk: Chunk) -> tuple[Chunk, list[Failure]]:
    """Hold all laws against the documents of one chunk."""
    failures = []
    for number, stream in enumerate(streams(chunk.count, chunk.seed)):
        for law, faults in broken(Case(chunk.kind, stream, number)).items():
            failures.append(Failure(law, chunk.kind, stream, number, tuple(faults[:3])))
    return chunk, failures


def smallest(failure: Failure) -> Failure:
    """A smaller document that breaks the same law: fewer fields, fewer choices, plainer ones."""
    best = failure
    trials = 0
    progress = True
    while progress and trials < TRIALS:
        progress = False
        for stream in simpler(best.stream):
            trials += 1
            found = breaks(replace(best, stream=stream))
            if found is not None:
                best, progress = found, True
                break
            if trials >= TRIALS:
                break
    return best


def simpler(stream: Stream) -> Iterator[Stream]:
    """Streams that make smaller documents: fewer optional fields, a shorter or emptier stream."""
    if stream.density > 1:
        yield replace(stream, density=stream.density - 1)
    length = len(stream.data.rstrip(b"\0"))
    step = length
    while step > 8:
        step //= 2
        yield replace(stream, data=stream.data[: length - step])
        for start in range(0, length, step):
            emptied = stream.data[:start] + bytes(step) + stream.data[start + step : length]
            if emptied != stream.data:
                yield replace(stream, data=emptied)


def breaks(failure: Failure) -> Failure | None:
    """The failure as its stream gives it now; other places are tried where a law chooses one."""
    for chance in (failure.chance, *range(3)):
        try:
            faults = tuple(LAWS[failure.law](Case(failure.kind, failure.stream, chance)))
        except Exception as error:
            faults = (f"{type(error).__name__}: {error}",)
        if faults:
            return replace(failure, chance=chance, faults=faults[:3])
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.laws", description=__doc__)
    parser.add_argument("--documents", type=int, default=10_000, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, action="append", help="all kinds by default")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    head = {
        "seed": chosen.seed,
        "commit": commit(),
        "machine": machine(),
        "laws": list(LAWS),
    }
    report = hold(chunks(chosen.kind or KINDS, chosen.documents, chosen.seed), chosen.jobs)
    failures = [as_json(smallest(failure)) for failure in report.first.values()]
    whole = {
        **head,
        "documents": dict(report.documents),
        "broken": dict(report.broken),
        "failures": failures,
    }
    if chosen.json:
        print(wire.dump(whole, pretty=True).decode(), end="")
    else:
        tell(whole)
    return 1 if failures else 0


def chunks(kinds: Sequence[Kind], documents: int, seed: int) -> list[Chunk]:
    """The work, in pieces that differ in their seeds; kinds take turns."""
    return [
        Chunk(kind, seed * 1_000_000 + start // CHUNK, min(CHUNK, documents - start))
        for start in range(0, documents, CHUNK)
        for kind in kinds
    ]


def hold(work: list[Chunk], jobs: int) -> Report:
    """Run the chunks in so many processes, with a progress bar on a terminal."""
    report = Report()
    words = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=words, disable=not words.is_terminal) as progress:
        bar = progress.add_task("documents", total=sum(chunk.count for chunk in work))
        with multiprocessing.get_context("spawn").Pool(jobs) as pool:
            for chunk, failures in pool.imap_unordered(run, work):
                report.add(chunk.kind, chunk.count, failures)
                if failures:
                    progress.update(bar, description=f"documents, {len(report.first)} broken")
                progress.advance(bar, chunk.count)
    return report


def as_json(failure: Failure) -> dict[str, Any]:
    """A failure with the document that shows it."""
    return {
        "law": failure.law,
        "kind": failure.kind,
        "faults": list(failure.faults),
        "chance": failure.chance,
        "document": failure.stream.document(failure.kind),
    }


def tell(whole: dict[str, Any]) -> None:
    """The report to read."""
    print(f"seed {whole['seed']}, commit {whole['commit']}, {whole['machine']}")
    for kind, count in sorted(whole["documents"].items()):
        print(f"{kind}: {count} documents, {len(whole['laws'])} laws each")
    for name, count in sorted(whole["broken"].items()):
        print(f"broken: {name}, by {count} documents")
    for failure in whole["failures"]:
        print(f"\n{failure['kind']}, {failure['law']}:")
        for fault in failure["faults"]:
            print(f"  {fault}")
        print(wire.dump(failure["document"], pretty=True).decode())
    print("\nAll laws hold." if not whole["failures"] else "\nNot all laws hold.")


if __name__ == "__main__":
    sys.exit(main())
