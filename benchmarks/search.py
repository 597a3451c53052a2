"""Searches over states of several sizes: `python -m benchmarks.search --database URL …`.

The databases are filled by `python -m benchmarks.state`, the smallest is named first. Every kind of
search is asked with values of resources that are there, chosen by the seed, and once before the
clock runs: what is measured is found in memory. A row is a kind of search: p50 and p95 in
milliseconds for each database, and how much p95 grows. The plan of every statement is looked at:
reading a whole table is a fault. Exit code 1 for a fault, or where p95 grows twofold or more.
"""

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.fhir import wire
from fhirbridge.jsontypes import Resource
from fhirbridge.search import query
from fhirbridge.storage import search, tables
from fhirbridge.storage.session import Session

ROUNDS = 100
GROWTH = 2.0
_NAMES = 200  # patients and plans from which values are taken
_SCAN = re.compile(r"SCAN [rxzvso]\d*\b|.*Seq Scan on (?!feed|custodians)")


@dataclass(frozen=True)
class Kind:
    """A kind of search: on a type, with values of a Patient."""

    name: str
    resource_type: str
    text: Callable[[Resource], str]


def _mrn(patient: Resource) -> str:
    identifier = patient["identifier"][0]
    return f"{identifier['system']}|{identifier['value']}"


KINDS = (
    Kind("plans of a patient", "CarePlan", lambda p: f"patient={p['id']}"),
    Kind("patient by identifier", "Patient", lambda p: f"identifier={_mrn(p)}"),
    Kind("patients by name", "Patient", lambda p: f"family={p['name'][0]['family']}&_count=20"),
    Kind(
        "appointments of a patient, newest first",
        "Appointment",
        lambda p: f"patient={p['id']}&_sort=-date&_count=20",
    ),
    Kind("active plans, a page", "CarePlan", lambda p: "status=active&_count=20"),
    Kind("appointments of a day", "Appointment", lambda p: "date=2023-12-06&_count=20"),
    Kind(
        "appointments from a day on, in order",
        "Appointment",
        lambda p: "date=ge2023-12-06&_sort=date&_count=20",
    ),
    Kind("plans changed lately", "CarePlan", lambda p: "_lastUpdated=gt2020&_count=20"),
    Kind(
        "goals by the patient's identifier",
        "Goal",
        lambda p: f"patient.identifier={_mrn(p)}",
    ),
    Kind(
        "plan with all that refers to it",
        "CarePlan",
        lambda p: f"patient={p['id']}&_revinclude=Provenance:target&_include=CarePlan:goal",
    ),
    Kind("newest resources of a type", "Goal", lambda p: "_sort=-_lastUpdated&_count=20"),
)


@dataclass(frozen=True)
class Found:
    """What one database said to one kind of search."""

    p50: float
    p95: float
    hits: float
    scans: tuple[str, ...]


def measure(bridge: Bridge, kind: Kind, patients: Sequence[Resource]) -> Found:
    """Ask with the values of each patient in turn."""
    times: list[float] = []
    hits = 0
    custodian_id = bridge.custodian.id
    for number in range(ROUNDS):
        text = kind.text(patients[number % len(patients)])
        began = time.perf_counter()
        parsed = query.parse(kind.resource_type, parse_qsl(text))
        with bridge.database.read() as session:
            page = search.run(session, parsed, custodian_id=custodian_id)
        times.append((time.perf_counter() - began) * 1e3)
        hits += len(page.matches)
    times.sort()
    middle, late = times[ROUNDS // 2], times[ROUNDS * 95 // 100]
    return Found(middle, late, hits / ROUNDS, tuple(scans(bridge, kind, patients[0])))


class _Explainer:
    """Stands before the driver and keeps the plan of each statement."""

    def __init__(self, session: Session) -> None:
        self._driver = session.driver
        self._is_sqlite = session.connection.dialect.name == "sqlite"
        self.steps: list[str] = []

    def execute(self, text: str, parameters: Sequence[Any] = ()) -> Any:
        words = "EXPLAIN QUERY PLAN" if self._is_sqlite else "EXPLAIN"
        plan = self._driver.execute(f"{words} {text}", parameters).fetchall()
        self.steps += [str(row[-1]) for row in plan]
        return self._driver.execute(text, parameters)


def scans(bridge: Bridge, kind: Kind, patient: Resource) -> list[str]:
    """The steps in the plans of a search that read a whole table."""
    parsed = query.parse(kind.resource_type, parse_qsl(kind.text(patient)))
    with bridge.database.read() as session:
        driver = session.driver
        explainer = _Explainer(session)
        session.driver = explainer
        try:
            search.run(session, parsed, custodian_id=bridge.custodian.id)
        finally:
            session.driver = driver
    return [step for step in explainer.steps if _SCAN.match(step.strip())]


def some_patients(bridge: Bridge, seed: int) -> list[Resource]:
    """Patients from all over the database."""
    columns = tables.resources.c
    of_type = sa.select(columns.seq).where(
        columns.resource_type == "Patient", columns.custodian_id == bridge.custodian.id
    )
    with bridge.database.read() as session:
        numbers = [row[0] for row in session.execute(of_type.order_by(columns.seq))]
        chosen = random.Random(seed).sample(numbers, min(_NAMES, len(numbers)))
        versions = tables.resource_versions.c
        rows = session.execute(sa.select(versions.content).where(versions.seq.in_(chosen)))
        return [wire.parse(row[0]) for row in rows]


def count(bridge: Bridge) -> int:
    """How many resources a database holds."""
    with bridge.database.read() as session:
        found = session.execute(sa.select(sa.func.count()).select_from(tables.resources))
        return int(found.scalar() or 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("--database", action="append", required=True, help="URL; may be repeated")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    chosen = parser.parse_args()
    sizes: list[int] = []
    results: dict[str, list[Found]] = {kind.name: [] for kind in KINDS}
    for url in chosen.database:
        bridge = bridges.build(Settings(database_url=url))
        sizes.append(count(bridge))
        patients = some_patients(bridge, chosen.seed)
        for kind in KINDS:
            measure(bridge, kind, patients)  # caches are filled before the clock runs
            results[kind.name].append(measure(bridge, kind, patients))
        bridge.close()
    head = f"{machine()}, commit {commit()}, seed {chosen.seed}"
    if chosen.json:
        rows = {name: [vars(one) for one in found] for name, found in results.items()}
        print(json.dumps({"machine": head, "resources": sizes, "searches": rows}, indent=2))
    else:
        Console(width=None if sys.stdout.isatty() else 130).print(table(head, sizes, results))
    scanned = [step for found in results.values() for one in found for step in one.scans]
    for step in scanned:
        print(f"reads a whole table: {step}", file=sys.stderr)
    grown = any(growth(found) >= GROWTH for found in results.values())
    return 1 if scanned or grown else 0


def growth(found: Sequence[Found]) -> float:
    """How many times longer the slowest twentieth takes in the last database than in the first."""
    return found[-1].p95 / found[0].p95


def table(title: str, sizes: Sequence[int], results: dict[str, list[Found]]) -> Table:
    """p50 / p95 of each kind of search in each database."""
    made = Table("p50 / p95 ms", title=title, title_justify="left")
    for size in sizes:
        made.add_column(f"{size:,} resources", justify="right")
    made.add_column("p95 grows", justify="right")
    for name, found in results.items():
        cells = [f"{one.p50:.2f} / {one.p95:.2f} ({one.hits:.0f} hits)" for one in found]
        made.add_row(name, *cells, f"{growth(found):.1f} x")
    return made


if __name__ == "__main__":
    sys.exit(main())
