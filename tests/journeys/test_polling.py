"""Looking at the Task of a partner whose answers cannot all be trusted, over real HTTP."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.config import Settings
from fhirbridge.fhir import bundles
from fhirbridge.handoffs import partners, referrals
from fhirbridge.handoffs.follow import follow
from fhirbridge.handoffs.send import hand_over
from fhirbridge.handoffs.tasks import circumstances
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import handoff_keys, handoffs, resources
from tests.journeys.conftest import case

Bodies = dict[str, tuple[int, bytes]]
ORDER, PATIENT = "ServiceRequest/o", "Patient/p"


class _Scripted(BaseHTTPRequestHandler):
    bodies: Bodies

    def do_GET(self) -> None:
        place = self.path.removeprefix("/fhir/")
        status, body = self.bodies.get(place, (404, b""))
        self.send_response(status)
        self.send_header("Content-Type", "application/fhir+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quietly."""


@pytest.fixture
def bodies() -> Bodies:
    return {}


@pytest.fixture
def partner(bodies: Bodies) -> Iterator[Partner]:
    handler = type("Handler", (_Scripted,), {"bodies": bodies})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Partner("ehr", f"http://127.0.0.1:{server.server_address[1]}/fhir")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    built = bridges.build(Settings(database_url=f"sqlite:///{tmp_path}/ours.db", part2=False))
    yield built
    built.close()


@pytest.fixture
def handoff_id(bridge: Bridge, partner: Partner) -> str:
    """A handoff that this partner holds as Task/t."""
    with bridge.database.transaction() as session:
        partners.save(session, bridge, partner)
    outgoing = case("polled")
    made = hand_over(bridge, "ehr", lambda _session: outgoing).handoff_id
    with bridge.database.transaction() as session:
        row = handoffs.get(session, bridge.custodian.id, made, locked=True)
        assert row is not None
        handoffs.note_places(
            session,
            bridge.custodian.id,
            made,
            task_reference="Task/t",
            order_reference=ORDER,
            details={**row.details, "patientThere": PATIENT},
            now=bridge.now(),
        )
        handoff_keys.note(session, bridge.custodian.id, made, ["ehr Task/t"])
        patient = bundles.resources_of(outgoing.bundle, "Patient")[0]
        resources.create(
            session,
            circumstances(bridge),
            {name: one for name, one in patient.items() if name != "managingOrganization"},
            resource_id=str(patient["id"]),
        )
    return made


def task(status: str = "accepted", **said: Any) -> dict[str, Any]:
    return {
        "resourceType": "Task",
        "id": "t",
        "meta": {"versionId": "2"},
        "status": status,
        "intent": "order",
        "focus": {"reference": ORDER},
        "for": {"reference": PATIENT},
        **said,
    }


def visit(**said: Any) -> dict[str, Any]:
    return {
        "resourceType": "Appointment",
        "id": "v",
        "meta": {"versionId": "1"},
        "status": "booked",
        "start": "2026-03-09T15:00:00Z",
        "participant": [{"actor": {"reference": PATIENT}, "status": "accepted"}],
        **said,
    }


def put(bodies: Bodies, *resources: dict[str, Any]) -> None:
    for one in resources:
        bodies[f"{one['resourceType']}/{one['id']}"] = (200, json.dumps(one).encode())


def state(bridge: Bridge, handoff_id: str) -> str:
    return referrals.show(bridge, handoff_id).handoff.status


def codes(bridge: Bridge) -> list[str]:
    return [one.code for one in referrals.list_set_aside(bridge)]


NONSENSE: dict[str, tuple[tuple[int, bytes], str]] = {
    "a page": ((200, b"<html>Sign in</html>"), "unreadable"),
    "nothing": ((200, b""), "unreadable"),
    "another resource": ((200, b'{"resourceType":"Patient","id":"t"}'), "unreadable"),
    "another task": ((200, json.dumps(task(id="other")).encode()), "unreadable"),
    "a text": ((200, json.dumps(task(focus=ORDER)).encode()), "unreadable"),
    "a list": ((200, json.dumps(task(meta=["2"])).encode()), "unreadable"),
    "a number": ((200, json.dumps(task(businessStatus={"coding": [7]})).encode()), "unreadable"),
    "output": ((200, json.dumps(task(output=[{"valueReference": "A/v"}])).encode()), "unreadable"),
    "status": ((200, json.dumps(task(status=["accepted"])).encode()), "unknown-status"),  # type: ignore[arg-type]
    "not there": ((404, b""), "task-gone"),
    "deleted": ((410, b""), "task-gone"),
}


@pytest.mark.parametrize(("answer", "code"), NONSENSE.values(), ids=list(NONSENSE))
def test_what_cannot_be_read_is_set_aside_once_and_moves_nothing(
    bridge: Bridge, bodies: Bodies, handoff_id: str, answer: tuple[int, bytes], code: str
) -> None:
    bodies["Task/t"] = answer

    seen = [follow(bridge, handoff_id) for _ in range(2)]

    assert seen[0] is not None
    assert (seen[0].result, codes(bridge)) == ("impossible", [code])
    shown = referrals.show(bridge, handoff_id)
    assert shown.handoff.status == "sent"
    assert [one.kind for one in shown.alerts] == ["set-aside"]
    assert ORDER not in shown.set_aside[0].reason

    put(bodies, task(meta={"versionId": "3"}))
    follow(bridge, handoff_id)
    shown = referrals.show(bridge, handoff_id)
    # what was hidden is there again; what came and could not be read is for a person to see
    left = [] if code == "task-gone" else ["set-aside"]
    assert (shown.handoff.status, [one.kind for one in shown.alerts]) == ("accepted", left)
    assert codes(bridge) == ([code] if left else [])


@pytest.mark.parametrize(
    "said", [{"start": "in June"}, {"participant": ["me"]}, {"meta": "1"}], ids=str
)
def test_a_visit_that_cannot_be_read_is_set_aside_and_the_task_still_counts(
    bridge: Bridge, bodies: Bodies, handoff_id: str, said: dict[str, Any]
) -> None:
    output = {"type": {"text": "visit"}, "valueReference": {"reference": "Appointment/v"}}
    put(bodies, task(output=[output]), visit(**said))

    follow(bridge, handoff_id)

    shown = referrals.show(bridge, handoff_id)
    assert (shown.handoff.status, codes(bridge)) == ("accepted", ["unreadable"])
    assert shown.handoff.details.get("visits", {}) == {}


def test_a_history_that_cannot_be_read_tells_no_order(
    bridge: Bridge, bodies: Bodies, handoff_id: str
) -> None:
    put(bodies, task(meta={"versionId": "a"}))
    follow(bridge, handoff_id)
    junk = ["x", {"resource": ["x"]}, {"resource": {"resourceType": "Task", "meta": 1}}]
    history = {"resourceType": "Bundle", "type": "history", "entry": junk}
    bodies["Task/t/_history"] = (200, json.dumps(history).encode())
    put(bodies, task("rejected", meta={"versionId": "b"}))

    follow(bridge, handoff_id)

    assert state(bridge, handoff_id) == "declined"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"for": {"reference": "Patient/another"}}, "other-patient"),
        ({"for": {"reference": f"https://elsewhere.example/fhir/{PATIENT}"}}, "other-patient"),
        (
            {"for": {"identifier": {"system": "https://iop.example/ids", "value": "somebody"}}},
            "other-patient",
        ),
        ({"focus": {"reference": "ServiceRequest/another"}}, "other-order"),
        ({"focus": {"reference": f"https://elsewhere.example/{ORDER}"}}, "other-order"),
        ({"status": "entered-in-error"}, "wrong-actor"),
        (
            {"status": "in-progress", "businessStatus": {"coding": [{"code": "5.2"}]}},
            "wrong-actor",
        ),
        ({"status": "draft"}, "impossible-move"),
        ({"status": "ready"}, "unknown-status"),
    ],
    ids=str,
)
def test_what_is_not_theirs_to_say_is_set_aside(
    bridge: Bridge, bodies: Bodies, handoff_id: str, said: dict[str, Any], code: str
) -> None:
    put(bodies, task(**said))

    follow(bridge, handoff_id)

    assert (state(bridge, handoff_id), codes(bridge)) == ("sent", [code])


def test_a_visit_elsewhere_is_not_read_here_by_its_id(
    bridge: Bridge, bodies: Bodies, handoff_id: str
) -> None:
    place = "https://elsewhere.example/fhir/Appointment/v"
    put(bodies, task(output=[{"type": {}, "valueReference": {"reference": place}}]), visit())

    follow(bridge, handoff_id)

    assert state(bridge, handoff_id) == "accepted"


def test_a_visit_that_the_task_does_not_name_is_found_by_its_order(
    bridge: Bridge, bodies: Bodies, handoff_id: str, partner: Partner
) -> None:
    searched = [{"name": "based-on", "type": "reference"}]
    known = [{"type": "Appointment", "interaction": [{"code": "search-type"}]}]
    known[0]["searchParam"] = searched  # type: ignore[assignment]
    capability = {
        "resourceType": "CapabilityStatement",
        "fhirVersion": "4.0.1",
        "rest": [{"mode": "server", "resource": known}],
    }
    with bridge.database.transaction() as session:
        rebuilt = Partner(
            "ehr", partner.base_url, capability=capability, capability_at=bridge.now()
        )
        partners.save(session, bridge, rebuilt)
    found = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": visit()}]}
    bodies[f"Appointment?based-on={ORDER.replace('/', '%2F')}"] = (200, json.dumps(found).encode())
    put(bodies, task(), visit())

    follow(bridge, handoff_id)

    assert state(bridge, handoff_id) == "scheduled"
