"""Keys of clients: which are accepted, and how those behind an address are fetched.

Source: SMART App Launch 2.2, Client Authentication: Asymmetric; RFC 7517
"""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhirbridge.access import keys
from fhirbridge.access.keys import ASK_AGAIN_AFTER, KEEP_FOR, KeysByUrl, read_jwks
from fhirbridge.errors import InvalidContent
from fhirbridge.partners import jwks

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EC = keys.new_key()
KID = EC.private["kid"]


def public(key: ECKey | RSAKey, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


class Publisher:
    """A real HTTP server that publishes a JWKS; `status` and `body` may be changed."""

    def __init__(self) -> None:
        self.body = json.dumps(EC.jwks).encode()
        self.status = 200
        self.asked = 0
        publisher = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                self.send_response(publisher.status)
                self.send_header("Content-Length", str(len(publisher.body)))
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(publisher.body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks.json"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    started = Publisher()
    yield started
    started.stop()


class TestJwks:
    def test_keys_are_picked_by_id_and_algorithm(self) -> None:
        rsa = RSAKey.generate_key(2048)
        found = read_jwks({"keys": [*EC.jwks["keys"], public(rsa, kid=KID)]})

        assert [key.key_type for key in found] == ["EC", "RSA"]
        assert keys.pick(found, KID, "ES384") is found[0]
        assert keys.pick(found, KID, "RS384") is found[1]
        assert keys.pick(found, "other", "ES384") is None

    def test_keys_that_are_of_no_use_are_left_out(self) -> None:
        others = [
            {"kty": "AKP", "kid": "new", "pub": "AA"},
            public(ECKey.generate_key("P-256"), kid="curve"),
            public(ECKey.generate_key("P-384"), kid="use", use="enc"),
            public(ECKey.generate_key("P-384"), kid=""),
            {"kty": "RSA", "kid": "broken", "n": "AQAB"},
            {"kty": "RSA", "kid": "broken", "n": 7},
            {"kty": "RSA", "kid": "broken", "n": "_" * 342},
            {"kty": "EC", "kid": "broken", "crv": "P-384", "x": "AA", "y": "AA"},
        ]

        found = read_jwks({"keys": [*others, *EC.jwks["keys"]]})

        assert [key.kid for key in found] == [KID]

    @pytest.mark.parametrize(
        "given",
        [
            {},
            {"keys": []},
            {"keys": {}},
            {"keys": ["a"]},
            {"keys": [EC.private]},
            {"keys": [RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)]},
            {"keys": [OctKey.generate_key(256, auto_kid=True).as_dict(private=True)]},
            {"keys": [{"kty": "RSA", "kid": "short", "e": "AQAB", "n": "_" * 171}]},
            {"keys": EC.jwks["keys"] * 21},
        ],
        ids=["empty", "none", "object", "text", "EC", "RSA", "secret", "short", "many"],
    )
    def test_others_are_refused(self, given: dict[str, Any]) -> None:
        with pytest.raises(InvalidContent):
            read_jwks(given)


class TestByUrl:
    def test_keys_are_fetched_once(self, publisher: Publisher) -> None:
        known = KeysByUrl(jwks.fetch)

        assert known.find(publisher.url, KID, "ES384", now=NOW)
        assert known.find(publisher.url, KID, "ES384", now=NOW + KEEP_FOR / 2)
        assert publisher.asked == 1
        assert known.find(publisher.url, KID, "ES384", now=NOW + KEEP_FOR)
        assert publisher.asked == 2

    def test_unknown_id_asks_again_but_not_all_the_time(self, publisher: Publisher) -> None:
        known = KeysByUrl(jwks.fetch)
        fresh = keys.new_key()
        kid = fresh.private["kid"]
        assert known.find(publisher.url, KID, "ES384", now=NOW)
        publisher.body = json.dumps(fresh.jwks).encode()

        soon = NOW + timedelta(seconds=1)
        assert known.find(publisher.url, kid, "ES384", now=soon) is None
        assert publisher.asked == 1
        assert known.find(publisher.url, kid, "ES384", now=NOW + ASK_AGAIN_AFTER)
        assert publisher.asked == 2
        assert known.find(publisher.url, KID, "ES384", now=NOW + ASK_AGAIN_AFTER) is None

    def test_address_that_fails_leaves_what_is_known(self, publisher: Publisher) -> None:
        known = KeysByUrl(jwks.fetch)
        assert known.find(publisher.url, KID, "ES384", now=NOW)
        publisher.status = 500

        assert known.find(publisher.url, "other", "ES384", now=NOW + ASK_AGAIN_AFTER) is None
        assert known.find(publisher.url, KID, "ES384", now=NOW + ASK_AGAIN_AFTER)
        assert known.find(publisher.url, KID, "ES384", now=NOW + KEEP_FOR) is None

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (302, b""),
            (404, b"{}"),
            (200, b"<html>"),
            (200, b"[]"),
            (200, b'{"keys": []}'),
            (200, b'{"keys": ' + b" " * 200_000 + b"[]}"),
        ],
        ids=["redirect", "not found", "HTML", "array", "none", "large"],
    )
    def test_what_is_no_jwks_gives_no_key(
        self, publisher: Publisher, status: int, body: bytes
    ) -> None:
        publisher.status, publisher.body = status, body

        assert KeysByUrl(jwks.fetch).find(publisher.url, KID, "ES384", now=NOW) is None
        assert publisher.asked == 1

    def test_nobody_there_gives_no_key(self, publisher: Publisher) -> None:
        publisher.stop()
        publisher.stop = lambda: None  # type: ignore[method-assign]

        assert KeysByUrl(jwks.fetch).find(publisher.url, KID, "ES384", now=NOW) is None
