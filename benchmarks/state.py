"""Fill a database with the days of a state: `python -m benchmarks.state --resources 100000`.

People, admissions, sessions, plans and referrals from `fhirbridge.synthetic.state`, mapped as
documents are and written by the storage functions that every create uses, in big transactions.
Processes beside the one that writes make the resources. The same seed gives the same state. With
`--copies` it is forty people and their copies under other identities (`benchmarks.bulk`).
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from uuid import UUID

from rich.console import Console
from rich.progress import Progress

from benchmarks import bulk
from benchmarks.bulk import Item
from benchmarks.timing import commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import DEFAULT_BASE, Settings
from fhirbridge.conversion.identity import Identity
from fhirbridge.conversion.mappings import compiled
from fhirbridge.conversion.to_fhir import to_fhir
from fhirbridge.documents.stored import circumstances_of
from fhirbridge.fhir import references
from fhirbridge.native import documents as native
from fhirbridge.storage.versions import next_seq
from fhirbridge.synthetic import state

PEOPLE_IN_A_CHUNK = 25
RESOURCES_IN_A_TRANSACTION = 10_000


def of_person(seed: int, number: int, namespace: UUID) -> dict[str, Item]:
    """The resources of one person's documents by reference; what documents share comes once."""
    found: dict[str, Item] = {}
    for data in state.documents(seed, number):
        document = native.load(native.kind_of(data), data)
        mapping = compiled(DEFAULT_BASE, None)[document.kind]
        made = to_fhir(document, mapping, Identity(namespace))
        entries = [(entry["fullUrl"], entry["resource"]) for entry in made.bundle["entry"]]
        names = {url: f"{one['resourceType']}/{one['id']}" for url, one in entries}
        for url, resource in entries:
            content_class = mapping.pack.entries[made.entries[names[url]]].content_class
            linked = references.rewrite(resource, names)
            found.setdefault(names[url], Item(linked, content_class))
    return found


def of_people(seed: int, numbers: range, namespace: UUID) -> list[Item]:
    """The resources of several people; what they share comes once."""
    found: dict[str, Item] = {}
    for number in numbers:
        found = {**of_person(seed, number, namespace), **found}
    return list(found.values())


def stream(seed: int, namespace: UUID, *, jobs: int = 1) -> Iterator[Item]:
    """All resources of a state, without an end, each once; made by `jobs` processes."""
    shared: set[str] = set()
    for chunk in _chunks(seed, namespace, jobs):
        for one in chunk:
            if one.resource["resourceType"] in SHARED_TYPES:
                if reference_of(one) in shared:
                    continue
                shared.add(reference_of(one))
            yield one


# What several people have in common.
SHARED_TYPES = frozenset(
    {"HealthcareService", "Location", "Organization", "Practitioner", "PractitionerRole"}
)


def _chunks(seed: int, namespace: UUID, jobs: int) -> Iterator[list[Item]]:
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
            bulk.store(session, circumstances_of(bridge), batch)
        done += len(batch)
        yield done


def fill_copying(bridge: Bridge, count: int, seed: int, *, people: int = 40) -> Iterator[int]:
    """Store `count` resources: those of so many people, then copies of these people.

    Yields how many are there after a commit.
    """
    namespace, circumstances = bridge.custodian.namespace, circumstances_of(bridge)
    catch = bulk.catching(bridge.database.transaction, circumstances)
    templates: list[bulk.Template] = []
    known: set[str] = set()
    done = 0
    for number in range(people):
        items = list(of_person(seed, number, namespace).values())
        own = [one for one in items if one.resource["resourceType"] not in SHARED_TYPES]
        fresh = [one for one in items if reference_of(one) not in known][: count - done]
        known |= {reference_of(one) for one in fresh}
        with bridge.database.transaction() as session:
            bulk.store(session, circumstances, fresh)
        done += len(fresh)
        templates.append(bulk.Template(own, state.numbers(seed, number), circumstances.now, catch))
        yield done
        if done >= count:
            return
    copies = ((n, template) for n in range(1, sys.maxsize) for template in templates)
    while done < count:
        with bridge.database.transaction() as session:
            if bridge.database.engine.dialect.name == "sqlite":
                session.driver.execute("PRAGMA cache_size=-500000")
            first = next_seq(session)
            written = 0
            while written < min(RESOURCES_IN_A_TRANSACTION, count - done):
                number, template = next(copies)
                for statement, rows in template.rows(
                    template.identity(number), first=first + written
                ):
                    session.add(statement, rows)
                written += template.size
            for _ in range(written - 1):
                next_seq(session)
        done += written
        yield done


def reference_of(item: Item) -> str:
    """`Type/id`."""
    return f"{item.resource['resourceType']}/{item.resource['id']}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.state", description=__doc__)
    parser.add_argument("--resources", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", default="sqlite:///state.db", help="URL")
    parser.add_argument("--jobs", type=int, default=2, help="processes that make resources")
    parser.add_argument(
        "--copies", action="store_true", help="some people and copies of them: much faster"
    )
    chosen = parser.parse_args()
    bridge = bridges.build(Settings(database_url=chosen.database))
    words = Console(stderr=True)
    began = time.monotonic()
    with Progress(console=words, disable=not words.is_terminal, transient=True) as progress:
        task = progress.add_task("filling", total=chosen.resources)
        if chosen.copies:
            steps = fill_copying(bridge, chosen.resources, chosen.seed)
        else:
            steps = fill(bridge, chosen.resources, chosen.seed, jobs=chosen.jobs)
        done = 0
        for done in steps:
            progress.update(task, completed=done)
    seconds = time.monotonic() - began
    report = {
        "resources": done,
        "seed": chosen.seed,
        "seconds": round(seconds, 1),
        "resources_per_second": round(done / seconds),
        "machine": machine(),
        "commit": commit(),
    }
    print(json.dumps(report))
    bridge.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
