"""A subscription that is ended while its partner is asked how it stands."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import responses

from fhirbridge import bridge as bridges
from fhirbridge import clock
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.handoffs import subscribe
from tests.journeys.test_subscription import (
    DAY,
    EHR,
    OUTSIDE,
    asked_for,
    placed,
    scripted,
    the_partner,
)


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
    yield built
    built.close()


@responses.activate
@pytest.mark.parametrize("status", [200, 503], ids=["told", "failing"])
@pytest.mark.parametrize("days", [1, 20], ids=["looked at", "renewed"])
def test_what_is_ended_while_a_partner_is_asked_stays_ended(
    bridge: Bridge, days: int, status: int
) -> None:
    name = f"ending-{days}-{status}"
    scripted(name, bridge)
    for number in ("1", "2", "3", "4"):
        responses.post(f"{EHR}/Subscription", **placed(number))
    asked = [
        responses.get(f"{EHR}/Subscription/{number}", json=asked_for("active")) for number in (1, 2)
    ]
    subscribe.subscribe(bridge, name, url=OUTSIDE)
    for one in asked:
        responses.remove(one)
    ended: list[list[str]] = []

    def answered(_request: Any) -> tuple[int, dict[str, str], str]:
        if not ended:
            ended.append([])
            subscribe.unsubscribe(bridge, name)
            return (status, {}, json.dumps(asked_for("active")))
        return (404, {}, "")

    for number in (1, 2, 3, 4):
        responses.add_callback("GET", f"{EHR}/Subscription/{number}", answered)
        responses.delete(f"{EHR}/Subscription/{number}", status=204)
    over = replace(bridge, now=lambda: clock.now() + days * DAY)

    assert subscribe.renew_next(over) == name

    assert ended
    assert the_partner(bridge, name).subscription == {}
    assert subscribe.unsubscribe(bridge, name) == []
