"""Several clients at once, over HTTP, with several server processes.

Source: R4 http.html#ccreate, http.html#concurrency; fhir-rest.md section 3
"""

import threading
from collections.abc import Callable, Iterator

import pytest
import requests

from fhirbridge.jsontypes import Resource
from tests.conformance.support import entry, goal, identified
from tests.postgresql import Postgres
from tests.served import Server

HEADERS = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    environment = {}
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        environment["FHIRBRIDGE_DATABASE_URL"] = postgres.new_database("_concurrency")
    folder = tmp_path_factory.mktemp("concurrency")
    with Server(folder, "--workers", "2", **environment) as running:
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
    def test_200_parallel_updates_lose_nothing(self, server: Server) -> None:
        url = f"{server.url}/fhir/Patient/counter"

        def count_up(session: requests.Session) -> requests.Response:
            """Add one; try again with the new version until it was ours."""
            while True:
                read = session.get(url, timeout=30)
                body = read.json()
                body["multipleBirthInteger"] += 1
                headers = {**HEADERS, "If-Match": read.headers["ETag"]}
                answer = session.put(url, json=body, headers=headers, timeout=60)
                if answer.status_code != 412:
                    return answer

        def work(_number: int) -> requests.Response:
            with requests.Session() as session:
                answers = [count_up(session) for _ in range(50)]
            assert {answer.status_code for answer in answers} == {200}
            return answers[-1]

        counter = {"resourceType": "Patient", "id": "counter", "multipleBirthInteger": 0}
        requests.put(url, json=counter, timeout=30)
        at_once(work, 4)

        read = requests.get(url, timeout=30).json()
        assert read["multipleBirthInteger"] == 200
        assert read["meta"]["versionId"] == "201"


class TestSnapshots:
    def test_readers_see_all_of_a_transaction_or_nothing(self, server: Server) -> None:
        ids = [f"s{number}" for number in range(5)]

        def write(turn: int) -> requests.Response:
            entries = []
            for name in ids:
                resource = {**goal("Patient/snapshot"), "id": name, "startDate": f"20{turn:02}"}
                entries.append(entry("PUT", f"Goal/{name}", resource))
            return _post(
                server, {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            )

        def read(session: requests.Session) -> set[str]:
            found = session.get(f"{server.url}/fhir/Goal?_id={','.join(ids)}", timeout=30).json()
            assert found["total"] == len(ids)
            return {each["resource"]["startDate"] for each in found["entry"]}

        def work(number: int) -> requests.Response:
            if number == 0:
                answers = [write(turn) for turn in range(11, 31)]
                written.set()
                return answers[-1]
            with requests.Session() as session:
                while not written.is_set():
                    seen.append(read(session))
            return requests.Response()

        written = threading.Event()
        seen: list[set[str]] = []
        requests.put(
            f"{server.url}/fhir/Patient/snapshot",
            json={"resourceType": "Patient", "id": "snapshot"},
            timeout=30,
        )
        assert write(10).status_code == 200

        at_once(work, 4)

        assert {len(dates) for dates in seen} == {1}
        assert len({date for dates in seen for date in dates}) > 1


def _post(server: Server, bundle: Resource) -> requests.Response:
    return requests.post(f"{server.url}/fhir", json=bundle, headers=HEADERS, timeout=60)
