"""A document through its versions: what is stored after each, down to the version of a resource.

The cases `edited-1-…` to `edited-5-…` of an enrollment and of the aftercare plan that continues it:
original, changed, items removed, added again, reordered. Source: design.md sections 4 and 5
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.documents.receive import Received
from fhirbridge.documents.withdrawal import WITHDRAWN_TAG
from fhirbridge.errors import Conflict
from fhirbridge.jsontypes import NativeNode
from fhirbridge.native import documents as native
from fhirbridge.storage import resources
from fhirbridge.storage.database import Database
from tests.unit.documents.desk import Desk, document

STEPS = ("1-original", "2-changed", "3-removed", "4-added-again", "5-reordered")
KINDS: tuple[native.Kind, ...] = ("enrollment", "aftercare-plan")
STATE = {
    "Appointment": ("status", "cancelled"),
    "Goal": ("lifecycleStatus", "cancelled"),
    "MedicationRequest": ("status", "stopped"),
    "ServiceRequest": ("status", "revoked"),
    "Task": ("status", "cancelled"),
}
OURS = "https://fhirbridge.example/fhir/StructureDefinition"
# what says when and in which version the source wrote the document
STAMPS = {
    "authored",
    "authoredOn",
    "created",
    "date",
    "effectiveDateTime",
    "lastModified",
    "recorded",
}
VERSION = (f"{OURS}/document-version", f"{OURS}/document-updated")
ADDED = {"url": "https://ehr.example.org/added", "valueString": "by the EHR"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = Database(f"sqlite:///{tmp_path / 'versions.db'}")
    database.upgrade()
    yield Desk(database)
    database.close()


def step(kind: str, number: int) -> dict[str, Any]:
    return document(kind, f"edited-{STEPS[number - 1]}")


def through(desk: Desk, kind: str, last: int) -> Received:
    """Receive the versions of a sequence up to one of them."""
    for number in range(1, last):
        desk.receive(step(kind, number))
    return desk.receive(step(kind, last))


def versions(desk: Desk) -> dict[str, str]:
    """Type/id of each stored resource -> its version."""
    found = {}
    with desk.database.read() as session:
        for reference in desk.everything():
            resource_type, _, resource_id = reference.partition("/")
            row = resources.read(session, desk.custodian_id, resource_type, resource_id)
            assert row is not None
            found[reference] = str(row.version_id)
    return found


def named(desk: Desk, resource_type: str, item: str) -> str:
    """The reference of the resource that an item of the document became."""
    found = [
        reference
        for reference in desk.everything()
        if reference.startswith(f"{resource_type}/")
        and any(
            identifier["value"].endswith(f"/{item}") or identifier["value"] == item
            for identifier in desk.read(reference).get("identifier", [])
        )
    ]
    assert len(found) == 1, (item, found)
    return found[0]


def is_withdrawn(desk: Desk, reference: str) -> bool:
    resource = desk.read(reference)
    name, value = STATE[resource["resourceType"]]
    tagged = WITHDRAWN_TAG in resource.get("meta", {}).get("tag", [])
    assert not tagged or resource[name] == value
    return tagged


def without_stamps(value: Any) -> Any:
    """A resource without what every version of the document changes."""
    if isinstance(value, dict):
        return {k: without_stamps(v) for k, v in value.items() if k not in {*STAMPS, "text"}}
    if isinstance(value, list):
        return [
            without_stamps(item)
            for item in value
            if not (isinstance(item, dict) and item.get("url") in VERSION)
        ]
    return value


def shuffled(value: Any, node: NativeNode, chance: random.Random) -> Any:
    """The same document with its names and its keyed lists in another order."""
    if isinstance(value, dict):
        names = list(value)
        chance.shuffle(names)
        fields = node.fields or {}
        return {
            name: shuffled(value[name], fields[name], chance) if name in fields else value[name]
            for name in names
        }
    if isinstance(value, list) and node.item is not None:
        items = [shuffled(item, node.item, chance) for item in value]
        if node.key is not None:
            chance.shuffle(items)
        return items
    return value


def again(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "version": data["version"] + 1}


@pytest.mark.parametrize("kind", KINDS)
class TestEveryStep:
    def test_only_what_changed_has_a_new_version(self, desk: Desk, kind: native.Kind) -> None:
        before: dict[str, str] = {}
        contents: dict[str, bytes] = {}
        for number in range(1, 6):
            received = desk.receive(step(kind, number))

            now, changed = versions(desk), {*received.written, *received.withdrawn}
            assert {r for r in now if now[r] != before.get(r)} == changed
            after = desk.everything()
            assert {r for r in after if after[r] != contents.get(r)} == changed
            before, contents = now, after

    def test_nothing_is_ever_deleted(self, desk: Desk, kind: native.Kind) -> None:
        seen: set[str] = set()
        for number in range(1, 6):
            desk.receive(step(kind, number))

            assert seen <= set(desk.everything())
            seen |= set(desk.everything())

    def test_removed_items_are_withdrawn_and_only_they(self, desk: Desk, kind: native.Kind) -> None:
        received = through(desk, kind, 3)

        stated = [ref for ref in desk.everything() if ref.partition("/")[0] in STATE]
        assert {ref for ref in stated if is_withdrawn(desk, ref)} == {
            ref for ref in received.withdrawn if ref.partition("/")[0] in STATE
        }
        tagged = [
            ref
            for ref in desk.everything()
            if WITHDRAWN_TAG in desk.read(ref).get("meta", {}).get("tag", [])
        ]
        assert set(tagged) == set(received.withdrawn)

    def test_items_added_again_are_what_they_were(self, desk: Desk, kind: native.Kind) -> None:
        through(desk, kind, 2)
        before = {ref: desk.read(ref) for ref in desk.everything()}
        withdrawn = desk.receive(step(kind, 3)).withdrawn

        received = desk.receive(step(kind, 4))

        assert set(withdrawn) <= set(received.written)
        assert set(desk.everything()) == set(before)
        for reference, resource in before.items():
            assert without_stamps(desk.read(reference)) == without_stamps(resource), reference

    @pytest.mark.parametrize("seed", range(5))
    def test_other_order_of_names_and_keyed_lists_writes_nothing(
        self, desk: Desk, kind: native.Kind, seed: int
    ) -> None:
        received = through(desk, kind, 2)
        before = versions(desk)
        other = shuffled(step(kind, 2), native.shape(kind), random.Random(seed))
        assert json.dumps(other) != json.dumps(step(kind, 2))

        unchanged = desk.receive(other)

        assert (unchanged.outcome, unchanged.written, unchanged.withdrawn) == ("unchanged", (), ())
        assert versions(desk) == before
        assert unchanged.patient == received.patient

    def test_newer_version_in_other_order_writes_only_its_own_stamps(
        self, desk: Desk, kind: native.Kind
    ) -> None:
        through(desk, kind, 2)
        before = {ref: without_stamps(desk.read(ref)) for ref in desk.everything()}
        other = shuffled(step(kind, 2), native.shape(kind), random.Random(7))

        received = desk.receive(again(other))

        assert received.outcome == "updated"
        assert received.withdrawn == ()
        assert {ref: without_stamps(desk.read(ref)) for ref in desk.everything()} == before
        assert not [ref for ref in received.written if ref.partition("/")[0] in STATE]

    def test_same_version_with_other_content_and_older_ones_are_refused(
        self, desk: Desk, kind: native.Kind
    ) -> None:
        through(desk, kind, 3)
        before = versions(desk)

        refused = [step(kind, 1), step(kind, 2), {**step(kind, 3), "lifeSkills": ["parenting"]}]
        for data in refused:
            with pytest.raises(Conflict) as conflict:
                desk.receive(data)
            assert conflict.value.issues[0].expression == ("$.version",)

        assert versions(desk) == before

    def test_each_version_sent_twice_is_stored_once(self, desk: Desk, kind: native.Kind) -> None:
        for number in range(1, 6):
            first = desk.receive(step(kind, number))
            before = versions(desk)

            second = desk.receive(step(kind, number))

            assert (second.outcome, second.document_id) == ("unchanged", first.document_id)
            assert versions(desk) == before

    def test_additions_of_others_survive_every_step(self, desk: Desk, kind: native.Kind) -> None:
        desk.receive(step(kind, 1))
        for reference in desk.everything():
            resource = desk.read(reference)
            desk.store({**resource, "extension": [*resource.get("extension", []), ADDED]})
        marked = set(desk.everything())

        for number in range(2, 6):
            desk.receive(step(kind, number))

            assert [r for r in marked if ADDED not in desk.read(r).get("extension", [])] == []


class TestEnrollment:
    def test_changed_items_are_new_versions_of_the_same_resources(self, desk: Desk) -> None:
        through(desk, "enrollment", 1)
        goal, other = named(desk, "Goal", "goal-a"), named(desk, "Goal", "goal-b")
        medication = named(desk, "MedicationRequest", "med-naltrexone")
        missed = named(desk, "Appointment", "group/2026-09-04")
        kept = named(desk, "Appointment", "group/2026-09-09")

        received = desk.receive(step("enrollment", 2))

        assert {goal, medication, missed} <= set(received.written)
        assert not {other, kept} & set(received.written)
        assert [versions(desk)[ref] for ref in (goal, medication, missed)] == ["2", "2", "2"]
        assert desk.read(goal)["achievementStatus"]["coding"][0]["code"] == "improving"
        assert desk.read(missed)["status"] == "cancelled"
        assert not [ref for ref in received.written if ref.startswith(("Condition/", "Patient/"))]

    def test_removed_series_withdraws_its_order_and_its_sessions(self, desk: Desk) -> None:
        through(desk, "enrollment", 2)
        order = named(desk, "ServiceRequest", "individual")
        first = named(desk, "Appointment", "individual/2026-09-01")

        received = desk.receive(step("enrollment", 3))

        kinds = [ref.partition("/")[0] for ref in received.withdrawn]
        assert {order, first} <= set(received.withdrawn)
        assert kinds.count("Appointment") == 6
        assert kinds.count("ServiceRequest") == 2
        assert kinds.count("Goal") == kinds.count("MedicationRequest") == 1

    def test_order_of_an_ordered_list_is_content(self, desk: Desk) -> None:
        through(desk, "enrollment", 4)
        goal = named(desk, "Goal", "goal-b")

        received = desk.receive(step("enrollment", 5))

        assert [ref for ref in received.written if ref.partition("/")[0] in STATE] == [goal]
        assert desk.read(goal)["note"][0]["text"] == "Did not send it."

    def test_item_an_EHR_changed_meanwhile_keeps_what_it_added(self, desk: Desk) -> None:
        through(desk, "enrollment", 2)
        goal = named(desk, "Goal", "goal-b")
        stored = desk.read(goal)
        note = {"text": "Seen in clinic.", "authorString": "Example EHR"}
        desk.store({**stored, "note": [*stored["note"], note], "outcomeCode": [{"text": "x"}]})

        desk.receive(step("enrollment", 3))
        assert note in desk.read(goal)["note"]
        desk.receive(step("enrollment", 4))

        assert note in desk.read(goal)["note"]
        assert desk.read(goal)["outcomeCode"] == [{"text": "x"}]
        assert not is_withdrawn(desk, goal)


class TestPlanAfterEnrollment:
    def test_plan_continues_the_resources_of_the_enrollment(self, desk: Desk) -> None:
        through(desk, "enrollment", 5)
        before = set(desk.everything())

        received = desk.receive(step("aftercare-plan", 1))

        goal = named(desk, "Goal", "goal-a")
        medication = named(desk, "MedicationRequest", "med-naltrexone")
        assert {goal, medication, received.patient} <= before
        assert named(desk, "Goal", "goal-c") not in before

    def test_what_the_enrollment_still_holds_is_not_withdrawn(self, desk: Desk) -> None:
        through(desk, "enrollment", 5)
        through(desk, "aftercare-plan", 2)

        received = desk.receive(step("aftercare-plan", 3))

        gone = {named(desk, "Goal", "goal-c"), named(desk, "Appointment", "fu-2")}
        assert gone <= set(received.withdrawn)
        assert not [ref for ref in received.withdrawn if ref.startswith("MedicationRequest/")]
        assert not is_withdrawn(desk, named(desk, "MedicationRequest", "med-naltrexone"))

    def test_moved_visit_keeps_its_resource(self, desk: Desk) -> None:
        through(desk, "aftercare-plan", 1)
        visit = named(desk, "Appointment", "fu-1")

        received = desk.receive(step("aftercare-plan", 2))

        assert visit in received.written
        assert desk.read(visit)["start"].startswith("2026-10-14T09:00:00")


class TestReferral:
    def test_visit_that_is_gone_is_cancelled_and_the_order_stays(self, desk: Desk) -> None:
        data = document("referral", "several-responses")
        desk.receive(data)
        visit = next(ref for ref in desk.everything() if ref.startswith("Appointment/"))
        rest = {k: v for k, v in data.items() if k != "appointment"}

        received = desk.receive(again({**rest, "status": "scheduled"}))

        assert received.withdrawn == (visit,)
        order = next(ref for ref in desk.everything() if ref.startswith("ServiceRequest/"))
        assert desk.read(order)["status"] == "active"

    def test_answer_changes_the_task_and_not_the_patient(self, desk: Desk) -> None:
        data = document("referral", "waitlisted")
        desk.receive(data)
        answer = {"at": "2026-07-10T09:00:00-04:00", "action": "accepted"}

        received = desk.receive(
            again({**data, "status": "accepted", "responses": [*data["responses"], answer]})
        )

        kinds = {ref.partition("/")[0] for ref in received.written}
        assert "Task" in kinds
        assert not kinds & {"Patient", "Organization", "Practitioner"}
