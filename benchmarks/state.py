"""Fill a database with the days of a state: `python -m benchmarks.state --resources 100000`.

People, admissions, sessions, plans and referrals from `fhirbridge.synthetic.state`, mapped as
documents are and written by the storage functions that every create uses, in big transactions.
Processes beside the one that writes make the resources. The same seed gives the same state.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from uuid import UUID

from rich.console import Console
from rich.progress import Progress

from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import DEFAULT_BASE, Settings
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import compiled
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.documents.stored import circumstances_of
from fhirbridge.fhir import references
from fhirbridge.jsontypes import Resource
from fhirbridge.native import documents as native
from fhirbridge.storage import resources
from fhirbridge.storage.session import Session
from fhirbridge.synthetic import state

PEOPLE_IN_A_CHUNK = 25
RESOURCES_IN_A_TRANSACTION = 5_000


@dataclass(frozen=True, slots=True)
class Labelled:
    """A resource with its id, and the class of its content."""

    resource: Resource
    content_class: str

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.resource['resourceType']}/{self.resource['id']}"


def of_person(seed: int, number: int, namespace: UUID) -> dict[str, Labelled]:
    """The resources of one person's documents by reference; what documents share comes once."""
    found: dict[str, Labelled] = {}
    for data in state.documents(seed, number):
        document = native.load(native.kind_of(data), data)
        mapping = compiled(DEFAULT_BASE, None)[document.kind]
        made = to_fhir(document, mapping, Identity(namespace))
        entries = [(entry["fullUrl"], entry["resource"]) for entry in made.bundle["entry"]]
        names = {url: f"{one['resourceType']}/{one['id']}" for url, one in entries}
        for url, resource in entries:
            content_class = mapping.pack.entries[made.entries[names[url]]].content_class
            linked = references.rewrite(resource, names)
            found.setdefault(names[url], Labelled(linked, content_class))
    return found


def of_people(seed: int, numbers: range, namespace: UUID) -> list[Labelled]:
    """The resources of several people; what they share comes once."""
    found: dict[str, Labelled] = {}
    for number in numbers:
        found = {**of_person(seed, number, namespace), **found}
    return list(found.values())


def stream(seed: int, namespace: UUID, *, jobs: int = 1) -> Iterator[Labelled]:
    """All resources of a state, without an end, each once; made by `jobs` processes."""
    shared: set[str] = set()
    for chunk in _chunks(seed, namespace, jobs):
        for one in chunk:
            if one.resource["resourceType"] in SHARED_TYPES:
                if one.reference in shared:
                    continue
                shared.add(one.reference)
            yield one


# What several people have in common.
SHARED_TYPES = frozenset(
    {"HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole"}
)


def _chunks(seed: int, namespace: UUID, jobs: int) -> Iterator[list[Labelled]]:
    size = PEOPLE_IN_A_CHUNK
    numbers = (range(start, start + size) for start in range(0, sys.maxsize, size))
    if jobs <= 1:
        for each in numbers:
            yield of_people(seed, each, namespace)
    with ProcessPoolExecutor(jobs, initializer=_settle) as pool:
        waiting = [pool.submit(of_people, seed, n, namespace) for n in islice(numbers, 2 * jobs)]
        try:
            while True:
                yield waiting.pop(0).result()
                waiting.append(pool.submit(of_people, seed, next(numbers), namespace))
        finally:
            pool.shutdown(cancel_futures=True)


def _settle() -> None:
    _ = compiled(DEFAULT_BASE, None)
    gc.collect()
    gc.freeze()


def fill(bridge: Bridge, count: int, seed: int, *, jobs: int = 1) -> Iterator[int]:
    """Store the first `count` resources of a state; yields how many are there after a commit."""
    made = stream(seed, bridge.custodian.namespace, jobs=jobs)
    done = 0
    while done < count:
        batch = list(islice(made, min(RESOURCES_IN_A_TRANSACTION, count - done)))
        with bridge.database.transaction() as session:
            store(bridge, session, batch)
        done += len(batch)
        yield done


def store(bridge: Bridge, session: Session, batch: Iterable[Labelled]) -> None:
    """Store new resources inside the caller's transaction."""
    plain = circumstances_of(bridge)
    for one in batch:
        labelled = replace(plain, content_class=one.content_class)
        resource_id = one.resource["id"]
        resources.create(session, labelled, one.resource, resource_id=resource_id, method="PUT")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument("--resources", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="sqlite:///state.db", help="URL")
    parser.add_argument("--jobs", type=int, default=2, help="processes that make resources")
    chosen = parser.parse_args()
    bridge = bridges.build(Settings(database_url=chosen.database))
    words = Console(stderr=True)
    began = time.monotonic()
    with Progress(console=words, disable=not words.is_terminal, transient=True) as progress:
        task = progress.add_task("filling", total=chosen.resources)
        for done in fill(bridge, chosen.resources, chosen.seed, jobs=chosen.jobs):
            progress.update(task, completed=done)
    seconds = time.monotonic() - began
    report = {
        "resources": chosen.resources,
        "seed": chosen.seed,
        "seconds": round(seconds, 1),
        "resources_per_second": round(chosen.resources / seconds),
        "machine": machine(),
        "commit": commit(),
    }
    print(json.dumps(report))
    bridge.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
