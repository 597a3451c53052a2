"""A referral's Task is held twice, here and at the partner, and its document speaks of it too."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.stored import prepare_as
from fhirbridge.fhir import wire
from fhirbridge.handoffs import partners, referrals
from fhirbridge.handoffs.answer import Answer, answer
from fhirbridge.handoffs.feed import read_feed
from fhirbridge.handoffs.notify import notify
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.tasks import circumstances, read
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import handoff_keys, resources

DOCUMENT = (
    Path(__file__).parents[2] / "fixtures/referral/step-up-partial-hospitalization/native.json"
)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
    with built.database.transaction() as session:
        partners.save(session, built, Partner("ehr", "http://127.0.0.1:9/fhir"))
    yield built
    built.close()


def hand(bridge: Bridge, version: int = 2, *, to: str = "ehr", **said: Any) -> str:
    """Hand a version of the referral over; the partner holds its Task as Task/t."""
    document = {**json.loads(DOCUMENT.read_bytes()), "version": version, **said}
    document["updatedAt"] = f"2026-03-{version:02}T12:00:00Z"
    prepared = prepare_as(bridge, "referral", document)
    handoff_id = hand_over(bridge, to, Receiving(bridge, prepared)).handoff_id
    with bridge.database.transaction() as session:
        handoff_keys.note(session, bridge.custodian.id, handoff_id, [f"{to} Task/t"])
    settle(bridge)
    return handoff_id


def settle(bridge: Bridge) -> None:
    while read_feed(bridge):
        pass


def ours(bridge: Bridge, handoff_id: str) -> dict[str, Any]:
    place = referrals.show(bridge, handoff_id).handoff.details["taskHere"]
    with bridge.database.read() as session:
        found = read(session, bridge, place)
    assert found is not None
    return wire.parse(found.content)


def write(bridge: Bridge, handoff_id: str, *states: dict[str, Any]) -> None:
    """The partner writes our copy, so often before it is looked at."""
    for said in states:
        task = ours(bridge, handoff_id) | said
        with bridge.database.transaction() as session:
            current = read(session, bridge, f"Task/{task['id']}")
            assert current is not None
            resources.update(session, circumstances(bridge), task, current=current)
    settle(bridge)


def tell(bridge: Bridge, version: str, status: str, **said: Any) -> str:
    """The partner tells of its own copy."""
    task = {"resourceType": "Task", "id": "t", "status": status, "meta": {"versionId": version}}
    body = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": {**task, **said}}]}
    result = notify(bridge, "ehr", body).taken[0].result
    settle(bridge)
    return result


def state(bridge: Bridge, handoff_id: str) -> str:
    return referrals.show(bridge, handoff_id).handoff.status


def test_what_the_partner_says_in_its_copy_stands_in_ours_with_its_reason(bridge: Bridge) -> None:
    handoff_id = hand(bridge)
    reason = {"coding": [{"system": "urn:why", "code": "full"}], "text": "No place."}

    tell(bridge, "2", "rejected", statusReason=reason)

    task = ours(bridge, handoff_id)
    assert (task["status"], task["statusReason"]) == ("rejected", reason)
    assert state(bridge, handoff_id) == "declined"
    assert referrals.list_set_aside(bridge) == []


def test_what_we_wrote_ourselves_is_no_news_however_late_it_is_read(bridge: Bridge) -> None:
    handoff_id = hand(bridge)
    task = {"resourceType": "Task", "id": "t"}
    for number, status in enumerate(("accepted", "completed"), 2):
        told = {**task, "status": status, "meta": {"versionId": str(number)}}
        body = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": told}]}
        notify(bridge, "ehr", body)

    settle(bridge)

    assert ours(bridge, handoff_id)["status"] == "completed"
    assert referrals.list_set_aside(bridge) == []
    events = referrals.show(bridge, handoff_id).to_json()["events"]
    assert [one["state"] for one in events] == ["accepted", "completed"]


def test_what_was_written_here_before_is_heard_first(bridge: Bridge) -> None:
    handoff_id = hand(bridge)
    task = ours(bridge, handoff_id) | {"status": "rejected"}
    with bridge.database.transaction() as session:
        current = read(session, bridge, f"Task/{task['id']}")
        assert current is not None
        resources.update(session, circumstances(bridge), task, current=current)

    tell(bridge, "2", "accepted")

    assert (ours(bridge, handoff_id)["status"], state(bridge, handoff_id)) == (
        "rejected",
        "declined",
    )
    assert referrals.list_set_aside(bridge) == []


def test_what_came_of_it_is_kept_here_with_references_to_the_partners_server(
    bridge: Bridge,
) -> None:
    handoff_id = hand(bridge)
    before = ours(bridge, handoff_id).get("output", [])
    summary = {"type": {"text": "summary"}, "valueString": "Came to three sessions."}
    letter = {"type": {"text": "letter"}, "valueReference": {"reference": "DocumentReference/d"}}
    bogus = {"type": {"text": "bogus"}, "valueBoolean": "yes"}

    tell(bridge, "2", "completed", output=[summary])
    tell(bridge, "3", "completed", output=[summary, letter])
    tell(bridge, "4", "completed", output=[summary, letter, bogus])

    there = {"reference": "http://127.0.0.1:9/fhir/DocumentReference/d"}
    kept = ours(bridge, handoff_id)["output"]
    assert kept == [*before, summary, {**letter, "valueReference": there}]
    assert state(bridge, handoff_id) == "completed"
    assert referrals.list_set_aside(bridge) == []


def test_a_copy_that_says_what_it_always_said_contradicts_nobody(bridge: Bridge) -> None:
    handoff_id = hand(bridge)
    write(bridge, handoff_id, {"status": "accepted"})

    said = tell(bridge, "1", "requested")

    assert (said, state(bridge, handoff_id)) == ("same", "accepted")
    assert tell(bridge, "2", "rejected") == "moved"


def test_a_new_version_of_the_document_leaves_the_task_where_it_was_moved_to(
    bridge: Bridge,
) -> None:
    handoff_id = hand(bridge)
    write(bridge, handoff_id, {"status": "accepted"})

    hand(bridge, 3, priority="stat")

    task = ours(bridge, handoff_id)
    assert (task["status"], task["priority"]) == ("accepted", "stat")
    assert state(bridge, handoff_id) == "accepted"
    assert referrals.list_set_aside(bridge) == []


def test_what_the_document_says_anew_counts(bridge: Bridge) -> None:
    handoff_id = hand(bridge)

    hand(bridge, 3, status="accepted")

    assert (ours(bridge, handoff_id)["status"], state(bridge, handoff_id)) == (
        "accepted",
        "accepted",
    )


def test_an_impossible_word_about_the_task_does_not_stay_in_it(bridge: Bridge) -> None:
    handoff_id = hand(bridge)
    write(bridge, handoff_id, {"status": "rejected"})

    write(bridge, handoff_id, {"status": "accepted"})

    assert (ours(bridge, handoff_id)["status"], state(bridge, handoff_id)) == (
        "rejected",
        "declined",
    )
    assert [one.code for one in referrals.list_set_aside(bridge)] == ["impossible-move"]


def test_what_was_written_after_an_impossible_word_is_looked_at_for_itself(bridge: Bridge) -> None:
    handoff_id = hand(bridge)
    done = {"status": "completed"}

    write(bridge, handoff_id, {"status": "draft"}, done)

    assert (ours(bridge, handoff_id)["status"], state(bridge, handoff_id)) == (
        "completed",
        "completed",
    )
    assert [one.code for one in referrals.list_set_aside(bridge)] == ["impossible-move"]


def test_the_last_visit_in_the_program_is_none_at_another_receiver(bridge: Bridge) -> None:
    with bridge.database.transaction() as session:
        partners.save(session, bridge, Partner("clinic", "http://127.0.0.1:9/fhir"))
    first = hand(bridge)
    second = hand(bridge, to="clinic")
    patient = referrals.show(bridge, first).handoff.details["patientHere"]
    session_attended = {
        "resourceType": "Appointment",
        "status": "fulfilled",
        "start": "2026-03-02T18:00:00-06:00",
        "participant": [{"actor": {"reference": patient}, "status": "accepted"}],
    }
    with bridge.database.transaction() as session:
        resources.create(session, circumstances(bridge), session_attended, resource_id="s")
    for handoff_id, day in ((first, 9), (second, 12)):
        answer(bridge, handoff_id, Answer("accept", heard="phone"))
        visit = datetime(2026, 3, day, 2, tzinfo=UTC)
        answer(bridge, handoff_id, Answer("schedule", start=visit, heard="phone"))
        answer(bridge, handoff_id, Answer("start", heard="phone"))

    shown = [referrals.show(bridge, one).to_json() for one in (first, second)]

    assert [one["daysBetween"] for one in shown] == [6, 9]


class TestOutOfOrder:
    """The cases of the 360X interoperability tests, written to our server or told by message."""

    def codes(self, bridge: Bridge) -> list[str]:
        return [one.code for one in referrals.list_set_aside(bridge)]

    def test_another_patients_id_is_set_aside(self, bridge: Bridge) -> None:
        handoff_id = hand(bridge)

        write(
            bridge,
            handoff_id,
            {"status": "accepted", "for": {"reference": "Patient/somebody-else"}},
        )

        assert (state(bridge, handoff_id), self.codes(bridge)) == ("sent", ["other-patient"])
        task = ours(bridge, handoff_id)
        details = referrals.show(bridge, handoff_id).handoff.details
        assert (task["status"], task["for"]["reference"]) == ("requested", details["patientHere"])

    def test_a_patient_sent_along_with_another_number_is_another_patient(
        self, bridge: Bridge
    ) -> None:
        handoff_id = hand(bridge)
        with bridge.database.read() as session:
            place = str(referrals.show(bridge, handoff_id).handoff.details["patientHere"])
            stored = read(session, bridge, place)
        assert stored is not None
        [number, *_] = wire.parse(stored.content)["identifier"]
        name = "urn:uuid:00000000-0000-4000-8000-000000000001"
        results = []
        for version, value in (("2", "another"), ("3", number["value"])):
            patient = {"resourceType": "Patient", "identifier": [{**number, "value": value}]}
            task = {
                "resourceType": "Task",
                "id": "t",
                "meta": {"versionId": version},
                "status": "accepted",
                "for": {"reference": name},
            }
            entries = [{"resource": task}, {"fullUrl": name, "resource": patient}]
            body = {"resourceType": "Bundle", "type": "message", "entry": entries}
            results += [one.result for one in notify(bridge, "ehr", body).taken]

        assert results == ["impossible", "moved"]
        assert self.codes(bridge) == ["other-patient"]

    def test_a_result_after_completion_changes_nothing(self, bridge: Bridge) -> None:
        handoff_id = hand(bridge)
        write(bridge, handoff_id, {"status": "completed"})
        output = {"type": {"text": "result"}, "valueString": "One more result."}

        write(bridge, handoff_id, {"output": [output]})
        before = self.codes(bridge)
        write(bridge, handoff_id, {"status": "in-progress"})

        assert (before, self.codes(bridge)) == ([], ["impossible-move"])
        assert state(bridge, handoff_id) == "completed"
        assert ours(bridge, handoff_id)["output"] == [output]

    def test_an_unknown_referral_is_set_aside(self, bridge: Bridge) -> None:
        number = {"system": f"{bridge.settings.base}/handoff", "value": "never-sent"}
        task = {"resourceType": "Task", "status": "accepted", "identifier": [number]}

        with bridge.database.transaction() as session:
            resources.create(session, circumstances(bridge), task, resource_id="unknown")
        settle(bridge)

        assert self.codes(bridge) == ["unknown-referral"]

    def test_the_same_written_again_changes_nothing(self, bridge: Bridge) -> None:
        handoff_id = hand(bridge)
        write(bridge, handoff_id, {"status": "accepted"})
        before = referrals.show(bridge, handoff_id).to_json()["events"]

        write(
            bridge, handoff_id, {"status": "accepted"}, {"description": "x"}, {"description": "y"}
        )

        assert referrals.show(bridge, handoff_id).to_json()["events"] == before
        assert self.codes(bridge) == []
