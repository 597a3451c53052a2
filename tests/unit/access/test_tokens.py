"""What the token endpoint accepts, and how it refuses the rest.

Source: SMART App Launch 2.2, Backend Services; RFC 6749 section 5.2, RFC 7523 section 3
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from werkzeug.test import TestResponse

from fhirbridge import bridge as bridges
from fhirbridge.access import clients
from fhirbridge.access.tokens import Tokens
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.errors import NotAuthenticated
from fhirbridge.partners import jwks
from fhirbridge.web.app import create_app
from tests.callers import MERCY, TOKEN_URL, Clock, System, register


@pytest.fixture(scope="module")
def now() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _later(now: Clock) -> None:
    """Time enough for the refusals of the test before to be forgotten."""
    now.turn(120)


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory, now: Clock) -> Iterator[Bridge]:
    url = f"sqlite:///{tmp_path_factory.mktemp('tokens')}/server.db"
    built = bridges.build(Settings(database_url=url), now=now)
    yield built
    built.close()


@pytest.fixture(scope="module")
def web(bridge: Bridge) -> FlaskClient:
    return create_app(bridge).test_client()


@pytest.fixture(scope="module")
def mercy(bridge: Bridge, web: FlaskClient) -> System:
    """An EHR that may read everything, and treat patients, in emergencies too."""
    return register(
        bridge,
        web,
        scopes="system/*.rs system/Task.u",
        recipient=MERCY,
        purposes=("TREAT", "COC", "ETREAT"),
    )


def assert_refused(answer: TestResponse, error: str) -> str:
    """The answer has the shape of RFC 6749; returns the description."""
    assert answer.status_code == (401 if error == "invalid_client" else 400), answer.data
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    found = answer.json
    assert found.keys() == {"error", "error_description"}
    assert found["error"] == error
    return str(found["error_description"])


class TestGranting:
    def test_answer_is_that_of_rfc_6749(self, mercy: System) -> None:
        answer = mercy.ask("system/Patient.rs")

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Pragma"] == "no-cache"
        found = answer.json
        assert len(found.pop("access_token")) >= 40
        assert found == {"token_type": "bearer", "expires_in": 300, "scope": "system/Patient.rs"}

    def test_rsa_keys_sign_with_rs384(self, bridge: Bridge, web: FlaskClient) -> None:
        system = register(bridge, web, key=RSAKey.generate_key(2048, auto_kid=True))

        assert system.ask().status_code == 200

    @pytest.mark.parametrize(
        ("asked", "granted"),
        [
            ("system/*.cruds", "system/*.rs system/Task.u"),
            ("system/Patient.read", "system/Patient.rs"),
            ("system/*.*", "system/*.rs system/Task.u"),
            ("system/Task.write", "system/Task.u"),
            ("system/Patient.r system/Patient.s", "system/Patient.rs"),
            ("system/Patient.rs openid patient/*.rs system/Nothing.r", "system/Patient.rs"),
            ("system/Goal.c system/Goal.r", "system/Goal.r"),
        ],
    )
    def test_what_is_asked_as_far_as_it_is_allowed(
        self, mercy: System, asked: str, granted: str
    ) -> None:
        assert mercy.ask(asked).json["scope"] == granted

    @pytest.mark.parametrize(
        "scope", ["", " ", "system/Patient.c", "openid", "system/Patient.sr", "system/fhirbridge.r"]
    )
    def test_nothing_of_it_allowed_is_an_invalid_scope(self, mercy: System, scope: str) -> None:
        assert_refused(mercy.ask(scope), "invalid_scope")

    def test_caller_is_the_client_with_its_organization(
        self, bridge: Bridge, mercy: System
    ) -> None:
        caller = Tokens(bridge, jwks.fetch).caller(mercy.token("system/Patient.rs"))

        assert caller.client_id == mercy.client_id
        assert caller.recipient == MERCY
        assert caller.purpose == "TREAT"
        assert caller.scopes == {"system/Patient.rs"}


class TestAssertion:
    @pytest.mark.parametrize(
        ("claims", "words"),
        [
            ({"iss": "someone"}, "'iss' and 'sub'"),
            ({"iss": "someone", "sub": "someone"}, "No client"),
            ({"sub": None}, "'iss' and 'sub'"),
            ({"aud": "https://other.example/auth/token"}, TOKEN_URL),
            ({"aud": ["https://other.example/auth/token"]}, TOKEN_URL),
            ({"aud": None}, TOKEN_URL),
            ({"aud": "http://localhost/auth/revoke"}, TOKEN_URL),
            ({"exp": None}, "'exp' is missing"),
            ({"exp": "soon"}, "number"),
            ({"exp": True}, "number"),
            ({"exp": 1e400}, "not a signed JWT"),
            ({"exp": 4_000_000_000}, "at most 300 seconds"),
            ({"exp": 1_000_000_000}, "expired"),
            ({"nbf": 4_000_000_000}, "'nbf' is in the future"),
            ({"iat": 4_000_000_000}, "'iat' is in the future"),
            ({"jti": None}, "'jti'"),
            ({"jti": ""}, "'jti'"),
            ({"jti": 7}, "'jti'"),
            ({"jti": "j" * 256}, "'jti'"),
            ({"header": {"kid": "other"}}, "No client"),
            ({"header": {"kid": ""}}, "'kid'"),
            ({"header": {"typ": "at+jwt"}}, "'typ'"),
            ({"header": {"jku": "https://evil.example/keys"}}, "'jku'"),
        ],
        ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
    )
    def test_every_claim_is_checked(
        self, mercy: System, claims: dict[str, Any], words: str
    ) -> None:
        assert words in assert_refused(mercy.ask("system/*.rs", **claims), "invalid_client")

    @pytest.mark.parametrize(("ahead", "status"), [(359, 200), (362, 401), (-59, 200), (-62, 401)])
    def test_clocks_may_differ_by_a_minute(self, mercy: System, ahead: int, status: int) -> None:
        at = int(mercy.now().timestamp()) + ahead

        assert mercy.ask("system/*.rs", exp=at).status_code == status

    def test_audience_may_be_one_of_several(self, mercy: System) -> None:
        answer = mercy.ask("system/*.rs", aud=["https://other.example", TOKEN_URL])

        assert answer.status_code == 200

    def test_headers_that_nobody_knows_are_ignored(self, mercy: System) -> None:
        header = {"x5t#S256": "abc", "origin": "EHR", "cty": "JWT"}

        assert mercy.ask("system/*.rs", header=header).status_code == 200

    def test_each_assertion_is_accepted_once(self, bridge: Bridge, mercy: System) -> None:
        form = mercy.form("system/*.rs", jti="only-once")
        other_process = create_app(bridge).test_client()

        assert mercy.web.post("/auth/token", data=form).status_code == 200
        for asked in (mercy.web, other_process):
            words = assert_refused(asked.post("/auth/token", data=form), "invalid_client")
            assert "used before" in words
        again = mercy.ask("system/*.rs", jti="only-once")
        assert_refused(again, "invalid_client")

    def test_parallel_replays_make_one_token(self, mercy: System) -> None:
        form = mercy.form("system/*.rs")
        found: list[int] = []

        def ask() -> None:
            found.append(
                mercy.web.application.test_client().post("/auth/token", data=form).status_code
            )

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(found) == [200, *[401] * 5]

    def test_two_clients_may_use_one_jti(
        self, bridge: Bridge, web: FlaskClient, mercy: System
    ) -> None:
        other = register(bridge, web)

        assert mercy.ask("system/*.rs", jti="same").status_code == 200
        assert other.ask("system/*.rs", jti="same").status_code == 200

    def test_signature_of_another_key_is_refused(self, mercy: System) -> None:
        stranger = System(mercy.web, mercy.client, ECKey.generate_key("P-384"), mercy.now)

        answer = stranger.ask("system/*.rs", header={"kid": mercy.key.kid})

        assert "signature" in assert_refused(answer, "invalid_client")

    def test_other_algorithms_are_refused(self, mercy: System) -> None:
        now = int(mercy.now().timestamp())
        claims = {
            "iss": mercy.client_id,
            "sub": mercy.client_id,
            "aud": TOKEN_URL,
            "exp": now + 100,
            "jti": "a",
        }
        public = OctKey.import_key(b"the public key as a secret, as in old attacks")
        made = {
            "HS384": jwt.encode({"alg": "HS384", "kid": mercy.key.kid}, claims, public, ["HS384"]),
            "RS256": jwt.encode(
                {"alg": "RS256", "kid": mercy.key.kid}, claims, RSAKey.generate_key(2048), ["RS256"]
            ),
            "none": mercy.assertion()
            .rpartition(".")[0]
            .replace(mercy.assertion().split(".")[0], "eyJhbGciOiJub25lIn0")
            + ".",
        }

        for name, assertion in made.items():
            answer = mercy.web.post("/auth/token", data=mercy.form("system/*.rs", assertion))
            assert "RS384 or ES384" in assert_refused(answer, "invalid_client"), name

    @pytest.mark.parametrize(
        "assertion", ["x", "a.b.c", "\u00e9.b.c", "..", "x" * 20_000, "a.b", "e30.e30.e30"]
    )
    def test_what_is_no_jwt_is_refused(self, mercy: System, assertion: str) -> None:
        answer = mercy.web.post("/auth/token", data=mercy.form("system/*.rs", assertion))

        assert_refused(answer, "invalid_client")


class TestRequest:
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant_type": ""}, "unsupported_grant_type"),
            ({"client_assertion_type": "jwt"}, "invalid_request"),
            ({"client_assertion": ""}, "invalid_request"),
            ({"client_id": "another"}, "invalid_client"),
        ],
    )
    def test_parameters(self, mercy: System, change: dict[str, str], error: str) -> None:
        form = mercy.form("system/*.rs") | change

        assert_refused(mercy.web.post("/auth/token", data=form), error)

    def test_other_bodies(self, mercy: System) -> None:
        form = mercy.form("system/*.rs")
        web = mercy.web

        assert_refused(web.post("/auth/token", json=form), "invalid_request")
        assert_refused(web.post("/auth/token"), "invalid_request")
        assert_refused(
            web.post("/auth/token", data={**form, "scope": ["a", "b"]}), "invalid_request"
        )
        assert_refused(
            web.post("/auth/token", data={**form, "more": "x" * 100_000}), "invalid_request"
        )

    def test_address_of_the_caller_does_not_choose_the_audience(self, mercy: System) -> None:
        """An assertion made for another server must not be good for this one."""
        form = mercy.form("system/*.rs", aud="http://other.example/auth/token")

        answer = mercy.web.post("/auth/token", data=form, headers={"Host": "other.example"})

        assert_refused(answer, "invalid_client")

    def test_public_address_is_the_audience(self, bridge: Bridge, mercy: System) -> None:
        settings = replace(bridge.settings, public_url="https://fhir.example/x/fhir")
        web = create_app(replace(bridge, settings=settings)).test_client()
        endpoint = "https://fhir.example/x/auth/token"

        found = web.get("/fhir/.well-known/smart-configuration").json

        assert found["token_endpoint"] == endpoint
        accepted = web.post("/auth/token", data=mercy.form("system/*.rs", aud=endpoint))
        assert accepted.status_code == 200
        assert_refused(web.post("/auth/token", data=mercy.form("system/*.rs")), "invalid_client")


class TestConfiguration:
    def test_says_what_backend_services_need(self, web: FlaskClient) -> None:
        found = web.get("/.well-known/smart-configuration")

        assert found.headers["Content-Type"] == "application/json"
        assert found.json == web.get("/fhir/.well-known/smart-configuration").json
        assert found.json["token_endpoint"] == TOKEN_URL
        assert found.json["grant_types_supported"] == ["client_credentials"]
        assert found.json["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]
        algorithms = found.json["token_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == ["RS384", "ES384"]
        assert "permission-v2" in found.json["capabilities"]
        assert "client-confidential-asymmetric" in found.json["capabilities"]


class TestPurpose:
    @pytest.mark.parametrize(
        ("extension", "purpose", "actor"),
        [
            ({"version": "1", "organization_name": "Mercy"}, "TREAT", ""),
            ({"purpose_of_use": ["COC"]}, "COC", ""),
            ({"purpose_of_use": ["urn:oid:2.16.840.1.113883.5.8#COC"]}, "COC", ""),
            (
                {"purpose_of_use": ["ETREAT"], "subject_name": "Dr. Roe", "reason": "Overdose"},
                "ETREAT",
                "Dr. Roe, Mercy Health",
            ),
        ],
    )
    def test_the_assertion_may_name_another(
        self, bridge: Bridge, mercy: System, extension: dict[str, Any], purpose: str, actor: str
    ) -> None:
        token = mercy.token("system/*.rs", extensions={"hl7-b2b": extension})

        caller = Tokens(bridge, jwks.fetch).caller(token)

        assert (caller.purpose, caller.actor) == (purpose, actor)
        assert bool(caller.reason) == (purpose == "ETREAT")

    @pytest.mark.parametrize(
        "extension",
        [
            {"purpose_of_use": ["HPAYMT"]},
            {"purpose_of_use": ["TREAT", "COC"]},
            {"purpose_of_use": [7]},
            {"purpose_of_use": ["http://other.example#TREAT"]},
            {"purpose_of_use": ["ETREAT"]},
            {"purpose_of_use": ["ETREAT"], "subject_name": "Dr. Roe"},
            {"purpose_of_use": ["ETREAT"], "subject_name": " ", "reason": "Overdose"},
            {"purpose_of_use": ["ETREAT"], "subject_name": "x" * 501, "reason": "Overdose"},
            "TREAT",
        ],
    )
    def test_others_are_refused(self, mercy: System, extension: Any) -> None:
        answer = mercy.ask("system/*.rs", extensions={"hl7-b2b": extension})

        assert_refused(answer, "invalid_grant")


class TestEnding:
    def test_token_ends_after_five_minutes(self, bridge: Bridge, mercy: System, now: Clock) -> None:
        tokens = Tokens(bridge, jwks.fetch)
        token = mercy.token("system/*.rs")
        now.turn(299)
        assert tokens.caller(token)

        now.turn(2)

        with pytest.raises(NotAuthenticated):
            tokens.caller(token)

    def test_revoked_client_is_out_in_every_process(self, bridge: Bridge, web: FlaskClient) -> None:
        system = register(bridge, web)
        elsewhere = Tokens(bridge, jwks.fetch)
        token = system.token()
        assert elsewhere.caller(token)

        clients.revoke(bridge, system.client_id)

        with pytest.raises(NotAuthenticated):
            elsewhere.caller(token)
        assert_refused(system.ask(), "invalid_client")

    def test_token_can_be_given_back_by_its_holder_only(
        self, bridge: Bridge, web: FlaskClient, mercy: System
    ) -> None:
        tokens = Tokens(bridge, jwks.fetch)
        token = mercy.token("system/*.rs")
        other = register(bridge, web)

        def give_back(by: System) -> TestResponse:
            return web.post("/auth/revoke", data={**by.form(""), "token": token})

        assert give_back(other).status_code == 200
        assert tokens.caller(token)
        assert give_back(mercy).status_code == 200
        with pytest.raises(NotAuthenticated):
            tokens.caller(token)
        assert give_back(mercy).status_code == 200
        assert_refused(web.post("/auth/revoke", data=mercy.form("")), "invalid_request")
        assert_refused(web.post("/auth/revoke", data={"token": token}), "invalid_request")

    def test_what_has_expired_is_forgotten(
        self, bridge: Bridge, mercy: System, now: Clock, count: Callable[[str], int]
    ) -> None:
        mercy.token("system/*.rs")
        now.turn(1_000)

        mercy.token("system/*.rs")

        assert (count("access_tokens"), count("used_assertions")) == (1, 1)

    @pytest.fixture
    def count(self, bridge: Bridge) -> Callable[[str], int]:
        def rows(table: str) -> int:
            with bridge.database.read() as session:
                found = session.driver.execute(f"SELECT count(*) FROM {table}")  # noqa: S608
                return int(found.fetchone()[0])

        return rows
