"""Who is refused too often has to wait."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from werkzeug.test import TestResponse

from fhirbridge import bridge as bridges
from fhirbridge.access import attempts, tokens
from fhirbridge.access.attempts import LIMIT, Attempts, TooManyAttempts
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.web.app import create_app
from tests.callers import Clock, System, register


@pytest.fixture
def now() -> Clock:
    return Clock()


@pytest.fixture
def bridge(sqlite_url: str, now: Clock) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=sqlite_url), now=now)
    yield built
    built.close()


@pytest.fixture
def own(bridge: Bridge) -> System:
    return register(bridge, create_app(bridge).test_client())


def ask(
    system: System, address: str, *, path: str = "/auth/token", good: bool = False, via: str = ""
) -> TestResponse:
    """Ask for a token from an address, without an assertion unless it is to be a good request."""
    form = system.form("system/*.rs") if good else {"grant_type": "client_credentials"}
    headers = {"X-Forwarded-For": via} if via else {}
    return system.web.post(
        path, data=form, headers=headers, environ_overrides={"REMOTE_ADDR": address}
    )


@pytest.mark.parametrize("path", ["/auth/token", "/auth/revoke"])
def test_too_many_refusals_are_429_with_the_time_to_wait(
    own: System, now: Clock, path: str
) -> None:
    refused = [ask(own, "203.0.113.7", path=path) for _ in range(LIMIT)]
    answer = ask(own, "203.0.113.7", path=path, good=True)

    assert {each.status_code for each in refused} == {400}
    assert answer.status_code == 429
    assert answer.json["error"] == "temporarily_unavailable"
    assert answer.json["error_description"].endswith(".")
    assert answer.headers["Cache-Control"] == "no-store"
    now.turn(int(answer.headers["Retry-After"]))
    assert ask(own, "203.0.113.7", good=True).status_code == 200


def test_other_addresses_are_not_held_up(own: System) -> None:
    for _ in range(LIMIT + 1):
        ask(own, "203.0.113.7")

    assert ask(own, "203.0.113.8", good=True).status_code == 200


def test_tokens_that_are_given_count_for_nothing(own: System) -> None:
    for _ in range(LIMIT + 1):
        assert ask(own, "203.0.113.7", good=True).status_code == 200


def test_client_that_keeps_no_token_waits_wherever_it_asks(
    bridge: Bridge, own: System, now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database counts, for all processes."""
    monkeypatch.setattr(tokens, "MAX_ASSERTIONS", 3)
    other = register(bridge, create_app(bridge).test_client())
    for number in range(3):
        assert ask(own, f"203.0.113.{number}", good=True).status_code == 200
    own.web = create_app(bridge).test_client()

    answer = ask(own, "203.0.113.9", good=True)

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert ask(other, "203.0.113.9", good=True).status_code == 200
    now.turn(400)
    assert ask(own, "203.0.113.9", good=True).status_code == 200


def test_what_a_caller_says_of_itself_counts_for_nothing(own: System) -> None:
    for number in range(LIMIT):
        ask(own, "203.0.113.7", via=f"198.51.100.{number}")

    assert ask(own, "203.0.113.7", via="198.51.100.200", good=True).status_code == 429


def test_what_a_proxy_of_ours_says_does(bridge: Bridge, own: System) -> None:
    settings = replace(bridge.settings, proxies=1)
    own.web = create_app(replace(bridge, settings=settings)).test_client()
    for number in range(LIMIT):
        ask(own, "10.0.0.1", via=f"198.51.100.{number}, 203.0.113.7")

    assert ask(own, "10.0.0.1", via="203.0.113.7", good=True).status_code == 429
    assert ask(own, "10.0.0.1", via="203.0.113.7, 203.0.113.8", good=True).status_code == 200


def test_addresses_of_one_ipv6_network_are_one(own: System) -> None:
    for number in range(LIMIT):
        ask(own, f"2001:db8:0:1::{number:x}")

    assert ask(own, "2001:db8:0:1:ffff::1", good=True).status_code == 429
    assert ask(own, "2001:db8:0:2::1", good=True).status_code == 200


def test_newcomers_wait_while_nobody_more_can_be_remembered(
    now: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "MAX_ADDRESSES", 2)
    kept = Attempts(now)
    for address in ("a", "b"):
        kept.note(address)

    with pytest.raises(TooManyAttempts):
        kept.check("c")
    kept.check("a")
    now.turn(10)
    kept.check("c")
