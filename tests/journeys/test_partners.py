"""Partners of every kind: with tokens, proven look-ups, documents only, and paper."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import responses

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.documents.pull import pull
from fhirbridge.documents.taking import keep
from fhirbridge.errors import PartnerUnreachable
from fhirbridge.fhir import wire
from fhirbridge.handoffs import partners, referrals, view
from fhirbridge.handoffs.answer import Answer, answer
from fhirbridge.handoffs.paper import print_packet
from fhirbridge.handoffs.probe import probe
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import drain
from fhirbridge.partners.credentials import Credentials, TokenStore
from fhirbridge.partners.http import Answer as HttpAnswer
from fhirbridge.partners.plan import Rung
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.rungs import differences, rungs
from fhirbridge.workflow.words import DeliveryState
from tests import commands
from tests.journeys.conftest import QUICK, case
from tests.journeys.test_every_step import start
from tests.served import Server
from tests.unit.partners.test_plan import capability

BASE = "https://ehr.example/fhir"


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
    yield built
    built.close()


@pytest.fixture(scope="module")
def small() -> Iterator[str]:
    yield from start(single=False)


def hand(bridge: Bridge, name: str) -> view.Delivery:
    outgoing = case(name)
    outbox_id = hand_over(bridge, "ehr", lambda _session: outgoing).outbox_id
    drain(bridge)
    return view.show(bridge, str(outbox_id))


class TestTokens:
    def test_a_real_token_endpoint_lets_us_in_and_a_lost_token_is_renewed(
        self, tmp_path: Path
    ) -> None:
        environment = {
            **os.environ,
            "FHIRBRIDGE_DATABASE_URL": f"sqlite:///{tmp_path}/ehr.db",
            "FHIRBRIDGE_AUTH": "smart",
        }
        added = commands.run(
            "fhirbridge",
            *("client", "add", "sender", "--own", "--scope", "system/*.cruds"),
            *("--new-key", str(tmp_path / "key.json"), "--json"),
            cwd=tmp_path,
            env=environment,
        )
        client_id = json.loads(added.stdout)["clientId"]
        tokens = TokenStore()
        with Server(
            tmp_path,
            "--workers",
            "1",
            FHIRBRIDGE_AUTH="smart",
            FHIRBRIDGE_DATABASE_URL=environment["FHIRBRIDGE_DATABASE_URL"],
        ) as ehr:
            credentials = Credentials(client_id, str(tmp_path / "key.json"))
            partner = Partner("ehr", f"{ehr.url}/fhir", credentials=credentials)
            with partner.connect(tokens=tokens) as client:
                first = client.search("Patient", [])
                kept = tokens.token(credentials, partner.base_url, allow_http=False)
                spoiled = f"{partner.base_url} {client_id}"
                tokens._kept[spoiled].token = "revoked"  # noqa: S105
                again = client.search("Patient", [])
            renewed = tokens.token(credentials, partner.base_url, allow_http=False)
            stranger = Partner("ehr", f"{ehr.url}/fhir")
            with stranger.connect() as client:
                refused = client.search("Patient", [])

        assert isinstance(first, HttpAnswer)
        assert isinstance(again, HttpAnswer)
        assert isinstance(refused, HttpAnswer)
        assert (first.status, again.status, refused.status) == (200, 200, 401)
        assert renewed not in (kept, "revoked")


class TestProbe:
    def test_a_trial_proves_the_look_up_and_says_what_it_could_not_remove(
        self, bridge: Bridge, small: str
    ) -> None:
        partners.add(bridge, Partner("ehr", small, policy=QUICK))

        found = probe(bridge, "ehr", write=True).probe

        assert (found["lookUp"], found["conditionalCreate"]) == (True, True)
        assert found["lagSeconds"] < 5
        assert len(found["leftBehind"]) == 1  # the small server deletes nothing

    @responses.activate
    def test_what_a_trial_disproves_counts_for_less_than_what_was_said(
        self, bridge: Bridge
    ) -> None:
        statement = capability("transaction", types=("Task", "CarePlan"))
        responses.get(f"{BASE}/metadata", json=statement)
        for number in (1, 2):  # takes no notice of If-None-Exist
            responses.post(
                f"{BASE}/Task", status=201, headers={"Location": f"{BASE}/Task/{number}"}
            )
        responses.get(f"{BASE}/Task", status=400)
        deleted = [responses.delete(f"{BASE}/Task/{number}", status=204) for number in (1, 2)]
        for number in (1, 2):
            responses.get(f"{BASE}/Task/{number}", status=410)
        partners.add(bridge, Partner("ehr", BASE))

        found = probe(bridge, "ehr", write=True)

        assert (found.probe["lookUp"], found.probe["conditionalCreate"]) == (False, False)
        assert not found.abilities.can_find("Task")
        assert not found.abilities.can_create_conditionally("Task")
        assert [one.call_count for one in deleted] == [1, 1]
        assert found.probe["leftBehind"] == []
        assert "settled by a person" in found.probe["words"]

    @responses.activate
    def test_what_was_never_shown_and_cannot_be_deleted_is_left_behind(
        self, bridge: Bridge
    ) -> None:
        statement = capability("transaction", types=("Task", "CarePlan"))
        responses.get(f"{BASE}/metadata", json=statement)
        place = f"{BASE}/Task/1"
        responses.post(f"{BASE}/Task", status=201, headers={"Location": place})
        responses.get(f"{BASE}/Task", status=400)
        responses.delete(place, status=404)
        responses.get(place, status=404)  # it is there, and not for us
        partners.add(bridge, Partner("ehr", BASE))

        assert probe(bridge, "ehr", write=True).probe["leftBehind"] == ["Task/1"]


class TestLowRungs:
    def documents_only(self, bridge: Bridge, url: str, *types: str) -> None:
        added = partners.add(bridge, Partner("ehr", url, policy=QUICK, follow_seconds=60)).partner
        assert added.capability is not None
        rest = added.capability["rest"][0]
        rest["interaction"] = []
        rest["resource"] = [one for one in rest["resource"] if one["type"] in types]
        with bridge.database.transaction() as session:
            partners.save(session, bridge, added)

    def test_a_partner_that_takes_documents_gets_the_frozen_one_and_a_task(
        self, bridge: Bridge, small: str
    ) -> None:
        self.documents_only(bridge, small, "DocumentReference", "Task")

        shown = hand(bridge, "document")

        assert shown.row.state is DeliveryState.DELIVERED
        assert (shown.attempts or ())[-1].details["rung"] == Rung.DOCUMENT.value
        held = {place.split("/")[0]: place for place in shown.row.result.values()}
        assert set(held) == {"DocumentReference", "Task"}
        with Partner("ehr", small).connect() as client:
            exchange = client.read(held["DocumentReference"])
        assert isinstance(exchange, HttpAnswer)
        contents = wire.parse(exchange.body)["content"]
        attachment = contents[0]["attachment"]
        data = base64.b64decode(attachment["data"])
        document = wire.parse(data)
        assert attachment["extension"][0]["valueString"] == hashlib.sha256(data).hexdigest()
        assert (document["type"], document["entry"][0]["resource"]["resourceType"]) == (
            "document",
            "Composition",
        )
        assert len(document["entry"][0]["resource"]["section"]) == 15
        assert b"Care packet" in base64.b64decode(contents[1]["attachment"]["data"])

    def test_paper_is_printed_with_a_code_and_answered_under_it(
        self, bridge: Bridge, small: str
    ) -> None:
        self.documents_only(bridge, small, "Patient")
        waiting = hand(bridge, "paper")
        before = referrals.show(bridge, waiting.handoff.id)
        code = before.to_json()["code"]

        packet = print_packet(bridge, code, by="ana")
        answer(bridge, code, Answer("accept", by="ana", heard="fax"))

        shown = referrals.show(bridge, code)
        assert waiting.row.state is DeliveryState.NEEDS_PERSON
        assert waiting.row.last_error_class == "paper-only"
        assert before.word.text == "To be sent on paper"
        assert view.list_alerts(bridge) == []
        assert code in packet
        assert shown.delivery is not None
        assert shown.delivery.state is DeliveryState.DELIVERED
        assert shown.word.text == "Accepted"
        assert shown.handoff.details["events"][-1]["transcribed"]


def test_a_diff_names_every_rung_and_what_is_lost_on_it() -> None:
    bundle = case("diff").bundle
    offered = Partner(
        "ehr", BASE, capability=capability(types=("Patient", "CarePlan"), conditional=False)
    )

    shown = rungs(bundle, offered.abilities)
    found = differences(bundle, offered.abilities)

    assert [one.rung for one in shown] == list(Rung)
    assert [one.rung for one in shown if one.chosen] == [Rung.SEARCH_THEN_CREATE]
    assert all(one.losses for one in shown if not one.offered)
    assert "Goal (1): the partner does not have this type." in found
    assert "Patient (1): no conditional create." in found


@pytest.mark.parametrize(("status", "is_told"), [(503, False), (429, False), (403, True)])
@responses.activate
def test_pull_takes_no_silence_for_an_empty_list(
    bridge: Bridge, status: int, is_told: bool
) -> None:
    """A plan that is kept without its goals would lose them."""
    plan = {"resourceType": "CarePlan", "id": "1", "status": "active", "intent": "plan"}
    plan["subject"] = {"reference": "Patient/1"}
    bundle = {"resourceType": "Bundle", "type": "searchset"}
    full = {**bundle, "entry": [{"resource": plan}]}
    responses.get(f"{BASE}/Patient/1", json={"resourceType": "Patient", "id": "1"})
    responses.get(f"{BASE}/CarePlan", json=full)
    responses.get(f"{BASE}/Goal", status=status, json={"resourceType": "OperationOutcome"})
    responses.get(re.compile(rf"{BASE}/.*"), json=bundle)

    try:
        found = len(pull(bridge, Partner("ehr", BASE), "1"))
    except PartnerUnreachable:
        found = 0

    assert found == int(is_told)


@responses.activate
def test_pull_keeps_what_an_ehr_dates_as_no_instant(bridge: Bridge) -> None:
    patient = {"resourceType": "Patient", "id": "1", "meta": {"lastUpdated": "2026-01-01"}}
    plan = {"resourceType": "CarePlan", "id": "1", "status": "active", "intent": "plan"}
    plan |= {"subject": {"reference": "Patient/1"}, "meta": {"lastUpdated": "yesterday"}}
    bundle = {"resourceType": "Bundle", "type": "searchset"}
    responses.get(f"{BASE}/Patient/1", json=patient)
    responses.get(f"{BASE}/CarePlan", json={**bundle, "entry": [{"resource": plan}]})
    responses.get(re.compile(rf"{BASE}/.*"), json=bundle)
    ehr = Partner("ehr", BASE)

    assert [keep(bridge, ehr, one).stored for one in pull(bridge, ehr, "1")] != []
