"""The session keeps to the partner's address and turns every failure into a NoAnswer."""

import socket
import threading
from collections.abc import Iterator

import pytest
import responses

from fhirbridge.errors import InvalidContent
from fhirbridge.partners.http import (
    Answer,
    Limits,
    NoAnswer,
    PartnerSession,
    check_base_url,
)

BASE = "https://ehr.example/fhir"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://ehr.example/fhir",
        "ehr.example/fhir",
        "",
        "https://",
        "https://user:secret@ehr.example/fhir",
        "https://ehr.example/fhir?x=1",
        "https://ehr.example/fhir#x",
        "https://ehr.example:port/fhir",
        "http://ehr.example/fhir",
        "http://127.0.0.1.ehr.example/fhir",
    ],
)
def test_a_base_that_is_no_plain_https_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidContent):
        check_base_url(url)


def test_plain_http_is_for_loopback_or_on_request() -> None:
    assert check_base_url("http://127.0.0.1:8080/fhir/") == "http://127.0.0.1:8080/fhir"
    assert check_base_url("http://localhost/fhir") == "http://localhost/fhir"
    assert check_base_url("http://ehr.example/fhir", allow_http=True)


@pytest.mark.parametrize(
    "reference",
    [
        "https://other.example/fhir/Patient/1",
        "https://ehr.example/other/Patient/1",
        "https://ehr.example/fhirother/Patient/1",
        "//other.example/Patient",
        "../admin",
        "https://ehr.example/fhir/../admin",
        "https://ehr.example@other.example/fhir/Patient/1",
    ],
)
def test_no_address_outside_the_base_is_asked(reference: str) -> None:
    with PartnerSession(BASE) as session, pytest.raises(InvalidContent):
        session.ask("GET", reference)


@responses.activate
def test_a_redirect_is_an_answer_and_not_followed() -> None:
    responses.get(f"{BASE}/metadata", status=302, headers={"Location": "https://evil.example/"})

    with PartnerSession(BASE) as session:
        answer = session.ask("GET", "metadata")

    assert isinstance(answer, Answer)
    assert answer.status == 302
    assert len(responses.calls) == 1


@responses.activate
def test_the_right_to_send_is_checked_after_the_wait_for_a_token_and_again_after_a_401() -> None:
    responses.get(f"{BASE}/Patient/1", status=401)
    responses.get(f"{BASE}/Patient/1", json={})
    events: list[str] = []

    def authorise(refused: str) -> str:
        events.append(f"token, not {refused}")
        return f"{refused}t"

    with PartnerSession(
        BASE, authorise=authorise, before_request=lambda: events.append("checked")
    ) as session:
        answer = session.ask("GET", "Patient/1")

    assert isinstance(answer, Answer)
    assert answer.status == 200
    assert events == ["token, not ", "checked", "token, not t", "checked"]


@responses.activate
def test_cookies_of_a_partner_are_not_sent_back() -> None:
    responses.get(f"{BASE}/metadata", headers={"Set-Cookie": "session=1"})

    with PartnerSession(BASE) as session:
        session.ask("GET", "metadata")
        session.ask("GET", "metadata")

    assert "Cookie" not in responses.calls[1].request.headers


@responses.activate
def test_an_answer_beyond_the_limit_is_not_read() -> None:
    responses.get(f"{BASE}/metadata", body=b"x" * 2000)

    with PartnerSession(BASE, limits=Limits(max_answer_bytes=1000)) as session:
        answer = session.ask("GET", "metadata")

    assert answer == NoAnswer(sent=True, error_class="answer-too-large")


def test_a_closed_port_is_certainly_not_sent() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    with PartnerSession(f"http://127.0.0.1:{port}/fhir") as session:
        answer = session.ask("POST", "", body=b"{}")

    assert answer == NoAnswer(sent=False, error_class="unreachable")


class Mute:
    """A server that takes a request and then does as told: hang up, or stay silent."""

    def __init__(self, reply: bytes, *, close: bool) -> None:
        self._reply = reply
        self._close = close
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/fhir"
        self.kept: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self.listener.accept()
        connection.recv(65_536)
        connection.sendall(self._reply)
        if self._close:
            connection.close()
        else:
            self.kept.append(connection)

    def close(self) -> None:
        self.listener.close()
        self._thread.join(5)
        for connection in self.kept:
            connection.close()


@pytest.fixture
def mutes() -> Iterator[list[Mute]]:
    made: list[Mute] = []
    yield made
    for mute in made:
        mute.close()


@pytest.mark.parametrize(
    ("reply", "close", "error_class"),
    [
        (b"", True, "no-answer"),
        (b"", False, "no-answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", True, "answer-broken-off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", False, "no-answer"),
    ],
    ids=["hangs-up", "silent", "breaks-off", "stalls"],
)
def test_a_lost_answer_may_have_been_sent(
    mutes: list[Mute], reply: bytes, close: bool, error_class: str
) -> None:
    mutes.append(Mute(reply, close=close))

    with PartnerSession(mutes[0].url, limits=Limits(read_timeout_seconds=0.2)) as session:
        answer = session.ask("POST", "", body=b"{}")

    assert answer == NoAnswer(sent=True, error_class=error_class)
