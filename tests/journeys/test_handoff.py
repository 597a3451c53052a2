"""J1: a document on its way to a partner that is flaky, until its Task is followed."""

from dataclasses import replace

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.fhir.bundles import create_entry
from fhirbridge.handoffs import partners, view
from fhirbridge.handoffs.follow import follow
from fhirbridge.handoffs.send import hand_over, preview
from fhirbridge.handoffs.worker import drain
from fhirbridge.partners.plan import Rung
from fhirbridge.workflow.words import DeliveryState
from tests.journeys.conftest import QUICK, Ehr, case, register, wait_for

KINDS = ("Organization", "Patient", "Goal0", "CarePlan", "ServiceRequest")
TRANSACTION = "POST /fhir"


def hand(bridge: Bridge, name: str, **more: object) -> int:
    outgoing = case(name, **more)  # type: ignore[arg-type]
    return hand_over(bridge, "ehr", lambda _session: outgoing).outbox_id


def settle(bridge: Bridge, outbox_id: int) -> view.Delivery:
    """Let the worker run until the delivery has ended."""

    def ended() -> bool:
        drain(bridge)
        return view.show(bridge, str(outbox_id)).row.state not in (
            DeliveryState.QUEUED,
            DeliveryState.LEASED,
        )

    wait_for(ended)
    return view.show(bridge, str(outbox_id))


def copies(ehr: Ehr, name: str) -> dict[str, int]:
    return {kind: len(ehr.holding(kind.rstrip("0123456789"), f"{name}-{kind}")) for kind in KINDS}


def test_a_handoff_arrives_with_its_task_and_every_link(bridge: Bridge, ehr: Ehr) -> None:
    shown = settle(bridge, hand(bridge, "plain"))

    assert shown.row.state is DeliveryState.DELIVERED
    assert copies(ehr, "plain") == dict.fromkeys(KINDS, 1)
    assert shown.handoff.task_reference is not None
    task = ehr.get(shown.handoff.task_reference)
    care_plan = ehr.get(task["focus"]["reference"])
    assert (task["status"], task["intent"]) == ("requested", "order")
    assert task["code"]["coding"][0]["code"] == "fulfill"
    assert task["for"] == care_plan["subject"]
    order = ehr.get(care_plan["activity"][0]["reference"]["reference"])
    assert order["basedOn"] == [{"reference": f"CarePlan/{care_plan['id']}"}]


def test_a_lost_answer_is_looked_up_and_nothing_is_sent_twice(bridge: Bridge, ehr: Ehr) -> None:
    before = ehr.dial()["requests"].get(TRANSACTION, 0)
    ehr.arm("lose-answer")

    shown = settle(bridge, hand(bridge, "lost"))

    assert shown.row.state is DeliveryState.DELIVERED
    assert shown.attempts is not None
    assert [one.verdict for one in shown.attempts] == ["unknown", "delivered"]
    assert shown.attempts[1].details["looked"] == "found"
    assert ehr.dial()["requests"][TRANSACTION] == before + 1
    assert copies(ehr, "lost") == dict.fromkeys(KINDS, 1)
    assert len(shown.row.result) == len(KINDS) + 3


def test_a_request_that_was_dropped_is_looked_up_and_sent_again(bridge: Bridge, ehr: Ehr) -> None:
    ehr.arm("drop")

    shown = settle(bridge, hand(bridge, "dropped"))

    assert shown.attempts is not None
    assert [one.verdict for one in shown.attempts] == ["unknown", "delivered"]
    assert shown.attempts[1].details["looked"] == "not-found"
    assert copies(ehr, "dropped") == dict.fromkeys(KINDS, 1)


def test_answer_after_answer_lost_still_ends_with_one_copy(bridge: Bridge, ehr: Ehr) -> None:
    ehr.arm("lose-answer", times=2)
    ehr.arm("lose-answer", times=3, method="GET")

    shown = settle(bridge, hand(bridge, "unlucky"))

    assert shown.row.state is DeliveryState.DELIVERED
    assert copies(ehr, "unlucky") == dict.fromkeys(KINDS, 1)


def test_a_busy_partner_is_given_time(bridge: Bridge, ehr: Ehr) -> None:
    ehr.arm("busy")

    shown = settle(bridge, hand(bridge, "busy"))

    assert shown.attempts is not None
    assert [one.verdict for one in shown.attempts] == ["retry", "delivered"]
    waited = shown.attempts[1].started_at - shown.attempts[0].started_at
    assert waited.total_seconds() >= 1


def test_a_partner_that_is_down_is_given_up_at_the_maximum_age(bridge: Bridge, ehr: Ehr) -> None:
    gone = replace(
        register(bridge, ehr, name="gone"),
        base_url="http://127.0.0.1:9/fhir",
        policy=replace(QUICK, max_age_seconds=0.3),
    )
    with bridge.database.transaction() as session:
        partners.save(session, bridge, gone)

    outgoing = case("gone")
    shown = settle(bridge, hand_over(bridge, "gone", lambda _session: outgoing).outbox_id)

    assert shown.row.state is DeliveryState.DEAD
    assert shown.row.last_error_class == "unreachable"
    assert shown.word.next_by == "sender"
    assert shown.attempts is not None
    assert "send again" in shown.attempts[-1].details["hint"]


def test_a_refused_handoff_names_what_and_where(bridge: Bridge, ehr: Ehr) -> None:
    outgoing = case("refused")
    outgoing.bundle["entry"][2]["resource"]["lifecycleStatus"] = "nonsense"

    shown = settle(bridge, hand_over(bridge, "ehr", lambda _session: outgoing).outbox_id)

    assert shown.row.state is DeliveryState.REFUSED
    assert shown.attempts is not None
    findings = shown.attempts[0].details["findings"]
    assert findings[0]["resourceType"] == "Goal"
    assert copies(ehr, "refused") == dict.fromkeys(KINDS, 0)


def test_a_partner_with_several_of_one_identifier_is_not_guessed_at(
    bridge: Bridge, ehr: Ehr
) -> None:
    ehr.arm("several")

    shown = settle(bridge, hand(bridge, "several"))

    assert shown.row.state is DeliveryState.REFUSED
    assert shown.row.last_error_class == "several-matches"
    assert shown.word.next_by == "sender"
    assert copies(ehr, "several") == dict.fromkeys(KINDS, 0)


def test_the_same_version_is_sent_once(bridge: Bridge, ehr: Ehr) -> None:
    first = hand(bridge, "same")
    settle(bridge, first)

    outgoing = case("same")
    again = hand_over(bridge, "ehr", lambda _session: outgoing)

    assert (again.outbox_id, again.is_new) == (first, False)


def test_a_newer_version_replaces_one_that_was_not_sent(bridge: Bridge, ehr: Ehr) -> None:
    first = hand(bridge, "newer")
    second = hand(bridge, "newer", version=2, goal="on-hold")

    settle(bridge, second)

    assert view.show(bridge, str(first)).row.state is DeliveryState.REPLACED
    assert ehr.holding("Goal", "newer-Goal0")[0]["lifecycleStatus"] == "on-hold"


def test_a_newer_version_updates_what_changed_and_leaves_the_task(bridge: Bridge, ehr: Ehr) -> None:
    shown = settle(bridge, hand(bridge, "update"))
    assert shown.handoff.task_reference is not None
    task = ehr.get(shown.handoff.task_reference)
    ehr.put({**task, "status": "accepted"})

    second = settle(bridge, hand(bridge, "update", version=2, goal="on-hold", goals=2))

    assert second.row.state is DeliveryState.DELIVERED
    assert copies(ehr, "update") == dict.fromkeys(KINDS, 1)
    assert len(ehr.holding("Goal", "update-Goal1")) == 1
    goal = ehr.holding("Goal", "update-Goal0")[0]
    patient = ehr.holding("Patient", "update-Patient")[0]
    assert (goal["lifecycleStatus"], goal["meta"]["versionId"]) == ("on-hold", "2")
    assert patient["meta"]["versionId"] == "1"
    assert ehr.get(shown.handoff.task_reference)["status"] == "accepted"


def test_a_visit_that_the_partner_moved_is_left_as_it_is_there(bridge: Bridge, ehr: Ehr) -> None:
    settle(bridge, send_visits(bridge, 1, moved={}, kept={}))
    [moved] = ehr.holding("Appointment", "visits-moved")
    ehr.put({**moved, "start": "2099-03-04T10:00:00Z", "end": "2099-03-04T11:00:00Z"})

    news = {"description": "Bring the card"}
    second = settle(bridge, send_visits(bridge, 2, moved=news, kept=news))
    [theirs] = ehr.holding("Appointment", "visits-moved")
    [ours] = ehr.holding("Appointment", "visits-kept")
    settle(bridge, send_visits(bridge, 3, moved={"status": "cancelled"}, kept=news))
    [withdrawn] = ehr.holding("Appointment", "visits-moved")

    assert second.row.state is DeliveryState.DELIVERED
    assert (theirs["start"], "description" in theirs) == ("2099-03-04T10:00:00Z", False)
    assert ours["description"] == "Bring the card"
    losses = (second.attempts or ())[-1].details["losses"]
    assert "1 changed at the partner since: left as it is there." in losses
    assert withdrawn["status"] == "cancelled"


def send_visits(
    bridge: Bridge, version: int, *, moved: dict[str, str], kept: dict[str, str]
) -> int:
    """A case with two visits to come, each with something else said of it; its outbox id."""
    outgoing = case("visits", version=version)
    times = {"start": "2099-03-02T10:00:00Z", "end": "2099-03-02T11:00:00Z"}
    for name, more in (("moved", moved), ("kept", kept)):
        identifier = {"system": "https://iop.example/ids", "value": f"visits-{name}"}
        actor = {"actor": {"reference": "urn:uuid:patient-visits"}, "status": "accepted"}
        visit = {"resourceType": "Appointment", "id": f"{name}-visits", "status": "booked"}
        visit |= {"identifier": [identifier], "participant": [actor], **times, **more}
        search = f"identifier={identifier['system']}|{identifier['value']}"
        entry = create_entry(visit, full_url=f"urn:uuid:{name}-visits", if_none_exist=search)
        outgoing.bundle["entry"].append(entry)
    return hand_over(bridge, "ehr", lambda _session: outgoing).outbox_id


def test_an_item_that_was_withdrawn_reaches_the_partner_that_holds_it(
    bridge: Bridge, ehr: Ehr
) -> None:
    settle(bridge, hand(bridge, "gone-item", goals=2))
    newer = case("gone-item", version=2)
    gone = {
        "resourceType": "Goal",
        "id": "goal1-gone-item",
        "meta": {"versionId": "7"},
        "identifier": [{"system": "https://iop.example/ids", "value": "gone-item-Goal1"}],
        "lifecycleStatus": "cancelled",
        "description": {"text": "Stay sober"},
        "subject": {"reference": "Patient/patient-gone-item"},
    }
    newer = replace(newer, withdrawn=(gone,))

    settle(bridge, hand_over(bridge, "ehr", lambda _session: newer).outbox_id)

    held = ehr.holding("Goal", "gone-item-Goal1")
    patient = ehr.holding("Patient", "gone-item-Patient")[0]
    assert [one["lifecycleStatus"] for one in held] == ["cancelled"]
    assert held[0]["subject"]["reference"] == f"Patient/{patient['id']}"


def test_the_partners_task_is_followed_in_words(bridge: Bridge, ehr: Ehr) -> None:
    shown = settle(bridge, hand(bridge, "follow"))
    assert shown.word.text == "Delivered, not seen yet"
    assert shown.handoff.task_reference is not None
    task = ehr.get(shown.handoff.task_reference)

    ehr.put({**task, "status": "accepted"})
    seen = follow(bridge, shown.handoff.id)

    assert seen is not None
    assert seen.result == "moved"
    now = view.show(bridge, str(shown.row.id))
    assert (now.word.text, now.word.next_by) == ("Accepted", "receiver")


def test_an_impossible_move_is_kept_apart(bridge: Bridge, ehr: Ehr) -> None:
    shown = settle(bridge, hand(bridge, "impossible"))
    assert shown.handoff.task_reference is not None
    task = ehr.get(shown.handoff.task_reference)
    ehr.put({**task, "status": "completed"})
    follow(bridge, shown.handoff.id)

    ehr.put({**task, "status": "requested"})
    follow(bridge, shown.handoff.id)
    follow(bridge, shown.handoff.id)

    now = view.show(bridge, str(shown.row.id))
    events = now.handoff.details["events"]
    assert now.word.text == "Reported done, no visit seen"
    assert [event["result"] for event in events] == ["moved", "impossible"]
    assert events[1]["reason"]


def test_a_dry_run_shows_the_plan_and_changes_nothing(bridge: Bridge, ehr: Ehr) -> None:
    made = preview(bridge, "ehr", case("dry"))

    assert made.plan.rung is Rung.TRANSACTION
    assert len(made.plan.entries) == len(KINDS) + 3  # Task, Composition, DocumentReference
    assert [one.rung for one in made.rungs] == list(Rung)
    assert copies(ehr, "dry") == dict.fromkeys(KINDS, 0)
    assert view.list_deliveries(bridge) == []


@pytest.mark.parametrize(
    ("system", "conditional", "rung"),
    [
        (("batch",), True, Rung.BATCH),
        ((), True, Rung.CONDITIONAL_CREATE),
        ((), False, Rung.SEARCH_THEN_CREATE),
    ],
    ids=["batch", "conditional-create", "search-then-create"],
)
def test_lower_rungs_end_in_the_same_place(
    bridge: Bridge, ehr: Ehr, system: tuple[str, ...], conditional: bool, rung: Rung
) -> None:
    partner = partners.load_all(bridge)[0]
    assert partner.capability is not None
    rest = partner.capability["rest"][0]
    rest["interaction"] = [{"code": code} for code in system]
    for resource in rest["resource"]:
        resource["conditionalCreate"] = conditional
    with bridge.database.transaction() as session:
        partners.save(session, bridge, partner)
    name = f"rung-{rung.value}"
    ehr.arm("lose-answer", times=2)

    shown = settle(bridge, hand(bridge, name))

    assert shown.row.state is DeliveryState.DELIVERED
    assert shown.attempts is not None
    assert shown.attempts[-1].details["rung"] == rung.value
    assert copies(ehr, name) == dict.fromkeys(KINDS, 1)
    care_plan = ehr.holding("CarePlan", f"{name}-CarePlan")[0]
    order = ehr.holding("ServiceRequest", f"{name}-ServiceRequest")[0]
    assert care_plan["activity"][0]["reference"]["reference"] == f"ServiceRequest/{order['id']}"
    assert order["basedOn"][0]["reference"] == f"CarePlan/{care_plan['id']}"
