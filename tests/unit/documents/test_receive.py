"""Receiving documents: versions, withdrawn items, and what others added."""

from collections.abc import Iterator
from typing import Any

import pytest

from fhirbridge.documents.withdrawal import WITHDRAWN_TAG
from fhirbridge.errors import Conflict
from tests.unit.documents.conftest import open_desk
from tests.unit.documents.desk import Desk, document, later


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """An empty database of both kinds in turn."""
    opened = open_desk(database_url)
    yield opened
    opened.database.close()


def only(references: tuple[str, ...], resource_type: str) -> str:
    found = [one for one in references if one.startswith(f"{resource_type}/")]
    assert len(found) == 1, found
    return found[0]


class TestVersions:
    def test_new_document_creates_its_resources(self, desk: Desk) -> None:
        received = desk.receive(document("enrollment"))

        assert received.outcome == "created"
        assert received.patient in received.written
        assert set(received.written) == set(desk.everything())

    def test_same_version_and_content_changes_nothing(self, desk: Desk) -> None:
        desk.receive(document("enrollment"))

        again = desk.receive(document("enrollment"))

        assert (again.outcome, again.written, again.withdrawn) == ("unchanged", (), ())

    def test_order_of_names_and_spelling_of_lists_do_not_count(self, desk: Desk) -> None:
        data = document("enrollment")
        desk.receive(data)

        again = desk.receive(dict(reversed(data.items())) | {"coverage": data.get("coverage", [])})

        assert again.outcome == "unchanged"

    def test_newer_version_updates_only_what_changed(self, desk: Desk) -> None:
        data = document("enrollment")
        desk.receive(data)
        goals = [{**goal, "text": "Three calm evenings"} for goal in data["goals"][:1]]

        received = desk.receive(later(data, goals=[*goals, *data["goals"][1:]]))

        assert received.outcome == "updated"
        assert only(received.written, "Goal")
        assert not [one for one in received.written if one.startswith("ServiceRequest/")]
        assert received.withdrawn == ()

    def test_time_of_writing_alone_makes_no_version(self, desk: Desk) -> None:
        data = document("aftercare-plan", "maximal")
        desk.receive(data)

        received = desk.receive(later(data))

        assert received.outcome == "updated"
        types = sorted(reference.partition("/")[0] for reference in received.written)
        # Adherence is shared with the enrollment, so the newest document dates it.
        assert types == ["CarePlan", "Composition", "MedicationRequest", "Provenance"]

    def test_resource_that_changed_takes_the_new_time(self, desk: Desk) -> None:
        data = document("aftercare-plan", "maximal")
        desk.receive(data)
        home = {**data["livingSituation"], "soberEnvironment": False}
        items = [{**item, "notes": "Ring first."} for item in data["items"]]

        received = desk.receive(later(data, livingSituation=home, items=items))

        written = {one.partition("/")[0]: desk.read(one) for one in received.written}
        assert written["Observation"]["effectiveDateTime"] == later(data)["updatedAt"]
        # an order is authored once
        assert written["ServiceRequest"]["authoredOn"] == data["updatedAt"]

    @pytest.mark.parametrize(
        "changes",
        [{"narrative": None, "version": 4, "daysPerWeek": 2}, {"version": 3}],
        ids=["same version with other content", "older version"],
    )
    def test_conflicting_version_is_refused(self, desk: Desk, changes: dict[str, Any]) -> None:
        desk.receive(document("enrollment"))
        changes.pop("narrative", None)

        with pytest.raises(Conflict) as refused:
            desk.receive(document("enrollment", **changes))

        assert refused.value.issues[0].expression == ("$.version",)


class TestItems:
    def test_missing_item_is_withdrawn_not_deleted(self, desk: Desk) -> None:
        data = document("enrollment")
        desk.receive(data)

        received = desk.receive(later(data, goals=data["goals"][1:]))

        goal = desk.read(only(received.withdrawn, "Goal"))
        assert goal["lifecycleStatus"] == "cancelled"
        assert WITHDRAWN_TAG in goal["meta"]["tag"]

    def test_item_that_comes_back_is_no_longer_withdrawn(self, desk: Desk) -> None:
        data = document("enrollment")
        desk.receive(data)
        before = desk.everything()
        without = later(data, goals=data["goals"][1:])
        gone = only(desk.receive(without).withdrawn, "Goal")

        received = desk.receive(later(without, goals=data["goals"]))

        assert gone in received.written
        assert desk.everything()[gone] == before[gone]

    def test_item_withdrawn_once_is_not_withdrawn_again(self, desk: Desk) -> None:
        data = document("enrollment")
        desk.receive(data)
        without = later(data, goals=data["goals"][1:])
        desk.receive(without)

        received = desk.receive(later(without, daysPerWeek=4))

        assert received.withdrawn == ()

    def test_what_others_added_survives(self, desk: Desk) -> None:
        data = document("enrollment")
        patient = desk.read(desk.receive(data).patient)
        desk.store({**patient, "maritalStatus": {"text": "M"}, "deceasedBoolean": False})

        received = desk.receive(later(data, patient={**data["patient"], "language": "es"}))

        stored = desk.read(received.patient)
        assert stored["maritalStatus"] == {"text": "M"}
        assert stored["deceasedBoolean"] is False
        assert stored["communication"] != patient["communication"]

    def test_what_a_document_no_longer_says_goes(self, desk: Desk) -> None:
        data = document("enrollment")
        desk.receive(data)
        patient = {k: v for k, v in data["patient"].items() if k != "email"}

        received = desk.receive(later(data, patient=patient))

        telecom = desk.read(received.patient)["telecom"]
        assert "email" not in {contact["system"] for contact in telecom}
