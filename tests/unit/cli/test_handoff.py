"""`handoff` at the command line: answers by phone, visits, other receivers, the next step."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.consent.recipient import Recipient
from fhirbridge.handoffs import partners
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import outbox_repair, outbox_rows
from fhirbridge.storage.outbox_repair import Decision
from fhirbridge.workflow.words import DeliveryState
from tests.unit.cli.running import Done, native, run

REFERRAL = native("referral/step-up-partial-hospitalization")
HEARD = ("--heard", "phone", "--by", "Tomiko Abara")


@pytest.fixture
def bridge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bridge]:
    url = f"sqlite:///{tmp_path}/p.db"
    monkeypatch.setenv("FHIRBRIDGE_DATABASE_URL", url)
    built = bridges.build(Settings(database_url=url))
    with built.database.transaction() as session:
        for name in ("first", "second"):
            named = Recipient(f"The {name} house", classes=("TREATER",), covered_entity=True)
            url = f"https://{name}.example.org/fhir"
            partners.save(session, built, Partner(name, url, recipient=named))
    yield built
    built.close()


def sent(bridge: Bridge, partner: str) -> str:
    """The referral, handed over and delivered; the id of the handoff."""
    receipt = run("send", REFERRAL, "--to", partner, "--json").json
    with bridge.database.transaction() as session:
        row = outbox_rows.get(session, bridge.custodian.id, receipt["outbox"])
        assert row is not None
        delivered = Decision(DeliveryState.DELIVERED, "test", "", {})
        outbox_repair.decide(session, bridge.custodian.id, row, delivered, now=bridge.now())
    return str(receipt["handoff"])


def answer(handoff: str, *words: str) -> Done:
    return run("handoff", "answer", handoff, *words, *HEARD)


def shown(handoff: str) -> str:
    return run("handoff", "show", handoff).out.decode()


def test_an_answer_by_phone_is_entered_by_the_code_on_the_packet(bridge: Bridge) -> None:
    handoff = sent(bridge, "first")
    code = run("handoff", "show", handoff, "--json").json["code"]

    done = answer(code.replace("-", " ").lower(), "accept")

    assert done.code == 0
    assert "entered by Tomiko Abara" in shown(handoff)


def test_a_handoff_is_named_by_its_record_while_it_went_to_one_partner(bridge: Bridge) -> None:
    first = sent(bridge, "first")
    shown_first = shown("REF-2026-0291")
    second = sent(bridge, "second")

    done = run("handoff", "show", "REF-2026-0291")

    assert first in shown_first
    assert done.code == 1
    assert f"{first} (first)" in done.err
    assert f"{second} (second)" in done.err


def test_a_move_that_is_not_possible_says_which_are(bridge: Bridge) -> None:
    handoff = sent(bridge, "first")

    done = answer(handoff, "outcome")

    assert done.code == 1
    assert "accepted" in done.err
    assert "can be    accepted" in shown(handoff)


def test_who_declined_owes_nothing_once_somebody_else_was_asked(bridge: Bridge) -> None:
    first = sent(bridge, "first")
    answer(first, "decline", "--reason", "no-capacity")
    before = shown(first)
    alerts = run("outbox", "alerts", "--json").json

    second = sent(bridge, "second")

    assert "next      sender: Refer the client elsewhere" in before
    assert [one["kind"] for one in alerts] == ["declined"]
    assert f"sent elsewhere, with handoff {second}" in shown(first)
    assert "next      none" in shown(first)
    assert run("outbox", "alerts", "--json").json == []
    assert "next      receiver" in shown(second)


def test_a_visit_that_was_entered_moves_the_next_step_on(bridge: Bridge) -> None:
    handoff = sent(bridge, "first")
    answer(handoff, "accept")

    run("handoff", "visit", handoff, "--at", "2026-04-02T10:00-05:00")

    assert "status    Client came" in shown(handoff)
    assert "next      receiver" in shown(handoff)


def test_a_visit_to_come_cannot_be_entered(bridge: Bridge) -> None:
    handoff = sent(bridge, "first")
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    done = run("handoff", "visit", handoff, "--at", tomorrow)

    assert done.code == 1
    assert "still to come" in done.err


def test_a_packet_that_cannot_be_written_names_the_file(bridge: Bridge, tmp_path: Path) -> None:
    handoff = sent(bridge, "first")
    place = tmp_path / "nowhere" / "packet.html"

    done = run("handoff", "print", handoff, "--out", place)

    assert done.code == 2
    assert f"{place} cannot be written" in done.err
