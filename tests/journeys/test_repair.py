"""Deliveries that ended badly, and what a person does about them."""

from dataclasses import replace

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.errors import Conflict, InvalidContent
from fhirbridge.handoffs import partners, repair, view
from fhirbridge.handoffs.notify import notify
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import drain
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.workflow.words import DeliveryState
from tests.journeys.conftest import QUICK, Ehr, case, register
from tests.journeys.test_every_step import disturb
from tests.journeys.test_handoff import settle
from tests.unit.cli.running import run

ORDER = {"status": "active", "intent": "order", "subject": {"display": "somebody"}}
TASK = {"intent": "order", "for": {"display": "somebody"}}


def nothing(_handoff: HandoffRow) -> None:
    """The document is not stored: what was sent is sent again."""


def hand(bridge: Bridge, outgoing: Outgoing, partner: str = "ehr") -> str:
    return str(hand_over(bridge, partner, lambda _session: outgoing).outbox_id)


def blind(bridge: Bridge, ehr: Ehr, name: str = "blind") -> None:
    """A partner that does creates without conditions and cannot be searched."""
    partner = register(bridge, ehr, name=name)
    assert partner.capability is not None
    rest = partner.capability["rest"][0]
    rest["interaction"] = []
    for resource in rest["resource"]:
        resource["conditionalCreate"] = False
        resource["searchParam"] = []
        resource["interaction"] = [{"code": "create"}, {"code": "read"}]
    with bridge.database.transaction() as session:
        partners.save(session, bridge, partner)


def test_a_refused_delivery_is_repaired_shown_and_sent_again(bridge: Bridge, ehr: Ehr) -> None:
    bad = case("repaired")
    bad.bundle["entry"][2]["resource"]["lifecycleStatus"] = "nonsense"
    outbox_id = hand(bridge, bad)
    refused = settle(bridge, int(outbox_id))
    good = case("repaired")

    shown = repair.replay(bridge, outbox_id, lambda _handoff: good)
    repair.retry(bridge, outbox_id, lambda _handoff: good, by="ana")
    done = settle(bridge, int(outbox_id))

    assert refused.row.state is DeliveryState.REFUSED
    assert [one.elements for one in shown.differences] == [("Goal.lifecycleStatus",)]
    assert done.row.state is DeliveryState.DELIVERED
    assert [one.verdict for one in done.attempts or ()] == ["refused", "person", "delivered"]
    assert (done.attempts or ())[1].details["by"] == "ana"
    assert len(ehr.holding("Goal", "repaired-Goal0")) == 1


def lose(bridge: Bridge, ehr: Ehr, name: str) -> view.Delivery:
    """A handoff whose answer was lost at a partner that cannot be asked."""
    blind(bridge, ehr)
    ehr.arm("lose-answer")
    return settle(bridge, int(hand(bridge, case(name), "blind")))


def test_what_needs_a_person_is_never_sent_again_by_itself(bridge: Bridge, ehr: Ehr) -> None:
    lost = lose(bridge, ehr, "evidence")

    with pytest.raises(Conflict, match="--found"):
        repair.retry(bridge, str(lost.row.id), nothing)

    assert lost.row.state is DeliveryState.NEEDS_PERSON
    assert len(ehr.holding("Organization", "evidence-Organization")) == 1
    assert [one.kind for one in view.list_alerts(bridge)] == ["delivery-needs-person"]


def test_a_person_is_shown_what_is_known_to_be_there(
    bridge: Bridge, ehr: Ehr, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind(bridge, ehr)
    with monkeypatch.context() as patched:
        disturb(patched, "lose", 2)
        lost = settle(bridge, int(hand(bridge, case("shown"), "blind")))
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", bridge.settings.database_url)

    shown = run("outbox", "show", str(lost.row.id)).out.decode()

    [there] = ehr.holding("Organization", "shown-Organization")
    assert lost.row.state is DeliveryState.NEEDS_PERSON
    assert f"there     Organization/{there['id']}\n" in shown


def test_what_cannot_be_looked_up_does_not_count_as_a_partner_that_is_down(
    bridge: Bridge, ehr: Ehr
) -> None:
    for name in ("blind1", "blind2"):  # each a lost answer, and a look-up that is not possible
        assert lose(bridge, ehr, name).row.state is DeliveryState.NEEDS_PERSON

    assert [one.kind for one in view.list_alerts(bridge)] == ["delivery-needs-person"]


def test_anyway_goes_on_after_what_is_known_to_be_there(bridge: Bridge, ehr: Ehr) -> None:
    lost = lose(bridge, ehr, "anyway")

    repair.retry(bridge, str(lost.row.id), nothing, anyway=True)
    done = settle(bridge, lost.row.id)

    assert done.row.state is DeliveryState.DELIVERED
    assert len(ehr.holding("Organization", "anyway-Organization")) == 2
    assert len(ehr.holding("Patient", "anyway-Patient")) == 1
    assert view.list_alerts(bridge) == []


def test_who_found_the_task_says_where_and_it_is_followed(bridge: Bridge, ehr: Ehr) -> None:
    elsewhere = settle(bridge, int(hand(bridge, case("elsewhere"))))
    lost = lose(bridge, ehr, "found")
    order = {"reference": "ServiceRequest/found"}
    ehr.put({"resourceType": "ServiceRequest", "id": "found", **ORDER})
    ehr.put({"resourceType": "Task", "id": "found", "status": "requested", **TASK, "focus": order})

    for wrong in ("Task/nowhere", f"{ehr.base_url}2/Task/found"):
        with pytest.raises(InvalidContent, match="holds no Task there"):
            repair.found(bridge, str(lost.row.id), wrong)
    with pytest.raises(InvalidContent, match="belongs to another handoff"):
        repair.found(bridge, str(lost.row.id), str(elsewhere.handoff.task_reference))
    done = repair.found(bridge, str(lost.row.id), f"{ehr.base_url}/Task/found", by="ana")
    entry = {"request": {"method": "PUT", "url": "Task/found"}}
    told = notify(bridge, "blind", {"resourceType": "Bundle", "type": "history", "entry": [entry]})

    assert done.row.state is DeliveryState.DELIVERED
    assert done.handoff.task_reference == "Task/found"
    assert done.handoff.order_reference == "ServiceRequest/found"
    assert told.to_look_at == 1


def test_nothing_of_the_same_patient_overtakes_what_needs_a_person(
    bridge: Bridge, ehr: Ehr
) -> None:
    lost = lose(bridge, ehr, "order")
    newer = hand(bridge, case("order", version=2), "blind")

    with pytest.raises(AssertionError):
        settle_briefly(bridge, newer)
    repair.close(bridge, str(lost.row.id), reason="sent by fax")
    done = settle(bridge, int(newer))

    assert done.row.state is DeliveryState.DELIVERED
    assert view.show(bridge, str(lost.row.id)).row.state is DeliveryState.DEAD


def settle_briefly(bridge: Bridge, outbox_id: str) -> None:
    drain(bridge)
    assert view.show(bridge, outbox_id).row.state is not DeliveryState.QUEUED


def test_a_partner_that_is_down_is_left_alone_and_told_of_once(bridge: Bridge, ehr: Ehr) -> None:
    gone = replace(
        register(bridge, ehr, name="gone"),
        base_url="http://127.0.0.1:9/fhir",
        policy=replace(QUICK, first_wait_seconds=30, longest_wait_seconds=30),
    )
    with bridge.database.transaction() as session:
        partners.save(session, bridge, gone)
    waiting = [hand(bridge, case(f"down-{number}"), "gone") for number in range(6)]

    settle(bridge, int(hand(bridge, case("up"))))
    settle_all(bridge)

    tried = sum(view.show(bridge, one).row.attempts for one in waiting)
    assert tried == 3
    assert [(one.kind, one.count) for one in view.list_alerts(bridge)] == [("partner-down", 1)]


def settle_all(bridge: Bridge) -> None:
    drain(bridge)
