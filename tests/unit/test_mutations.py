"""A sample of what `python -m benchmarks.mutations` judges: changed rules are noticed."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmarks import mutations
from benchmarks.judging import meaning
from benchmarks.mutants import Mutant
from fhirbridge.mapping.compiler import compile_entry
from fhirbridge.native.documents import KINDS, Kind

SEED = 1
SAMPLE = 25


@pytest.mark.parametrize("kind", KINDS)
def test_changed_rules_are_noticed(kind: Kind) -> None:
    verdicts = [
        verdict
        for chunk in mutations.chunks(kind, SEED, SAMPLE)
        for verdict in mutations.judged(chunk)[1]
    ]

    assert len(verdicts) == SAMPLE
    assert [verdict.mutant for verdict in verdicts if verdict.by == "nobody"] == []
    assert {verdict.by for verdict in verdicts} >= {"check", "golden"}


def test_every_rule_has_mutants_and_the_seed_decides_which() -> None:
    several = mutations.mutants("referral", SEED)
    left_out = Counter(mutant.entry for mutant in several if mutant.change == "left out")
    pack = mutations.bench("referral").mapping.pack

    assert set(left_out) == set(pack.entries)
    assert several == mutations.mutants("referral", SEED)


def test_rules_of_one_meaning_are_the_same_in_any_order() -> None:
    mapping = mutations.bench("referral").mapping
    entry = mapping.pack.entries["task"]
    turned = compile_entry(mapping.pack, replace(entry, rules=tuple(reversed(entry.rules))))
    renamed = tuple(replace(rule, content_class="billing") for rule in entry.rules)

    same = compile_entry(mapping.pack, replace(entry, rules=renamed))

    assert meaning(same.template) == meaning(mapping.compiled["task"].template)
    assert meaning(turned.template) != meaning(mapping.compiled["task"].template)  # list items turn


def test_unnoticed_mutant_is_named_and_fails_the_run() -> None:
    several = mutations.mutants("referral", SEED)
    harmless: Mutant = replace(
        several[0], rules=mutations.bench("referral").mapping.pack.entries[several[0].entry].rules
    )

    verdict = mutations.bench("referral").judge(harmless)
    report = mutations.Report()
    report.add("referral", [verdict, replace(verdict, by="nobody")])

    assert (verdict.by, report.survived) == ("same", 1)
    assert mutations.row(report.counts["referral"])["score"] == "0.00 %"
