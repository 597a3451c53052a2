"""Looking at partners' Tasks: who does not answer keeps us from nobody else."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import requests
import responses

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.handoffs import partners, places
from fhirbridge.handoffs.follow import follow_next
from fhirbridge.handoffs.send import hand_over
from fhirbridge.partners.registry import Partner
from tests.journeys.conftest import case
from tests.unit.partners.test_plan import capability

STUCK, WELL = "https://stuck.example/fhir", "https://well.example/fhir"


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
    yield built
    built.close()


def sent(bridge: Bridge, partner: str, url: str, names: tuple[str, ...]) -> None:
    """Handoffs whose Tasks are at a partner."""
    responses.get(f"{url}/metadata", json=capability("transaction", types=("Task", "CarePlan")))
    partners.add(bridge, Partner(partner, url, follow_seconds=3600))
    for name in names:
        outgoing = case(name)
        receipt = hand_over(bridge, partner, lambda _session, made=outgoing: made)
        with bridge.database.transaction() as session:
            places.note(
                session, bridge, receipt.handoff_id, task=f"Task/{name}", order="", patient=""
            )


@pytest.mark.parametrize(
    ("answer", "pause"),
    [
        ({"body": requests.ConnectTimeout()}, timedelta(seconds=300)),
        ({"status": 503}, timedelta(seconds=300)),
        ({"status": 429, "headers": {"Retry-After": "1800"}}, timedelta(seconds=1800)),
    ],
    ids=["silent", "down", "busy"],
)
@responses.activate
def test_a_partner_that_does_not_answer_is_left_alone_for_a_while(
    bridge: Bridge, answer: dict[str, object], pause: timedelta
) -> None:
    sent(bridge, "stuck", STUCK, ("one", "two", "three"))
    sent(bridge, "well", WELL, ("four", "five"))
    for name in ("one", "two", "three"):
        responses.get(f"{STUCK}/Task/{name}", **answer)  # type: ignore[arg-type]
    for name in ("four", "five"):
        task = {"resourceType": "Task", "id": name, "status": "requested", "intent": "order"}
        responses.get(f"{WELL}/Task/{name}", json=task)
    at = [bridge.now()]
    then = replace(bridge, now=lambda: at[0])

    first = looks(then)
    at[0] += pause - timedelta(seconds=1)
    early = looks(then)
    at[0] += timedelta(seconds=2)
    again = looks(then)

    assert first == {"unreachable": 1, "same": 2}
    assert early == {}
    assert again == {"unreachable": 1}


def looks(bridge: Bridge) -> Counter[str]:
    """What looking at all that is due tells."""
    found: Counter[str] = Counter()
    while followed := follow_next(bridge):
        found[followed.result] += 1
    return found
