"""Our gate beside validators that others wrote.

    python -m benchmarks.cross_check                    kinds of mutation, verdicts side by side
    python -m benchmarks.cross_check --write            the same, into docs/validators.md
    python -m benchmarks.cross_check --bundles          everything in fixtures/ that `convert` makes
    python -m benchmarks.cross_check --documents 100 --seed 1       what it makes of documents
                                                        generated under a seed, so many of each kind

pyrofile-validator gets each resource alone, and again in its Bundle.
Exit code 1 if our gate is wrong about a mutation, or if anybody objects to what we make without a
reason why not in `benchmarks/explained.py`. pyrofile-validator takes about two seconds a Bundle;
`--jobs` divides the work among so many processes.
"""

import argparse
import multiprocessing
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from benchmarks.explained import reason
from benchmarks.timing import ROOT, commit, machine
from benchmarks.validators import (
    Judge,
    Objection,
    fhir_resources,
    fhirkit_rs,
    gate,
    pyrofile,
    versions,
)
from benchmarks.verdict_cases import VerdictCase, verdict_cases
from fhirbridge.config import DEFAULT_BASE
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import load_mappings
from fhirbridge.conversion.own_codes import own_codes
from fhirbridge.conversion.published import published
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.native import documents
from tests.laws.laws import streams

TABLE = ROOT / "docs" / "validators.md"
BUNDLES = sorted((ROOT / "fixtures").glob("*/*/bundle.json"))
WORDS = {(True, True): "allows", (True, False): "**refuses**", (False, False): "refuses"}
WORDS[(False, True)] = "**misses**"


def main() -> int:
    """Run what was asked for; print what they say."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cross_check",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--write", action="store_true", help="write the table of mutations")
    parser.add_argument("--bundles", action="store_true", help="the golden Bundles")
    parser.add_argument("--documents", type=int, default=0, help="generated documents a kind")
    parser.add_argument("--seed", type=int, default=1, help="what they are drawn with")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    chosen = parser.parse_args()
    print(f"{machine()}, commit {commit()}, seed {chosen.seed}")
    if chosen.bundles or chosen.documents:
        return _made(
            [
                _Share(number, chosen.jobs, chosen.bundles, chosen.documents, chosen.seed)
                for number in range(chosen.jobs)
            ]
        )
    return _mutations(write=chosen.write)


def _mutations(*, write: bool) -> int:
    cases = list(verdict_cases())
    with pyrofile() as judge:
        judges: dict[str, Judge] = {"ours": gate, "fhir.resources": fhir_resources}
        judges |= {"fhirkit-rs": fhirkit_rs, "pyrofile-validator": judge}
        verdicts = {
            name: [_allows(judge, case) for case in cases] for name, judge in judges.items()
        }
    table = markdown(cases, verdicts)
    if write:
        TABLE.write_text(table, encoding="utf-8")
    else:
        print(table)
    return int(any(c.is_valid != v for c, v in zip(cases, verdicts["ours"], strict=True)))


def _allows(judge: Judge, case: VerdictCase) -> bool:
    return not judge(wire.parse(wire.dump(case.resource)))


def markdown(cases: list[VerdictCase], verdicts: Mapping[str, list[bool]]) -> str:
    """The page: how often each was right, by group, then each mutation; what is wrong is bold."""
    names = list(verdicts)
    lines = [_HEAD.format(count=len(cases), versions=versions()), *_columns("", names)]
    for group in dict.fromkeys(case.group for case in cases):
        members = [i for i, case in enumerate(cases) if case.group == group]
        lines.append(_counts(f"{group}, {len(members)}", cases, verdicts, members))
    lines.append(_counts(f"all, {len(cases)}", cases, verdicts, range(len(cases))))
    for group in dict.fromkeys(case.group for case in cases):
        lines += ["", f"## {group}", "", *_columns("mutation", names)]
        for i, case in enumerate(cases):
            if case.group == group:
                said = (WORDS[case.is_valid, verdicts[name][i]] for name in names)
                lines.append(f"| {case.words} | {' | '.join(said)} |")
    return "\n".join(lines) + "\n"


_HEAD = """# Our gate beside other validators

Made by `python -m benchmarks.cross_check --write`: {count} kinds of mutation of small valid
resources, each with the verdict of R4 4.0.1, and what our gate and three other validators say
({versions};
the last with the definitions of the official package, unknown extensions allowed). A wrong verdict
is **bold**. The tests hold ours right on every one.

How often each is right:
"""


def _columns(first: str, names: list[str]) -> list[str]:
    return [f"| {first} | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]


def _counts(
    title: str,
    cases: list[VerdictCase],
    verdicts: Mapping[str, list[bool]],
    members: Sequence[int],
) -> str:
    right = (sum(said[i] == cases[i].is_valid for i in members) for said in verdicts.values())
    return f"| {title} | {' | '.join(map(str, right))} |"


@dataclass(frozen=True)
class _Share:
    """What one process looks at."""

    number: int
    jobs: int
    golden: bool
    documents: int
    seed: int

    def bundles(self) -> Iterator[Resource]:
        """Its part of the Bundles."""
        if self.golden:
            for path in BUNDLES[self.number :: self.jobs]:
                yield wire.parse(path.read_bytes())
        mappings = load_mappings(base=DEFAULT_BASE)
        drawn = streams(self.documents, self.seed) if self.documents else []
        for stream in drawn[self.number :: self.jobs]:
            for kind in documents.KINDS:
                document = documents.load(kind, stream.document(kind))
                yield to_fhir(document, mappings[kind], Identity()).bundle


@dataclass
class _Said:
    """What was looked at, and what each validator objects to in it."""

    counts: Counter[str] = field(default_factory=Counter)
    explained: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)

    def add(self, who: str, objections: list[Objection]) -> None:
        """Count objections, those with a reason apart."""
        for objection in objections:
            why = reason(objection) if who not in ("ours", "fhirkit-rs") else ""
            if why:
                self.explained[f"{who} {objection.code}: {why}"] += 1
            else:
                place = re.sub(r"\d+", "", objection.place)
                self.left[f"{who} {objection.code} {place}: {objection.words}"] += 1


def _look(share: _Share) -> _Said:
    mappings = load_mappings(base=DEFAULT_BASE)
    ours = partial(gate, own_codes=own_codes(mappings))
    said = _Said()
    with pyrofile(list(published(mappings))) as judge:
        for bundle in share.bundles():
            resources = [entry["resource"] for entry in bundle["entry"]]
            said.counts["Bundles"] += 1
            said.counts["resources"] += len(resources)
            said.add("ours", ours(bundle))
            said.add("fhir.resources", fhir_resources(bundle))
            said.add("fhirkit-rs", fhirkit_rs(bundle))
            for resource in (*resources, bundle):  # alone, and with what they refer to
                said.add("pyrofile-validator", judge(resource))
    return said


def _made(shares: list[_Share]) -> int:
    began = time.monotonic()
    with multiprocessing.Pool(len(shares)) as pool:
        parts = pool.map(_look, shares)
    for name in ("counts", "explained", "left"):
        total: Counter[str] = sum((getattr(part, name) for part in parts), Counter())
        print(f"{name}: {sum(total.values()) if name != 'counts' else ''}")
        for text, count in total.most_common():
            print(f"  {count:6} {text}")
    print(f"{time.monotonic() - began:.0f} s")
    return int(any(part.left for part in parts))


if __name__ == "__main__":
    sys.exit(main())
