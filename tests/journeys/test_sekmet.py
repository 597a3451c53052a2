"""A partner that we did not write: sekmet-fhir from PyPI, as it comes, in a process of its own."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import servers
from fhirbridge import bridge as bridges
from fhirbridge import synthetic
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.documents.outgoing import Receiving
from fhirbridge.documents.receive import prepare
from fhirbridge.fhir import bundles, wire
from fhirbridge.handoffs import partners, subscribe, view
from fhirbridge.handoffs.probe import probe
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.worker import drain
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.http import Answer, PartnerSession
from fhirbridge.partners.plan import Rung
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import outbox_rows
from fhirbridge.workflow.words import DeliveryState
from tests.journeys.conftest import QUICK, wait_for
from tests.journeys.test_every_step import disturb
from tests.served import Server


@pytest.fixture
def sekmet(tmp_path: Path) -> Iterator[str]:
    with servers.sekmet(sys.executable, tmp_path) as started:
        yield started.base


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    """Ours, served so that it can be notified."""
    with Server(tmp_path, "--workers", "1", FHIRBRIDGE_AUTH="smart") as served:
        url = f"sqlite:///{tmp_path}/fhirbridge.db"
        built = bridges.build(
            Settings(database_url=url, public_url=f"{served.url}/fhir", part2=False)
        )
        yield built
        built.close()


def ask(url: str, method: str, reference: str, body: Resource | None = None) -> Any:
    with PartnerSession(url) as session:
        answer = session.ask(
            method,
            reference,
            body=wire.dump(body) if body else None,
            headers={"Content-Type": "application/fhir+json"},
        )
    assert isinstance(answer, Answer)
    assert answer.status == 200, (answer.status, method)
    return json.loads(answer.body)


def test_a_plan_arrives_once_and_its_answer_comes_back_by_notification(
    bridge: Bridge, sekmet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    partners.add(bridge, Partner("sekmet", sekmet, policy=QUICK, follow_seconds=7 * 86_400))
    trial = probe(bridge, "sekmet", write=True).probe
    document = synthetic.aftercare_plan(7)
    prepared = prepare(document, bridge.mappings, bridge.custodian.namespace)
    receipt = hand_over(bridge, "sekmet", Receiving(bridge, prepared))
    with monkeypatch.context() as patched:
        disturb(patched, "lose", 1)
        drain(bridge)
    wait_for(lambda: drain(bridge) >= 0 and delivered(bridge, receipt.outbox_id))
    made = subscribe.subscribe(bridge, "sekmet")
    sent = view.show(bridge, str(receipt.outbox_id))
    task = str(sent.handoff.task_reference)
    ask(sekmet, "PUT", task, {**ask(sekmet, "GET", task), "status": "accepted"})
    wait_for(lambda: drain(bridge) >= 0 and status(bridge, receipt.outbox_id) == "accepted")

    left = subscribe.unsubscribe(bridge, "sekmet")

    assert (trial["lookUp"], trial["conditionalCreate"], trial["leftBehind"]) == (True, True, [])
    attempts = sent.attempts or ()
    assert [(one.verdict, one.details["rung"]) for one in attempts] == [
        ("unknown", Rung.TRANSACTION.value),
        ("delivered", Rung.TRANSACTION.value),
    ]
    with bridge.database.read() as session:
        body = outbox_rows.body_of(session, bridge.custodian.id, sent.row.id)
    assert held(sekmet, wire.parse(body), sent.row.result) == {1}
    assert "CareTeam (1), Composition (1)" in attempts[-1].details["losses"][0]
    assert [one["status"] for one in made.subscription["held"]] == ["active", "active"]
    assert left == []


def delivered(bridge: Bridge, outbox_id: int) -> bool:
    return view.show(bridge, str(outbox_id)).row.state is DeliveryState.DELIVERED


def status(bridge: Bridge, outbox_id: int) -> str:
    return view.show(bridge, str(outbox_id)).handoff.status


def held(url: str, bundle: Resource, places: dict[str, str]) -> set[int]:
    """How many there are of each resource that was placed, by its identifier."""
    searches = {
        entry.full_url: f"{entry.request['url']}?{entry.request['ifNoneExist']}"
        for entry in bundles.entries_of(bundle)
        if entry.full_url in places and entry.request.get("ifNoneExist")
    }
    assert len(searches) > 15
    return {len(ask(url, "GET", search).get("entry") or []) for search in searches.values()}
