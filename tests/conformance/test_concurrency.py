"""Several clients at once, over HTTP, with several server processes.

Source: R4 http.html#ccreate, http.html#concurrency; fhir-rest.md section 3
"""

import threading
from collections.abc import Callable, Iterator

import pytest
import requests

from fhirbridge.jsontypes import Resource
from tests.conformance.support import entry, goal, identified
from tests.served import Server

HEADERS = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("concurrency"), "--workers", "2") as running:
        yield running


def at_once(work: Callable[[int], requests.Response], count: int) -> list[requests.Response]:
    """Call `work` in `count` threads that start together."""
    barrier = threading.Barrier(count)
    answers: list[requests.Response] = []

    def run(number: int) -> None:
        barrier.wait(30)
        answers.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == count
    return answers


def total(server: Server, path: str) -> int:
    found: int = requests.get(f"{server.url}/fhir/{path}", timeout=30).json()["total"]
    return found


class TestConditionalCreate:
    def test_parallel_creates_of_one_identity_make_one_resource(self, server: Server) -> None:
        def create(_number: int) -> requests.Response:
            return requests.post(
                f"{server.url}/fhir/Patient",
                json=identified("parallel"),
                headers={**HEADERS, "If-None-Exist": "identifier=urn:mrn|parallel"},
                timeout=60,
            )

        answers = at_once(create, 32)

        assert sorted(answer.status_code for answer in answers) == [200] * 31 + [201]
        assert len({answer.headers["Location"] for answer in answers}) == 1
        assert total(server, "Patient?identifier=urn:mrn|parallel") == 1

    def test_parallel_transactions_with_one_identity_make_one_resource(
        self, server: Server
    ) -> None:
        who = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
        condition = {"ifNoneExist": "identifier=urn:mrn|bundled"}
        bundle = {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                entry("POST", "Patient", identified("bundled"), full_url=who, **condition),
                entry("POST", "Goal", goal(who)),
            ],
        }

        answers = at_once(lambda _: _post(server, bundle), 16)

        assert {answer.status_code for answer in answers} == {200}
        assert total(server, "Patient?identifier=urn:mrn|bundled") == 1
        assert total(server, "Goal?patient.identifier=urn:mrn|bundled") == 16


class TestIfMatch:
    def test_parallel_updates_lose_nothing(self, server: Server) -> None:
        url = f"{server.url}/fhir/Patient/counter"

        def count_up(number: int) -> requests.Response:
            """Add a name; try again with the new version until it was ours."""
            while True:
                read = requests.get(url, timeout=30)
                body = read.json()
                body.setdefault("name", []).append({"family": f"n{number}"})
                headers = {**HEADERS, "If-Match": read.headers["ETag"]}
                answer = requests.put(url, json=body, headers=headers, timeout=60)
                if answer.status_code != 412:
                    return answer

        requests.put(url, json={"resourceType": "Patient", "id": "counter"}, timeout=30)
        answers = at_once(count_up, 12)

        assert {answer.status_code for answer in answers} == {200}
        names = {each["family"] for each in requests.get(url, timeout=30).json()["name"]}
        assert names == {f"n{number}" for number in range(12)}


def _post(server: Server, bundle: Resource) -> requests.Response:
    return requests.post(f"{server.url}/fhir", json=bundle, headers=HEADERS, timeout=60)
