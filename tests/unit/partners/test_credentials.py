"""Tokens of partners: kept, renewed, asked for anew; a slow partner keeps nobody waiting."""

import json
import threading
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
import responses
from joserfc import jwt
from joserfc.jwk import ECKey

from fhirbridge.partners.credentials import Credentials, TokenStore
from fhirbridge.partners.http import NoAnswer, NoToken
from fhirbridge.partners.registry import Partner

BASE = "https://ehr.example/fhir"
ENDPOINT = "https://ehr.example/token"
OTHER = "https://other.example/token"
NOW = 1_790_000_000.0


def key_file(path: Path) -> ECKey:
    key = ECKey.generate_key("P-384", auto_kid=True)
    path.write_text(json.dumps(key.as_dict(private=True)))
    return key


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    key_file(tmp_path / "key.json")
    return Credentials("us", str(tmp_path / "key.json"), token_url=ENDPOINT)


def given(token: str, **more: Any) -> dict[str, Any]:
    return {"json": {"access_token": token, "expires_in": 300, **more}}


def claims(call: Any, key: ECKey) -> dict[str, Any]:
    form = parse_qs(call.request.body.decode())
    return dict(jwt.decode(form["client_assertion"][0], key, algorithms=["ES384"]).claims)


@responses.activate
def test_a_token_is_kept_until_shortly_before_it_expires(credentials: Credentials) -> None:
    now = [NOW]
    tokens = TokenStore(lambda: now[0])
    for name in ("first", "second"):
        responses.post(ENDPOINT, **given(name))

    found = []
    for seconds in (0, 269, 271):
        now[0] = NOW + seconds
        found.append(tokens.token(credentials, BASE, allow_http=False))

    assert found == ["first", "first", "second"]


@responses.activate
def test_a_clock_that_is_wrong_is_put_right_by_the_servers(
    credentials: Credentials, tmp_path: Path
) -> None:
    key = key_file(tmp_path / "key.json")
    theirs = NOW + 3600
    date = {"Date": formatdate(theirs, usegmt=True)}
    responses.post(ENDPOINT, status=400, json={"error": "invalid_client"}, headers=date)
    responses.post(ENDPOINT, **given("right"))

    given_now = TokenStore(lambda: NOW).token(credentials, BASE, allow_http=False)

    ends = [claims(call, key)["exp"] for call in responses.calls]
    assert given_now == "right"
    assert ends == [NOW + 240, theirs + 240]


@pytest.mark.parametrize("headers", [{}, {"Date": formatdate(NOW + 5, usegmt=True)}])
@responses.activate
def test_a_refusal_for_another_reason_is_one_request(
    credentials: Credentials, headers: dict[str, str]
) -> None:
    responses.post(ENDPOINT, status=400, json={"error": "invalid_scope"}, headers=headers)

    with pytest.raises(NoToken, match="token-refused"):
        TokenStore(lambda: NOW).token(credentials, BASE, allow_http=False)

    assert len(responses.calls) == 1


@responses.activate
def test_a_new_key_counts_at_once_and_without_one_nothing_is_sent(
    credentials: Credentials,
) -> None:
    path = Path(credentials.key_file)
    keys = [key_file(path)]
    tokens = TokenStore(lambda: NOW)
    for name in ("old", "new"):
        responses.post(ENDPOINT, **given(name))
    old = tokens.token(credentials, BASE, allow_http=False)
    path.unlink()
    partner = Partner("ehr", BASE, credentials=credentials)
    with partner.connect(tokens=TokenStore(lambda: NOW)) as client:
        keyless = client.read("Patient/1")
    keys.append(key_file(path))

    new = tokens.token(credentials, BASE, allow_http=False, refused=old)

    signed = [claims(call, key)["sub"] for call, key in zip(responses.calls, keys, strict=True)]
    assert (old, new, signed) == ("old", "new", ["us", "us"])
    assert keyless == NoAnswer(sent=False, error_class="no-key")


@pytest.mark.parametrize(
    ("answer", "error_class"),
    [
        ({"status": 503}, "token-endpoint-down"),
        ({"status": 429}, "token-endpoint-down"),
        ({"body": requests.ConnectionError("reset")}, "token-endpoint-down"),
        ({"status": 401, "json": {"error": "invalid_client"}}, "token-refused"),
        ({"status": 200, "json": {"token_type": "bearer"}}, "token-refused"),
        ({"status": 200, "json": {"access_token": "two\nlines"}}, "token-refused"),
        ({"status": 200, "json": {"access_token": "\u20ac"}}, "token-refused"),
    ],
    ids=["down", "busy", "silent", "refused", "empty", "two lines", "no ASCII"],
)
@responses.activate
def test_why_there_is_no_token_is_told_and_nothing_was_sent(
    credentials: Credentials, answer: dict[str, Any], error_class: str
) -> None:
    responses.post(ENDPOINT, **answer)

    with Partner("ehr", BASE, credentials=credentials).connect() as client:
        told = client.read("Patient/1")

    assert told == NoAnswer(sent=False, error_class=error_class)  # type: ignore[arg-type]


@responses.activate
def test_a_slow_token_endpoint_keeps_nobody_from_the_tokens_of_others(
    credentials: Credentials, tmp_path: Path
) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slowly(_request: Any) -> tuple[int, dict[str, str], str]:
        asked.set()
        assert go_on.wait(30)
        return 200, {}, json.dumps({"access_token": "slow", "expires_in": 300})

    responses.add_callback(responses.POST, ENDPOINT, slowly)
    responses.post(OTHER, **given("quick"))
    other = Credentials("us", credentials.key_file, token_url=OTHER)
    tokens = TokenStore(lambda: NOW)
    found: list[str] = []
    waiting = threading.Thread(
        target=lambda: found.append(tokens.token(credentials, BASE, allow_http=False))
    )
    waiting.start()
    assert asked.wait(30)

    found.append(tokens.token(other, "https://other.example/fhir", allow_http=False))

    go_on.set()
    waiting.join(30)
    assert found == ["quick", "slow"]
