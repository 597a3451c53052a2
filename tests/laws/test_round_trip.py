"""The five laws of the mappings (design.md section 6), for generated documents of every kind.

All laws look at the same 200 documents (FHIRBRIDGE_TEST_EXAMPLES says otherwise), which are made
once however many processes run the tests. `python -m benchmarks.laws` finds the smallest document
that breaks a law.
"""

import fcntl
import json
import os
from pathlib import Path

import pytest

from fhirbridge.mapping.check import readers
from fhirbridge.mapping.native_paths import leaves
from fhirbridge.native.documents import KINDS, Kind
from tests.laws.laws import LAWS, Case, broken, mapping_of, streams

COUNT = int(os.environ.get("FHIRBRIDGE_TEST_EXAMPLES", "200"))
SEED = 1


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all test processes share: one file a kind, what broke which law."""
    own = tmp_path_factory.getbasetemp()
    folder = (own if worker_id == "master" else own.parent) / "laws"
    folder.mkdir(exist_ok=True)
    return folder


def verdict(folder: Path, kind: Kind) -> dict[str, list[str]]:
    """What broke which law, over all documents of a kind; the first who asks finds out."""
    file = folder / f"{kind}.json"
    with (folder / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            found: dict[str, list[str]] = {"documents": []}
            for number, stream in enumerate(streams(COUNT, SEED)):
                found["documents"].append(str(number))
                for law, faults in broken(Case(kind, stream, number)).items():
                    found.setdefault(law, []).extend(f"document {number}: {f}" for f in faults)
            file.write_text(json.dumps(found))
    read: dict[str, list[str]] = json.loads(file.read_text())
    return read


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("kind", KINDS)
def test_law_holds_for_generated_documents(kind: Kind, law: str, verdicts: Path) -> None:
    found = verdict(verdicts, kind)

    assert len(found["documents"]) == COUNT
    assert found.get(law, []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_law_4_every_field_is_read_by_one_rule_or_excused_with_a_reason(kind: Kind) -> None:
    mapping = mapping_of(kind)
    read = readers({name: item.template for name, item in mapping.compiled.items()})

    silent = [
        (rule.name, str(rule.place))
        for entry in mapping.pack.entries.values()
        for rule in entry.rules
        if rule.direction != "both" and not rule.reason
    ]

    assert silent == []
    assert all(reason for reason in mapping.pack.excused.values())
    assert len(read) > 0.9 * sum(1 for _ in leaves(mapping.shape)) - len(mapping.pack.excused) - 2
