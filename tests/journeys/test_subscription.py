"""Partners tell us of changes by Subscriptions: a real partner process, and our own server."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import responses

from fhirbridge import bridge as bridges
from fhirbridge import clock
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.errors import Conflict, Forbidden, InvalidContent, PartnerUnreachable
from fhirbridge.handoffs import partners, referrals, subscribe
from fhirbridge.handoffs.follow import follow_next
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import drain
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.http import Answer, PartnerSession
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import alerts
from fhirbridge.web.app import create_app
from tests.journeys.conftest import QUICK, case, wait_for
from tests.journeys.test_every_step import start
from tests.served import Server
from tests.unit.cli.running import run
from tests.unit.partners.test_plan import capability

DAY = timedelta(days=1)
FHIR = {"Content-Type": "application/fhir+json"}
EHR = "https://ehr.example/fhir"
OUTSIDE = "https://bridge.example/notifications/ehr"
UNKNOWN = "Bearer fbn-somebody-else"


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    yield from start(single=False)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Ours"]:
    folder = tmp_path_factory.mktemp("ours")
    with Server(folder, "--workers", "1", FHIRBRIDGE_AUTH="smart") as served:
        yield Ours(served.url, folder)


@dataclass(frozen=True)
class Ours:
    """Our server, which wants to know who notifies it, and its database."""

    url: str
    folder: Path

    def bridge(self, **settings: Any) -> Bridge:
        return bridges.build(
            Settings(
                database_url=f"sqlite:///{self.folder}/fhirbridge.db",
                public_url=f"{self.url}/fhir",
                part2=False,
                **settings,
            )
        )


@pytest.fixture
def bridge(server: Ours, small: str) -> Iterator[Bridge]:
    built = server.bridge()
    yield built
    for one in partners.load_all(built):  # tests come in any order
        subscribe.unsubscribe(built, one.name)
    built.close()


def registered(bridge: Bridge, name: str, url: str) -> Partner:
    """A partner whose Tasks are looked at once a week, unless it tells us of something."""
    wanted = Partner(name, url, policy=QUICK, follow_seconds=7 * 86_400)
    return partners.add(bridge, wanted).partner


def sent(bridge: Bridge, partner: str, name: str) -> tuple[str, str]:
    """Hand a case over; its handoff, and its Task at the partner."""
    outgoing = case(name)
    receipt = hand_over(bridge, partner, lambda _session: outgoing)
    drain(bridge)
    return receipt.handoff_id, str(
        referrals.show(bridge, receipt.handoff_id).handoff.task_reference
    )


def the_partner(bridge: Bridge, name: str) -> Partner:
    with bridge.database.read() as session:
        return partners.load(session, bridge, name)


def ask(url: str, method: str, reference: str, body: Resource | None = None, **headers: str) -> Any:
    with PartnerSession(url) as session:
        content = json.dumps(body).encode() if body is not None else None
        answer = session.ask(method, reference, body=content, headers={**FHIR, **headers})
    assert isinstance(answer, Answer)
    return answer.status if method != "GET" or answer.status >= 300 else json.loads(answer.body)


def change(url: str, task: str, **elements: Any) -> None:
    assert ask(url, "PUT", task, {**ask(url, "GET", task), **elements}) == 200


def subscriptions(url: str) -> list[Resource]:
    held: list[Resource] = ask(url, "GET", "_all")["held"]
    return [one for one in held if one["resourceType"] == "Subscription"]


def status_of(bridge: Bridge, handoff_id: str) -> str:
    return referrals.show(bridge, handoff_id).handoff.status


def told(url: str, name: str) -> list[Any]:
    """Method, address and status of the notifications for a partner of this name."""
    return [one for one in ask(url, "GET", "_hooks")["sent"] if f"/notifications/{name}" in one[1]]


class TestNotified:
    def test_an_empty_notification_makes_us_fetch_what_changed(
        self, bridge: Bridge, small: str
    ) -> None:
        registered(bridge, "silent", small)
        handoff_id, task = sent(bridge, "silent", "silent")
        made = subscribe.subscribe(bridge, "silent")
        change(small, task, status="accepted")
        wait_for(lambda: bool(told(small, "silent")))

        drain(bridge)

        assert {one["status"] for one in made.subscription["held"]} == {"active"}
        assert [one[0] for one in told(small, "silent")] == ["POST"]
        assert told(small, "silent")[0][2] == 200
        assert status_of(bridge, handoff_id) == "accepted"

    def test_a_notification_with_a_payload_moves_the_referral_at_once(
        self, bridge: Bridge, small: str
    ) -> None:
        registered(bridge, "telling", small)
        handoff_id, task = sent(bridge, "telling", "telling")
        subscribe.subscribe(bridge, "telling", with_payload=True)
        change(small, task, status="accepted")

        wait_for(lambda: status_of(bridge, handoff_id) == "accepted")

        assert [one[0] for one in told(small, "telling")] == ["PUT"]
        events = referrals.show(bridge, handoff_id).handoff.details["events"]
        assert events[-1]["source"] == "notification"

    @pytest.mark.parametrize("fault", ["twice", "late"])
    def test_notifications_that_come_twice_or_late_move_nothing_back(
        self, bridge: Bridge, small: str, fault: str
    ) -> None:
        registered(bridge, fault, small)
        handoff_id, task = sent(bridge, fault, fault)
        subscribe.subscribe(bridge, fault, with_payload=True)
        ask(small, "POST", "_hooks", {"fault": fault})
        change(small, task, status="accepted")
        change(small, task, status="rejected")
        expected = 4 if fault == "twice" else 2
        wait_for(lambda: len(told(small, fault)) == expected)
        ask(small, "POST", "_hooks", {"fault": ""})

        shown = referrals.show(bridge, handoff_id)

        assert shown.handoff.task_version == ask(small, "GET", task)["meta"]["versionId"]
        assert shown.handoff.status == "declined"
        assert shown.set_aside == ()
        assert {one[2] for one in told(small, fault)} == {200}

    def test_an_appointment_for_our_order_is_told_of(self, bridge: Bridge, small: str) -> None:
        registered(bridge, "booking", small)
        order = {"system": f"{bridge.settings.base}/identifier/referral", "value": "booking"}
        where = {"resourceType": "ServiceRequest", "identifier": [order]}
        ask(small, "PUT", "ServiceRequest/booking", where)
        subscribe.subscribe(bridge, "booking")
        based = [{"reference": "ServiceRequest/booking"}]
        ask(small, "PUT", "Appointment/1", {"resourceType": "Appointment", "basedOn": based})

        wait_for(lambda: bool(told(small, "booking")))

        assert told(small, "booking")[0][2] == 200


class TestSecret:
    def test_the_secret_opens_nothing_but_the_notifications_of_its_partner(
        self, bridge: Bridge, small: str, server: Ours
    ) -> None:
        registered(bridge, "secret", small)
        registered(bridge, "other", small)
        handoff_id, task = sent(bridge, "secret", "secret")
        subscribe.subscribe(bridge, "secret")
        bearing = {"Authorization": subscriptions(small)[-1]["channel"]["header"][0].split(": ")[1]}
        accepted = {**ask(small, "GET", task), "status": "accepted"}

        plain = {**bearing, "Content-Type": "text/plain"}  # as some servers send nothing
        own = ask(server.url, "POST", "notifications/secret", **plain)
        content = ask(server.url, "PUT", f"notifications/secret/{task}", accepted, **bearing)
        another = ask(server.url, "POST", "notifications/other", **bearing)
        stranger = ask(server.url, "POST", "notifications/secret", Authorization=UNKNOWN)
        fhir = ask(server.url, "GET", "fhir/Patient", **bearing)
        api = ask(server.url, "GET", "api/partners", **bearing)
        subscribe.unsubscribe(bridge, "secret")
        after = ask(server.url, "POST", "notifications/secret", **bearing)

        assert (own, content) == (200, 200)
        assert status_of(bridge, handoff_id) == "sent"  # what it brings does not count
        assert (another, stranger, fhir, api, after) == (401, 401, 401, 401, 401)
        assert "fbn-" not in json.dumps(the_partner(bridge, "secret").settings())

    def test_criteria_and_address_name_no_patient(self, bridge: Bridge, small: str) -> None:
        registered(bridge, "neutral", small)
        sent(bridge, "neutral", "neutral")
        subscribe.subscribe(bridge, "neutral")

        found = subscriptions(small)
        subscribe.unsubscribe(bridge, "neutral")

        base = bridge.settings.base
        assert [one["criteria"] for one in found] == [
            f"Task?identifier={base}/handoff|,{base}/identifier/referral-task|",
            f"Appointment?based-on:ServiceRequest.identifier={base}/identifier/referral|",
        ]
        assert all("payload" not in one["channel"] for one in found)
        assert all(one["channel"]["endpoint"].endswith("/notifications/neutral") for one in found)


class TestKept:
    def test_asking_again_renews_what_is_there(self, bridge: Bridge, small: str) -> None:
        registered(bridge, "again", small)
        subscribe.subscribe(bridge, "again", days=1)
        first = subscriptions(small)
        subscribe.subscribe(bridge, "again", days=2)
        second = subscriptions(small)
        with bridge.database.transaction() as session:  # as if the answers had been lost
            known = partners.load(session, bridge, "again")
            partners.save(session, bridge, replace(known, subscription={}))

        subscribe.subscribe(bridge, "again", days=3)

        third = subscriptions(small)
        ids = [[one["id"] for one in each] for each in (first, second, third)]
        ends = [each[0]["end"] for each in (first, second, third)]
        assert ids[0] == ids[1] == ids[2]
        assert len(ids[0]) == 2
        assert ends == sorted(set(ends))
        assert subscribe.unsubscribe(bridge, "again") == []
        assert subscriptions(small) == []

    def test_the_delivery_process_renews_in_time_and_mends_what_the_partner_gave_up(
        self, bridge: Bridge, small: str, server: Ours
    ) -> None:
        registered(bridge, "lasting", small)
        made = subscribe.subscribe(bridge, "lasting", days=10)
        before = subscriptions(small)
        at = [bridge.now() + 6 * DAY]
        later = replace(bridge, now=lambda: at[0])

        assert subscribe.renew_next(later) == "lasting"
        renewed = subscriptions(small)
        assert subscribe.renew_next(later) is None
        gave_up = renewed[0]
        ask(small, "PUT", f"Subscription/{gave_up['id']}", {**gave_up, "status": "off"})
        at[0] += DAY
        assert subscribe.renew_next(later) == "lasting"
        mended = subscriptions(small)
        ask(small, "DELETE", f"Subscription/{gave_up['id']}")
        at[0] += DAY
        assert subscribe.renew_next(later) == "lasting"
        made_again = subscriptions(small)

        assert made.subscription["until"] < renewed[0]["end"] < mended[0]["end"]
        assert [one["status"] for one in mended] == ["active", "active"]
        assert sorted(one["criteria"] for one in made_again) == sorted(
            one["criteria"] for one in before
        )
        headers = {
            one["channel"]["header"][0] for each in (before, renewed, mended) for one in each
        }
        assert len(headers) == 3  # each time another secret

    def test_polling_goes_on_beside_it(self, bridge: Bridge, small: str) -> None:
        registered(bridge, "polled", small)
        handoff_id, task = sent(bridge, "polled", "polled")
        subscribe.subscribe(bridge, "polled")
        subscribe.unsubscribe(bridge, "polled")
        change(small, task, status="accepted")
        later = replace(bridge, now=lambda: clock.now() + 8 * DAY)

        while (seen := follow_next(later)) and seen.handoff_id != handoff_id:
            pass

        assert status_of(bridge, handoff_id) == "accepted"


class TestDoors:
    def test_the_api_subscribes_shows_and_ends(
        self, bridge: Bridge, small: str, server: Ours
    ) -> None:
        registered(bridge, "api", small)
        open_to_us = replace(bridge, settings=replace(bridge.settings, auth="none"))
        client = create_app(open_to_us).test_client()

        made = client.post("/api/partners/api/$subscribe", json={"days": 3})
        wrong = client.post("/api/partners/api/$subscribe", json={"days": 0, "payload": 1})
        shown = client.get("/api/partners/api").get_json()["subscription"]
        ended = client.post("/api/partners/api/$unsubscribe")

        assert made.status_code == 200
        assert [one["status"] for one in shown["held"]] == ["active", "active"]
        assert shown["endpoint"] == f"{server.url}/notifications/api"
        assert "hash" not in json.dumps(shown)
        assert [one["expression"] for one in wrong.get_json()["issues"]] == [
            ["$.payload"],
            ["$.days"],
        ]
        assert ended.get_json() == {"leftBehind": []}
        assert client.get("/api/partners/api").get_json()["subscription"] is None

    def test_the_command_line_tells_how_it_stands(
        self, bridge: Bridge, small: str, server: Ours, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", bridge.settings.database_url)
        monkeypatch.setenv("FHIRBRIDGE_PUBLIC_URL", f"{server.url}/fhir")
        registered(bridge, "typed", small)

        before = run("partner", "show", "typed")
        made = run("partner", "subscribe", "typed", "--payload")
        shown = run("partner", "show", "typed")
        ended = run("partner", "unsubscribe", "typed")

        assert "notifications  none" in before.out.decode()
        assert (made.code, ended.code) == (0, 0)
        assert f"to {server.url}/notifications/typed, bringing what changed" in made.out.decode()
        assert "Task           active at Subscription/" in shown.out.decode()
        assert "every 604800 seconds" in shown.out.decode()


class TestRefused:
    @pytest.fixture
    def bridge(self, tmp_path: Path) -> Iterator[Bridge]:
        """A database of its own: what these partners leave behind is nobody else's."""
        built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
        yield built
        built.close()

    def test_a_partner_without_subscriptions_is_told_apart(self, bridge: Bridge) -> None:
        for url in start(single=True):
            registered(bridge, "single", url)

            with pytest.raises(Conflict, match="single offers no creation of Subscriptions"):
                subscribe.subscribe(bridge, "single")

        assert subscribe.shown(the_partner(bridge, "single")) is None

    @responses.activate
    def test_criteria_that_a_partner_cannot_evaluate_give_way_to_others(
        self, bridge: Bridge
    ) -> None:
        scripted("picky", bridge)
        posted = [
            responses.post(f"{EHR}/Subscription", status=422),
            responses.post(f"{EHR}/Subscription", **placed("1")),
            responses.post(f"{EHR}/Subscription", **placed("2")),
            responses.post(f"{EHR}/Subscription", status=422),
        ]
        responses.get(f"{EHR}/Subscription/1", json=asked_for("active"))
        responses.get(f"{EHR}/Subscription/2", json=asked_for("error"))
        deleted = responses.delete(f"{EHR}/Subscription/2", status=204)

        held = subscribe.subscribe(bridge, "picky", url=OUTSIDE).subscription["held"]

        assert [one.call_count for one in posted] == [1, 1, 1, 1]
        assert deleted.call_count == 1
        assert [(one["what"], one["status"]) for one in held] == [
            ("Task", "active"),
            ("Appointment", "refused"),
        ]
        assert held[0]["criteria"] == ("Task?code=http://hl7.org/fhir/CodeSystem/task-code|fulfill")

    @responses.activate
    def test_a_refusal_names_its_place(self, bridge: Bridge) -> None:
        scripted("strict", bridge)
        responses.post(f"{EHR}/Subscription", status=403, json={"text": "Jane Roe"})

        with pytest.raises(Forbidden, match="strict refuses POST Subscription: forbidden") as told:
            subscribe.subscribe(bridge, "strict", url=OUTSIDE)

        assert "Jane" not in str(told.value)
        assert "forbidden" in (subscribe.shown(the_partner(bridge, "strict")) or {})["failed"]

    @responses.activate
    def test_a_lost_answer_names_its_place(self, bridge: Bridge) -> None:
        scripted("lost", bridge)
        responses.post(f"{EHR}/Subscription", body=requests.ConnectionError("reset"))

        with pytest.raises(PartnerUnreachable, match=r"to POST Subscription\. Try again: what is"):
            subscribe.subscribe(bridge, "lost", url=OUTSIDE)

    @responses.activate
    def test_an_address_that_the_partner_cannot_reach_is_not_asked_for(
        self, bridge: Bridge
    ) -> None:
        scripted("far", bridge)

        with pytest.raises(InvalidContent, match="set FHIRBRIDGE_PUBLIC_URL"):
            subscribe.subscribe(bridge, "far")
        with pytest.raises(InvalidContent, match="must be https"):
            subscribe.subscribe(bridge, "far", url="http://bridge.example/notifications/far")

    @responses.activate
    def test_a_partner_that_stops_telling_is_one_alert(self, bridge: Bridge) -> None:
        scripted("fading", bridge)
        for number in (1, 2):
            responses.post(f"{EHR}/Subscription", **placed(str(number)))
        working = [
            responses.get(f"{EHR}/Subscription/{number}", json=asked_for("active"))
            for number in (1, 2)
        ]
        subscribe.subscribe(bridge, "fading", url=OUTSIDE)
        for one in working:
            responses.remove(one)
        responses.get(f"{EHR}/Subscription/1", status=503)
        later = [bridge.now() + DAY]
        over = replace(bridge, now=lambda: later[0])

        for _ in range(3):
            assert subscribe.renew_next(over) == "fading"
            later[0] += DAY

        with bridge.database.read() as session:
            told = alerts.list_alerts(session, bridge.custodian.id, partner="fading")
        assert [(one.kind, one.count) for one in told] == [("subscription-lost", 3)]
        failed = (subscribe.shown(the_partner(bridge, "fading")) or {})["failed"]
        assert "HTTP 503, which tells nothing, to GET Subscription/1" in failed


def scripted(name: str, bridge: Bridge) -> None:
    """A partner far away whose answers the test writes; it offers Subscriptions, no search."""
    statement = capability("transaction", types=("Task", "Appointment"))
    rest = statement["rest"][0]
    rest["resource"].append({"type": "Subscription", "interaction": [{"code": "create"}]})
    responses.get(f"{EHR}/metadata", json=statement)
    registered(bridge, name, EHR)


def placed(number: str) -> dict[str, Any]:
    return {"status": 201, "headers": {"Location": f"{EHR}/Subscription/{number}"}}


def asked_for(status: str) -> Resource:
    return {"resourceType": "Subscription", "status": status}
