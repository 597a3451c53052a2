"""Under which name the server may be asked, and that a foreign one opens nothing.

Without a public URL the base is read from the header Host: R4 http.html#general (fullUrl, Location)
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from fhirbridge.bridge import Bridge
from fhirbridge.web.app import create_app
from tests.callers import Clock, register
from tests.conformance.support import Api, assert_outcome, goal, patient


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Names are the same on every database."""
    return sqlite_url


@pytest.fixture
def public(bridge: Bridge) -> Iterator[Api]:
    """The same server with a public URL."""
    settings = replace(bridge.settings, public_url="https://fhir.example/fhir")
    yield Api(create_app(replace(bridge, settings=settings)).test_client())


OURS = ("localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.9.9.9", "[::1]:80")
FOREIGN = ("evil.example", "localhost.evil.example", "192.0.2.1", "a b", "[", "@", "")


class TestWithoutPublicUrl:
    @pytest.mark.parametrize("host", OURS)
    def test_names_of_this_machine_are_the_base(self, api: Api, host: str) -> None:
        answer = api.put("/Patient/p", patient(id="p"), host=host)

        assert answer.status_code == 201
        expected = f"http://{host.removesuffix(':80')}/fhir/Patient/p/_history/1"
        assert answer.headers["Location"].lower() == expected.lower()

    @pytest.mark.parametrize("host", FOREIGN)
    def test_foreign_names_get_nothing(self, api: Api, host: str) -> None:
        """A web page whose name is made to lead here reads nothing and writes nothing."""
        api.put("/Patient/p", patient(id="p"))

        assert_outcome(api.get("/Patient/p", host=host), 400, "security")
        assert_outcome(api.put("/Patient/q", patient(id="q"), host=host), 400, "security")
        assert_outcome(api.get("/nothing", root="", host=host), 400, "security")
        assert api.get("/enrollments", root="/api", host=host).status_code == 400
        assert api.total("/Patient") == 1

    def test_foreign_names_get_nothing_with_a_token_either(self, bridge: Bridge) -> None:
        settings = replace(bridge.settings, auth="smart")
        bridge = replace(bridge, settings=settings, now=Clock())
        web = create_app(bridge).test_client()
        token = register(bridge, web).headers()

        foreign = web.get("/fhir/Patient", headers={**token, "Host": "evil.example"})

        assert_outcome(foreign, 400, "security")
        assert web.get("/fhir/Patient", headers=token).status_code == 200


class TestWithPublicUrl:
    def test_header_means_nothing(self, public: Api) -> None:
        answer = public.put("/Patient/p", patient(id="p"), host="evil.example")

        assert answer.headers["Location"] == "https://fhir.example/fhir/Patient/p/_history/1"

    def test_references_below_another_name_are_another_servers(self, public: Api) -> None:
        other = "http://evil.example/fhir/Patient/none"
        ours = "https://fhir.example/fhir/Patient/none"

        assert public.post("/Goal", goal(other), host="evil.example").status_code == 201
        assert_outcome(public.post("/Goal", goal(ours)), 422, "not-found")
