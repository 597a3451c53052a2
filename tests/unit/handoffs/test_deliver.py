"""How an attempt ends and is recorded, with a partner that says what the test tells it."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.errors import Conflict
from fhirbridge.handoffs import partners, repair, view
from fhirbridge.handoffs.deliver import Attempted, attempt
from fhirbridge.handoffs.send import hand_over
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import outbox
from fhirbridge.workflow.retry import Policy
from fhirbridge.workflow.words import DeliveryState
from tests.journeys.conftest import case
from tests.unit.partners.test_plan import capability

BASE = "https://ehr.example/fhir"
LOST = requests.exceptions.ReadTimeout()
KINDS = ("Organization", "Patient", "Goal", "CarePlan", "ServiceRequest", "Task")
POLICY = Policy(first_wait_seconds=10, max_age_seconds=60)
EMPTY = {"resourceType": "Bundle", "type": "searchset"}


class Clock:
    """A clock that is set forward by the test."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bridge(database_url: str, clock: Clock) -> Iterator[Bridge]:
    settings = Settings(database_url=database_url, part2=False)
    built = bridges.build(settings, now=clock)
    yield built
    built.close()


@pytest.fixture
def partner() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield mock


PROVEN = Partner("ehr", BASE, policy=POLICY, probe={"lookUp": True})


def start(
    bridge: Bridge,
    mock: responses.RequestsMock,
    *,
    registered: Partner = PROVEN,
    **abilities: Any,
) -> str:
    """Register the partner and enqueue one handoff; returns its outbox id."""
    statement = capability("transaction", types=KINDS, **abilities)
    mock.get(f"{BASE}/metadata", json=statement)
    partners.add(bridge, registered)
    outgoing = case("one")
    return str(hand_over(bridge, "ehr", lambda _session: outgoing).outbox_id)


def one_attempt(bridge: Bridge) -> Attempted:
    made = attempt(bridge, "worker", chance=lambda: 1.0)
    assert made is not None
    return made


def created(count: int) -> str:
    entries = [
        {"response": {"status": "201", "location": f"Basic/{number}"}} for number in range(count)
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})


def test_a_delivery_is_recorded_with_its_places(
    bridge: Bridge, partner: responses.RequestsMock
) -> None:
    outbox_id = start(bridge, partner)
    partner.post(BASE, body=created(6))

    ending = one_attempt(bridge).ending

    shown = view.show(bridge, outbox_id)
    assert (ending.state, ending.verdict) == (DeliveryState.DELIVERED, "delivered")
    assert len(shown.row.result) == 6
    assert shown.handoff.task_reference == "Basic/5"
    assert attempt(bridge, "worker") is None


def test_a_lost_answer_waits_and_then_looks(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    outbox_id = start(bridge, partner)
    partner.post(BASE, body=LOST)
    one_attempt(bridge)
    assert attempt(bridge, "worker") is None
    partner.get(f"{BASE}/Task", json=EMPTY)
    partner.post(BASE, body=created(6))

    clock.forward(10)
    ending = one_attempt(bridge).ending

    assert ending.details["looked"] == "not-found"
    assert view.show(bridge, outbox_id).row.state is DeliveryState.DELIVERED


def test_without_proof_a_lost_answer_needs_a_person_until_a_trial_shows_look_ups(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    outbox_id = start(bridge, partner, registered=Partner("ehr", BASE, policy=POLICY))
    partner.post(BASE, body=LOST)
    one_attempt(bridge)
    partner.get(f"{BASE}/Task", json=EMPTY)
    clock.forward(10)
    lost = one_attempt(bridge).ending

    with pytest.raises(Conflict, match="probe"):
        repair.retry(bridge, outbox_id, lambda _handoff: case("one"))
    with bridge.database.transaction() as session:
        known = partners.load(session, bridge, "ehr")
        partners.save(session, bridge, replace(known, probe={"lookUp": True}))
    repair.retry(bridge, outbox_id, lambda _handoff: case("one"))
    partner.post(BASE, body=created(6))
    ending = one_attempt(bridge).ending

    assert (lost.state, lost.error_class) == (DeliveryState.NEEDS_PERSON, "look-up-not-proven")
    assert "probe NAME --write" in lost.details["hint"]
    assert ending.details["looked"] == "not-found"
    assert view.show(bridge, outbox_id).row.state is DeliveryState.DELIVERED


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_confirmed_delivery_that_can_be_found_proves_look_ups(
    bridge: Bridge, partner: responses.RequestsMock, is_shown: bool
) -> None:
    start(bridge, partner, registered=Partner("ehr", BASE, policy=POLICY))
    partner.post(BASE, body=created(6).replace("Basic/5", "Task/5"))

    def find(request: Any) -> tuple[int, dict[str, str], str]:
        system, _, value = parse_qs(urlsplit(request.url).query)["identifier"][0].rpartition("|")
        task = {
            "resourceType": "Task",
            "id": "5",
            "identifier": [{"system": system, "value": value}],
        }
        entry = [{"resource": task}] if is_shown else []
        return 200, {}, json.dumps({"resourceType": "Bundle", "type": "searchset", "entry": entry})

    partner.add_callback(responses.GET, re.compile(f"{BASE}/Task.*"), callback=find)
    one_attempt(bridge)

    with bridge.database.read() as session:
        known = partners.load(session, bridge, "ehr").probe
    assert known.get("lookUp") == (True if is_shown else None)


def test_unknown_stays_unknown_while_the_partner_is_down(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    start(bridge, partner)
    partner.post(BASE, body=LOST)
    one_attempt(bridge)
    partner.get(f"{BASE}/Task", status=503)

    clock.forward(10)

    assert one_attempt(bridge).ending.verdict == "unknown"


def test_unknown_at_the_maximum_age_needs_a_person(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    outbox_id = start(bridge, partner)
    partner.post(BASE, body=LOST)
    one_attempt(bridge)
    partner.get(f"{BASE}/Task", body=LOST)

    clock.forward(60)
    ending = one_attempt(bridge).ending

    assert ending.state is DeliveryState.NEEDS_PERSON
    assert "ask the partner" in ending.details["hint"]
    assert view.show(bridge, outbox_id).word.text == "Needs a person"


def test_certainly_not_sent_at_the_maximum_age_is_dead(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    start(bridge, partner)
    partner.post(BASE, status=503)
    one_attempt(bridge)

    clock.forward(60)

    assert one_attempt(bridge).ending.state is DeliveryState.DEAD


def test_a_partner_that_refuses_the_look_up_for_good_needs_a_person(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    start(bridge, partner)
    partner.post(BASE, body=LOST)
    one_attempt(bridge)
    partner.get(f"{BASE}/Task", status=403)

    clock.forward(10)

    assert one_attempt(bridge).ending.state is DeliveryState.NEEDS_PERSON


def test_retry_after_is_kept_to(bridge: Bridge, partner: responses.RequestsMock) -> None:
    start(bridge, partner)
    partner.post(BASE, status=429, headers={"Retry-After": "25"})

    ending = one_attempt(bridge).ending

    assert ending.next_attempt_at == bridge.now() + timedelta(seconds=25)


def test_the_policy_of_a_row_is_the_one_it_was_enqueued_with(
    bridge: Bridge, partner: responses.RequestsMock
) -> None:
    start(bridge, partner)
    partner.post(BASE, status=503)
    changed = Partner("ehr", BASE, policy=replace(POLICY, first_wait_seconds=1))
    partners.add(bridge, changed)

    ending = one_attempt(bridge).ending

    assert ending.next_attempt_at == bridge.now() + timedelta(seconds=10)


def test_nothing_is_sent_outside_a_partners_hours_and_its_headers_go_with_everything(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    night = {"days": ["monday"], "from": "20:00", "to": "06:00"}
    start(
        bridge,
        partner,
        registered=Partner(
            "ehr",
            BASE,
            policy=replace(POLICY, max_age_seconds=86_400),
            window=night,
            timezone="America/Denver",
            headers={"X-Tenant": "north"},
        ),
    )
    partner.post(BASE, body=created(6))

    at_noon = attempt(bridge, "worker")
    clock.forward(15.5 * 3600)  # 03:30 in UTC, half past eight in the evening there

    assert at_noon is None
    assert one_attempt(bridge).ending.state is DeliveryState.DELIVERED
    assert {call.request.headers.get("X-Tenant") for call in partner.calls} == {"north"}


def test_a_fault_of_ours_is_recorded_and_asks_the_partner_first(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    start(bridge, partner)
    partner.post(BASE, body=ZeroDivisionError("a bug"))
    one_attempt(bridge)
    partner.get(f"{BASE}/Task", json=EMPTY)
    partner.post(BASE, body=created(6))

    clock.forward(10)

    assert one_attempt(bridge).ending.details["looked"] == "not-found"


def test_who_lost_the_lease_writes_nothing_more_to_the_wire(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    start(bridge, partner, conditional=False)

    def take_over(_request: Any) -> tuple[int, dict[str, str], str]:
        clock.forward(POLICY.lease_seconds + 1)
        with bridge.database.transaction() as session:
            outbox.claim(session, bridge.custodian.id, "another", now=clock())
        return 200, {}, json.dumps(EMPTY)

    partner.add_callback(responses.GET, f"{BASE}/Organization", take_over)
    posts = partner.post(BASE, body=created(6))

    made = one_attempt(bridge)

    assert not made.recorded
    assert made.ending.error_class == "lease-lost"
    assert posts.call_count == 0


def test_a_slow_attempt_keeps_its_lease(
    bridge: Bridge, partner: responses.RequestsMock, clock: Clock
) -> None:
    start(bridge, partner, conditional=False)

    def slowly(_request: Any) -> tuple[int, dict[str, str], str]:
        clock.forward(POLICY.lease_seconds * 0.6)
        return 200, {}, json.dumps(EMPTY)

    for kind in KINDS:
        partner.add_callback(responses.GET, f"{BASE}/{kind}", slowly)
    partner.post(BASE, body=created(6))

    made = one_attempt(bridge)

    assert made.recorded
    assert made.ending.state is DeliveryState.DELIVERED
