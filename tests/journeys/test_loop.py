"""Closing the loop: what partners say by polling, REST and notification, in any order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.errors import Conflict
from fhirbridge.fhir import wire
from fhirbridge.handoffs import closing, partners, referrals, releasing, repair
from fhirbridge.handoffs.answer import Answer, answer
from fhirbridge.handoffs.feed import read_feed
from fhirbridge.handoffs.follow import follow, follow_next
from fhirbridge.handoffs.notify import look_again, notify
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.tasks import circumstances, read
from fhirbridge.handoffs.withdrawing import tell_next
from fhirbridge.handoffs.worker import drain
from fhirbridge.storage import resources
from fhirbridge.web.app import create_app
from fhirbridge.workflow.transitions import next_states
from fhirbridge.workflow.words import ReferralState
from tests.journeys.conftest import Ehr, case, wait_for
from tests.journeys.test_handoff import settle

S = ReferralState
EHR = "ehr"


def task_at(ehr: Ehr, bridge: Bridge, name: str) -> tuple[str, dict[str, Any]]:
    outgoing = case(name)
    receipt = hand_over(bridge, EHR, lambda _session: outgoing)
    shown = settle(bridge, receipt.outbox_id)
    return receipt.handoff_id, ehr.get(str(shown.handoff.task_reference))


def state_of(bridge: Bridge, handoff_id: str) -> str:
    return referrals.show(bridge, handoff_id).handoff.status


def told(bridge: Bridge, handoff_id: str) -> list[str]:
    return [one.kind for one in referrals.show(bridge, handoff_id).alerts]


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [{"resource": one} for one in resources]
    return {"resourceType": "Bundle", "type": "history", "entry": entries}


def version(task: dict[str, Any], number: int, status: str, code: str = "") -> dict[str, Any]:
    moved = {**task, "status": status, "meta": {"versionId": str(number)}}
    if code:
        moved["businessStatus"] = {"coding": [{"code": code}]}
    return moved


class TestNotifications:
    """The out-of-order cases of the 360X interoperability tests, and others."""

    def test_a_notified_task_moves_the_referral(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "note")

        made = notify(bridge, EHR, bundle(version(task, 2, "accepted")))

        assert [one.result for one in made.taken] == ["moved"]
        assert state_of(bridge, handoff_id) == "accepted"

    def test_a_repeated_message_changes_nothing(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "repeat")
        notify(bridge, EHR, bundle(version(task, 2, "accepted")))
        before = referrals.show(bridge, handoff_id).to_json()

        made = notify(bridge, EHR, bundle(version(task, 2, "accepted")))

        assert [one.result for one in made.taken] == ["same"]
        assert referrals.show(bridge, handoff_id).to_json()["events"] == before["events"]

    def test_an_older_message_that_comes_late_changes_nothing(
        self, bridge: Bridge, ehr: Ehr
    ) -> None:
        handoff_id, task = task_at(ehr, bridge, "late")
        notify(bridge, EHR, bundle(version(task, 3, "completed", "7.0")))

        made = notify(bridge, EHR, bundle(version(task, 2, "accepted")))

        assert [one.result for one in made.taken] == ["stale"]
        assert state_of(bridge, handoff_id) == "completed"

    def test_an_unknown_referral_is_set_aside(self, bridge: Bridge, ehr: Ehr) -> None:
        stranger = {"resourceType": "Task", "id": "9", "status": "accepted", "intent": "order"}

        made = notify(bridge, EHR, bundle(stranger))

        assert made.taken == ()
        kept = referrals.list_set_aside(bridge)
        assert [(one.code, one.source) for one in kept] == [("unknown-referral", "notification")]

    def test_progress_after_completion_is_set_aside(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "after")
        notify(bridge, EHR, bundle(version(task, 2, "completed", "7.0")))

        made = notify(bridge, EHR, bundle(version(task, 3, "in-progress", "5.1.1")))

        assert [one.code for one in made.taken] == ["impossible-move"]
        assert state_of(bridge, handoff_id) == "completed"
        assert "set-aside" in told(bridge, handoff_id)

    def test_a_result_after_completion_is_no_move(self, bridge: Bridge, ehr: Ehr) -> None:
        _, task = task_at(ehr, bridge, "result")
        notify(bridge, EHR, bundle(version(task, 2, "completed", "7.0")))

        made = notify(bridge, EHR, bundle(version(task, 3, "completed", "7.0")))

        assert [one.result for one in made.taken] == ["same"]
        assert referrals.list_set_aside(bridge) == []

    def test_another_patients_id_is_set_aside(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "whose")
        other = version(task, 2, "accepted") | {"for": {"reference": "Patient/somebody-else"}}

        made = notify(bridge, EHR, bundle(other))

        assert [one.code for one in made.taken] == ["other-patient"]
        assert state_of(bridge, handoff_id) == "sent"

    def test_another_order_is_set_aside(self, bridge: Bridge, ehr: Ehr) -> None:
        _, task = task_at(ehr, bridge, "which")
        other = version(task, 2, "accepted") | {"focus": {"reference": "CarePlan/another"}}

        made = notify(bridge, EHR, bundle(other))

        assert [one.code for one in made.taken] == ["other-order"]

    def test_what_only_names_a_task_makes_us_look(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "named")
        ehr.put({**task, "status": "accepted"})
        named = {
            "resourceType": "Bundle",
            "type": "history",
            "entry": [{"fullUrl": f"{ehr.base_url}/Task/{task['id']}"}],
        }

        made = notify(bridge, EHR, named)
        drain(bridge)

        assert made.to_look_at == 1
        assert state_of(bridge, handoff_id) == "accepted"

    def test_what_names_nothing_makes_us_look_at_all_that_is_open(
        self, bridge: Bridge, ehr: Ehr
    ) -> None:
        handoff_id, task = task_at(ehr, bridge, "unnamed")
        ehr.put({**task, "status": "accepted"})

        made = look_again(bridge, EHR)
        drain(bridge)

        assert made.to_look_at == 1
        assert state_of(bridge, handoff_id) == "accepted"

    def test_however_often_something_changes_all_is_looked_at_once_in_ten_seconds(
        self, bridge: Bridge, ehr: Ehr
    ) -> None:
        handoff_id, task = task_at(ehr, bridge, "often")
        at = [bridge.now() + timedelta(seconds=60)]
        then = replace(bridge, now=lambda: at[0])
        slow = replace(partners.load_all(bridge)[0], follow_seconds=3600)
        with bridge.database.transaction() as session:
            partners.save(session, bridge, slow)
        looks = []

        for number in range(40):  # every half second something is said
            look_again(then, EHR)
            if number == 30:
                ehr.put({**task, "status": "accepted"})
                look_again(then, EHR)
            looks.append(sum(1 for _ in iter(lambda: follow_next(then), None)))
            at[0] += timedelta(seconds=0.5)
        at[0] += timedelta(seconds=10)
        looks.append(sum(1 for _ in iter(lambda: follow_next(then), None)))

        assert [number for number, count in enumerate(looks) if count] == [0, 20, 40]
        assert state_of(bridge, handoff_id) == "accepted"

    def test_settling_closes_the_alert(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "settled")
        other = version(task, 2, "accepted") | {"for": {"reference": "Patient/somebody-else"}}
        notify(bridge, EHR, bundle(other))
        kept = referrals.show(bridge, handoff_id).set_aside[0]

        releasing.settle(bridge, kept.id, by="ana")

        assert told(bridge, handoff_id) == []

    def test_a_person_lets_something_count_after_all(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "released")
        other = {"for": {"reference": "Patient/merged-there"}}
        notify(bridge, EHR, bundle(version(task, 2, "accepted") | other))
        notify(bridge, EHR, bundle(version(task, 3, "accepted") | other))
        second, first = referrals.show(bridge, handoff_id).set_aside

        taken = releasing.release(bridge, first.id, by="ana")
        left = told(bridge, handoff_id)
        releasing.settle(bridge, second.id, by="ana")

        shown = referrals.show(bridge, handoff_id)
        assert (taken.result, shown.handoff.status) == ("moved", "accepted")
        assert shown.handoff.details["events"][-1]["by"] == "ana"
        assert bridge_task(bridge, handoff_id)["status"] == "accepted"
        assert (left, told(bridge, handoff_id)) == (["set-aside"], [])

    def test_what_a_referral_cannot_come_to_stays_set_aside(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "held")
        notify(bridge, EHR, bundle(version(task, 2, "rejected", "4.0")))
        notify(bridge, EHR, bundle(version(task, 3, "accepted", "3.0")))
        [kept] = referrals.show(bridge, handoff_id).set_aside

        with pytest.raises(Conflict, match="declined"):
            releasing.release(bridge, kept.id, by="ana")

        assert [one.id for one in referrals.show(bridge, handoff_id).set_aside] == [kept.id]

    def test_a_person_says_which_referral_it_is_about(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, _ = task_at(ehr, bridge, "whose-it-is")
        stranger = {"resourceType": "Task", "id": "8", "status": "accepted", "intent": "order"}
        notify(bridge, EHR, bundle(stranger))
        client = create_app(replace(bridge, settings=replace(bridge.settings, auth="none")))
        [kept] = referrals.list_set_aside(bridge)
        place = f"/api/set-aside/{kept.id}"

        shown = client.test_client().get(place).get_json()
        unnamed = client.test_client().post(f"{place}/$release", json={"by": "ana"})
        named = client.test_client().post(
            f"{place}/$release", json={"by": "ana", "handoff": handoff_id}
        )

        assert (shown["code"], wire.parse(shown["content"].encode())) == (
            "unknown-referral",
            stranger,
        )
        assert (unnamed.status_code, named.status_code) == (400, 200)
        assert named.get_json()["state"] == "accepted"
        assert referrals.list_set_aside(bridge) == []


class TestVisits:
    def visit(self, bridge: Bridge, handoff_id: str, status: str, number: int) -> dict[str, Any]:
        handoff = referrals.show(bridge, handoff_id).handoff
        return {
            "resourceType": "Appointment",
            "id": "visit",
            "meta": {"versionId": str(number)},
            "status": status,
            "basedOn": [{"reference": str(handoff.order_reference)}],
            "start": "2026-03-09T15:00:00Z",
            "end": "2026-03-09T16:00:00Z",
            "participant": [
                {"actor": {"reference": handoff.details["patientThere"]}, "status": "accepted"}
            ],
        }

    def test_done_without_a_visit_asks_the_coordinator(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "novisit")

        notify(bridge, EHR, bundle(version(task, 2, "completed", "7.0")))
        asked = referrals.show(bridge, handoff_id)
        closing.close(bridge, handoff_id, reason="moved to another state", by="ana")
        closed = referrals.show(bridge, handoff_id)

        assert (asked.word.text, asked.word.next_by) == ("Reported done, no visit seen", "sender")
        assert [one.kind for one in asked.alerts] == ["done-without-visit"]
        assert closed.to_json()["done"]
        assert closed.alerts == ()

    def test_a_first_attended_visit_closes_it(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "came")
        for number, status in enumerate(("booked", "noshow", "booked", "fulfilled"), 1):
            notify(bridge, EHR, bundle(self.visit(bridge, handoff_id, status, number)))

        notify(bridge, EHR, bundle(version(task, 2, "completed", "7.0")))

        shown = referrals.show(bridge, handoff_id)
        states = [event["state"] for event in shown.handoff.details["events"]]
        assert states == ["scheduled", "no-show", "scheduled", "in-service", "completed"]
        assert shown.to_json()["done"]
        assert shown.to_json()["firstVisit"] == "2026-03-09T15:00:00Z"
        assert shown.alerts == ()

    def test_a_missed_visit_is_told_until_it_is_booked_again(
        self, bridge: Bridge, ehr: Ehr
    ) -> None:
        handoff_id, _ = task_at(ehr, bridge, "missed")
        notify(bridge, EHR, bundle(self.visit(bridge, handoff_id, "booked", 1)))

        notify(bridge, EHR, bundle(self.visit(bridge, handoff_id, "noshow", 2)))
        missed = told(bridge, handoff_id)
        notify(bridge, EHR, bundle(self.visit(bridge, handoff_id, "booked", 3)))

        assert missed == ["visit-missed"]
        assert told(bridge, handoff_id) == []


class TestRest:
    """The partner writes to our own server."""

    def test_a_partner_moves_our_copy_of_the_task(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, _ = task_at(ehr, bridge, "put")
        ours = bridge_task(bridge, handoff_id)

        with_status = {**ours, "status": "accepted"}
        store(bridge, with_status)
        read_feed(bridge)

        assert state_of(bridge, handoff_id) == "accepted"

    def test_versions_are_taken_in_the_order_of_our_history(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, _ = task_at(ehr, bridge, "order")
        ours = bridge_task(bridge, handoff_id)
        store(bridge, {**ours, "status": "accepted"})
        store(bridge, version(ours, 3, "in-progress", "5.1.1"))
        store(bridge, version(ours, 4, "rejected", "4.0"))

        while read_feed(bridge):
            pass

        events = referrals.show(bridge, handoff_id).handoff.details["events"]
        assert [one["state"] for one in events] == ["accepted", "scheduled", "declined"]
        assert told(bridge, handoff_id) == ["declined"]

    def test_what_was_polled_is_seen_in_our_copy(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "mirror")
        ehr.put({**task, "status": "accepted"})

        follow(bridge, handoff_id)
        read_feed(bridge)

        assert bridge_task(bridge, handoff_id)["status"] == "accepted"
        assert state_of(bridge, handoff_id) == "accepted"


def bridge_task(bridge: Bridge, handoff_id: str) -> dict[str, Any]:

    with bridge.database.read() as session:
        handoff = referrals.show(bridge, handoff_id).handoff
        found = read(session, bridge, handoff.details["taskHere"])
    assert found is not None
    return wire.parse(found.content)


def store(bridge: Bridge, task: dict[str, Any]) -> None:

    with bridge.database.transaction() as session:
        current = read(session, bridge, f"Task/{task['id']}")
        assert current is not None
        resources.update(session, circumstances(bridge), task, current=current)


def test_a_reply_by_phone_moves_the_same_task_and_is_marked(bridge: Bridge, ehr: Ehr) -> None:
    handoff_id, _ = task_at(ehr, bridge, "phone")

    done = answer(bridge, handoff_id, Answer("accept", by="ana", heard="phone"))

    shown = referrals.show(bridge, handoff_id)
    task = bridge_task(bridge, handoff_id)
    assert done.state is S.ACCEPTED
    assert shown.handoff.details["events"][-1]["transcribed"]
    assert task["status"] == "accepted"
    assert "Transcribed" in task["note"][-1]["text"]
    assert {one.value for one in next_states(S.ACCEPTED)} == set(shown.to_json()["mayBecome"])


def test_a_withdrawal_reaches_the_partners_task_and_waits_for_its_word(
    bridge: Bridge, ehr: Ehr
) -> None:
    handoff_id, task = task_at(ehr, bridge, "withdraw")

    done = answer(bridge, handoff_id, Answer("withdraw", text="The client moved away.", by="ana"))
    asked = ehr.get(f"Task/{task['id']}")
    ehr.put({**asked, "status": "cancelled", "businessStatus": {"coding": [{"code": "6.0"}]}})
    follow(bridge, handoff_id)

    assert done.state is S.CANCEL_REQUESTED
    assert asked["businessStatus"]["coding"][0]["code"] == "5.2"
    assert state_of(bridge, handoff_id) == "cancelled"


class TestWithdrawing:
    def test_what_was_not_sent_stays_here(self, bridge: Bridge, ehr: Ehr) -> None:
        outgoing = case("kept-back")
        handoff_id = hand_over(bridge, EHR, lambda _session: outgoing).handoff_id

        done = answer(bridge, handoff_id, Answer("withdraw", by="ana"))
        drain(bridge)

        shown = referrals.show(bridge, handoff_id)
        assert (done.state, shown.handoff.status) == (S.CANCELLED, "cancelled")
        assert (shown.word.text, shown.to_json()["done"]) == ("Withdrawn", True)
        assert ehr.holding("ServiceRequest", "kept-back-ServiceRequest") == []

    def test_what_was_not_sent_and_is_handed_over_after_all_is_followed(
        self, bridge: Bridge, ehr: Ehr
    ) -> None:
        outgoing = case("after-all")
        first = hand_over(bridge, EHR, lambda _session: outgoing)
        answer(bridge, first.handoff_id, Answer("withdraw", by="ana"))

        with pytest.raises(Conflict, match="was withdrawn"):
            repair.retry(bridge, str(first.outbox_id), lambda _handoff: outgoing)
        receipt = hand_over(bridge, EHR, lambda _session: outgoing)
        task = ehr.get(str(settle(bridge, receipt.outbox_id).handoff.task_reference))
        ehr.put({**task, "status": "accepted"})
        follow(bridge, receipt.handoff_id)

        assert (first.handoff_id == receipt.handoff_id, receipt.is_new) == (False, True)
        assert state_of(bridge, receipt.handoff_id) == "accepted"
        assert state_of(bridge, first.handoff_id) == "cancelled"
        assert hand_over(bridge, EHR, lambda _session: outgoing).is_new is False

    def test_where_either_cancels_the_task_is_cancelled(self, bridge: Bridge, ehr: Ehr) -> None:
        with bridge.database.transaction() as session:
            partner = partners.load(session, bridge, EHR)
            partners.save(session, bridge, replace(partner, profile="gravity"))
        handoff_id, task = task_at(ehr, bridge, "either")

        answer(bridge, handoff_id, Answer("withdraw"))

        assert ehr.get(f"Task/{task['id']}")["status"] == "cancelled"
        assert state_of(bridge, handoff_id) == "cancelled"

    def test_the_partner_is_told_what_a_document_withdrew(self, bridge: Bridge, ehr: Ehr) -> None:
        handoff_id, task = task_at(ehr, bridge, "by-document")
        store(bridge, {**bridge_task(bridge, handoff_id), "status": "cancelled"})

        ehr.arm("fail", method="PUT")
        drain(bridge)
        wait_for(lambda: drain(bridge) or asked(ehr, task) == "5.2")

        assert state_of(bridge, handoff_id) == "cancelled"

    def test_a_task_that_has_ended_there_is_not_written_over(
        self, bridge: Bridge, ehr: Ehr
    ) -> None:
        handoff_id, task = task_at(ehr, bridge, "ended")
        ehr.put({**task, "status": "rejected"})

        with pytest.raises(Conflict, match="declined"):
            answer(bridge, handoff_id, Answer("withdraw"))
        store(bridge, {**bridge_task(bridge, handoff_id), "status": "cancelled"})
        read_feed(bridge)
        tell_next(bridge)

        assert ehr.get(f"Task/{task['id']}")["status"] == "rejected"
        assert told(bridge, handoff_id) == ["withdrawal-not-told"]


def asked(ehr: Ehr, task: dict[str, Any]) -> str:
    """The business status of the Task there."""
    said = ehr.get(f"Task/{task['id']}").get("businessStatus") or {"coding": [{"code": ""}]}
    return str(said["coding"][0]["code"])


def test_who_declined_is_asked_anew_with_a_new_task_on_the_same_order(
    bridge: Bridge, ehr: Ehr
) -> None:
    handoff_id, task = task_at(ehr, bridge, "anew")
    outgoing = case("anew")

    with pytest.raises(Conflict, match="is sent"):
        hand_over(bridge, EHR, lambda _session: outgoing, again=True)
    ehr.put({**task, "status": "rejected"})
    follow(bridge, handoff_id)
    once_more = hand_over(bridge, EHR, lambda _session: outgoing)
    asked_anew = hand_over(bridge, EHR, lambda _session: outgoing, again=True)
    shown = settle(bridge, asked_anew.outbox_id)
    newer = case("anew", version=2)
    updated = hand_over(bridge, EHR, lambda _session: newer)

    assert (once_more.handoff_id, once_more.is_new) == (handoff_id, False)
    assert updated.handoff_id == asked_anew.handoff_id != handoff_id
    there = ehr.get(str(shown.handoff.task_reference))
    assert (there["status"], there["focus"]) == ("requested", task["focus"])
    assert there["id"] != task["id"]
    assert state_of(bridge, handoff_id) == "declined"
    assert told(bridge, handoff_id) == []  # it went on
