"""What is remembered between requests changes no answer: views are as if decided anew."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.config import Settings
from fhirbridge.consent.classes import CLASSES
from fhirbridge.consent.policy import load_policy
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.memory import memory_of
from fhirbridge.disclosure.views import Grounds, View, Views
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.operations import consents
from fhirbridge.storage.versions import ResourceVersion
from tests.disclosure.conftest import Clock
from tests.disclosure.support import CLINIC, STRANGER, Store
from tests.disclosure.test_doors import written

FOR = Recipient("Springfield Example Clinic")
PEOPLE = ("p1", "p2")
ASKED = (
    "CarePlan?subject=Patient/p1",
    "CarePlan",
    "CarePlan/plan-p1",
    "CarePlan/plan-p1/_history",
    "CarePlan/both",
    "Condition?patient=Patient/p2",
    "Organization",
    "Patient/p1/$everything",
)


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[Store]:
    bridge = bridges.build(Settings(auth="none", database_url=database_url), now=clock)
    yield Store(bridge)
    bridge.close()


def subject(person: str) -> JsonObject:
    return {"reference": f"Patient/{person}"}


def plan(person: str, **more: Any) -> Resource:
    return {
        "resourceType": "CarePlan",
        "id": f"plan-{person}",
        "status": "active",
        "intent": "plan",
        "subject": subject(person),
        "author": {"reference": "Organization/o1"},
        "addresses": [{"reference": f"Condition/c-{person}"}],
        "activity": [{"progress": [{"text": "slept badly"}], "detail": {"status": "in-progress"}}],
        **more,
    }


def condition(person: str, **more: Any) -> Resource:
    made = {"resourceType": "Condition", "id": f"c-{person}", "subject": subject(person)}
    return {**made, **more}


class Changes:
    """Random changes to what may leave, or to what there is."""

    def __init__(self, store: Store, clock: Clock, seed: int) -> None:
        self.store = store
        self.clock = clock
        self.dice = random.Random(seed)
        self.made = 0
        self.done: list[str] = []
        self.consents = dict.fromkeys(PEOPLE, "")
        store.put({"resourceType": "Organization", "id": "o1", "name": "Program"})
        for person in PEOPLE:
            store.put({"resourceType": "Patient", "id": person, "birthDate": "1980-01-01"})
            store.put(condition(person), plan(person))
            self.sign(person)
        store.put(plan("p1", id="both", contributor=[{"reference": "Patient/p2"}]))

    def sign(self, person: str) -> None:
        """A new consent to everything."""
        self.made += 1
        self.consents[person] = f"consent-{self.made}"
        self.write(person, *CLASSES)

    def write(self, person: str, *classes: str, **more: Any) -> None:
        made = written(self.consents[person], subject(person), *classes)
        made["provision"].update(more)
        self.store.put(made)
        self.attest(person)

    def attest(self, person: str) -> None:
        name = self.consents[person]
        consents.attest(self.store.bridge, name, by="officer", confirmed=frozenset())

    def classes(self, person: str) -> None:
        kinds = sorted(CLASSES)
        self.write(person, *self.dice.sample(kinds, self.dice.randint(2, len(kinds))))

    def deny(self, person: str) -> None:
        """One resource only, which is decided for each one."""
        data = [{"meaning": "instance", "reference": {"reference": f"Condition/c-{person}"}}]
        self.write(person, *CLASSES, provision=[{"type": "deny", "data": data}])

    def revoke(self, person: str) -> None:
        consents.revoke(self.store.bridge, self.consents[person], by="officer")
        if self.dice.random() < 0.7:
            self.sign(person)

    def plan(self, person: str) -> None:
        author = self.dice.choice(("o1", "o2"))
        self.store.put({"resourceType": "Organization", "id": author, "name": "Program"})
        title = self.dice.choice("ab")
        self.store.put(plan(person, title=title, author={"reference": f"Organization/{author}"}))

    def condition(self, person: str) -> None:
        self.store.put(condition(person, onsetString=self.dice.choice("ab")))

    def rename(self, person: str) -> None:
        name = self.dice.choice(("Program", "Other Program"))
        self.store.put({"resourceType": "Organization", "id": "o1", "name": name})

    def wait(self, person: str) -> None:
        self.clock.at += timedelta(days=self.dice.choice((1, 30)))

    def make(self) -> None:
        kinds = ("classes", "deny", "revoke", "plan", "condition", "rename", "wait")
        what, person = self.dice.choice(kinds), self.dice.choice(PEOPLE)
        getattr(self, what)(person)
        self.done.append(f"{what} {person}")


def answers(store: Store) -> dict[str, Any]:
    return {
        f"{path} {one.client_id}": (found.status, bare(found.body), found.headers)
        for one in (CLINIC, STRANGER)
        for path in ASKED
        for found in (store.get(path, one),)
    }


def bare(body: JsonObject) -> JsonObject:
    """Without the id and the time of the answer itself."""
    if body.get("resourceType") != "Bundle":
        return body
    return {name: value for name, value in body.items() if name not in ("id", "meta", "timestamp")}


@pytest.mark.parametrize("seed", [1, 2])
def test_an_answer_is_the_same_with_and_without_memory(
    store: Store, clock: Clock, seed: int
) -> None:
    changes = Changes(store, clock, seed)
    told = set()
    for _ in range(12):
        warm = answers(store)
        memory_of.cache_clear()
        anew = answers(store)
        assert warm == anew, f"after {changes.done}"
        told.add(str(anew))
        changes.make()
    assert len(told) > 5  # the changes were such as can be seen


def test_what_is_kept_fits_into_its_size() -> None:
    views = Views(max_bytes=10_000)
    grounds = Grounds(load_policy(), ())
    kept = [
        ResourceVersion(number, number, "Goal", "g", 1, 0, "PUT", False, b"x" * 500)
        for number in range(50)
    ]
    for version in kept:
        views.keep((version.seq, FOR, "TREAT"), View(version, version, grounds))
    found = [views.get((each.seq, FOR, "TREAT"), each) for each in kept]
    left = [each.stored for each in found if each is not None]
    assert left
    assert left == kept[-len(left) :]  # the latest
    assert sum(len(each.content) for each in left) <= 10_000


def test_a_version_is_not_taken_for_another_of_its_number() -> None:
    # A number is given again where a transaction was undone.
    views = Views()
    undone = ResourceVersion(1, 7, "Goal", "g", 1, 0, "PUT", False, b"undone")
    key = (7, FOR, "TREAT")
    views.keep(key, View(undone, undone, Grounds(load_policy(), ())))
    assert views.get(key, undone) is not None
    assert views.get(key, replace(undone, content=b"stored")) is None
