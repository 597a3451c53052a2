"""A small FHIR server in a process of its own behind the fault dial, so that there can be many.

`python -m benchmarks.small_partner PORT [--single] [--whole]` keeps resources in memory. It takes
transactions with ifNoneExist, conditional creates, updates, reads, search by identifier, and
Subscriptions; with `--single` only creates without conditions and reads: no transactions, no
search, no updates, no Subscriptions. `GET _hooks` tells which notifications were sent, POST arms a
fault of theirs. `--whole` has every type of a handoff.
"""

import argparse
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from werkzeug.serving import WSGIRequestHandler, make_server

from benchmarks.small_subscriptions import Hooks
from fhirbridge.demo.faults import FaultDial
from fhirbridge.processes import end_with_parent

TYPES = ("Organization", "Patient", "Goal", "CarePlan", "ServiceRequest", "Task")
MORE = ("Composition", "DocumentReference", "Provenance", "Observation", "Appointment")

PEOPLE = ("Practitioner", "PractitionerRole", "Location", "HealthcareService", "RelatedPerson")
REST = ("Condition", "Consent", "MedicationRequest", "QuestionnaireResponse", "CareTeam", *PEOPLE)

_SUBSCRIPTIONS = {
    "type": "Subscription",
    "interaction": [
        {"code": code} for code in ("create", "read", "update", "delete", "search-type")
    ],
    "searchParam": [{"name": "url"}],
}


class Store:
    """Resources by place, with their numbers."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}
        self.known: dict[tuple[str, str], str] = {}
        self.hooks = Hooks(self.held)
        self.number = 0
        self.lock = threading.Lock()

    def find(self, kind: str, token: str) -> list[str]:
        place = self.known.get((kind, token))
        return [place] if place else []

    def put(self, resource: dict[str, Any], place: str = "") -> str:
        kind = resource["resourceType"]
        self.number += 1
        place = place or f"{kind}/{self.number}"
        before = self.held.get(place, {}).get("meta", {}).get("versionId", "0")
        self.held[place] = {
            **resource,
            "id": place.split("/")[1],
            "meta": {"versionId": str(int(before) + 1)},
        }
        listed = resource.get("identifier") or []
        for one in listed if isinstance(listed, list) else [listed]:
            self.known.setdefault((kind, f"{one.get('system', '')}|{one.get('value')}"), place)
        self.hooks.changed(self.held[place])
        return place


class SmallServer:
    """The WSGI application."""

    def __init__(self, *, single: bool, whole: bool = False) -> None:
        self.single = single
        self.types = (*TYPES, *MORE, *(REST if whole else ()))
        self.store = Store()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = [one for one in environ["PATH_INFO"].split("/")[2:] if one]
        method = environ["REQUEST_METHOD"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = json.loads(environ["wsgi.input"].read(length)) if length else None
        with self.store.lock:
            status, answer, location = self._answer(method, path, environ, body)
        headers = [("Content-Type", "application/fhir+json")]
        if location:
            headers.append(("Location", f"/fhir/{location}/_history/1"))
        start(status, headers)
        return [json.dumps(answer).encode()]

    def _answer(
        self, method: str, path: list[str], environ: dict[str, Any], body: Any
    ) -> tuple[str, dict[str, Any], str]:
        if path == ["metadata"]:
            return "200 OK", self._capability(), ""
        if path == ["_all"]:
            return "200 OK", {"held": list(self.store.held.values())}, ""
        if path == ["_hooks"]:
            if method == "POST":
                self.store.hooks.fault = body["fault"]
            return "200 OK", {"sent": self.store.hooks.log}, ""
        if path[:1] == ["Subscription"] and not self.single:
            if method == "DELETE" and len(path) == 2:
                self.store.held.pop("/".join(path), None)
                return "200 OK", {"resourceType": "OperationOutcome", "issue": []}, ""
            if method == "GET" and len(path) == 1:
                url = parse_qs(environ["QUERY_STRING"]).get("url", [""])[0]
                return "200 OK", self._subscriptions(url), ""
        if method == "POST" and not path and not self.single:
            return "200 OK", self._transaction(body), ""
        if method == "POST" and len(path) == 1:
            search = "" if self.single else environ.get("HTTP_IF_NONE_EXIST", "")
            found = self.store.find(path[0], _token(search)) if search else []
            place = found[0] if found else self.store.put(body)
            return ("200 OK" if found else "201 Created"), self.store.held[place], place
        if method == "PUT" and len(path) == 2 and not self.single:
            place = self.store.put(body, "/".join(path))
            return "200 OK", self.store.held[place], place
        if method == "GET" and len(path) == 2 and "/".join(path) in self.store.held:
            return "200 OK", self.store.held["/".join(path)], ""
        if method == "GET" and len(path) == 1 and not self.single:
            wanted = parse_qs(environ["QUERY_STRING"]).get("identifier", [""])[0].split(",")
            places = [place for token in wanted for place in self.store.find(path[0], token)]
            entries = [{"resource": self.store.held[place]} for place in places]
            return "200 OK", {"resourceType": "Bundle", "type": "searchset", "entry": entries}, ""
        return "404 Not Found", {"resourceType": "OperationOutcome", "issue": []}, ""

    def _subscriptions(self, url: str) -> dict[str, Any]:
        found = [
            {"resource": one}
            for one in self.store.held.values()
            if one["resourceType"] == "Subscription" and one["channel"]["endpoint"] == url
        ]
        return {"resourceType": "Bundle", "type": "searchset", "entry": found}

    def _transaction(self, bundle: dict[str, Any]) -> dict[str, Any]:
        places: dict[str, str] = {}
        responses = []
        for entry in bundle["entry"]:
            request = entry["request"]
            kind = entry["resource"]["resourceType"]
            search = request.get("ifNoneExist", "")
            found = self.store.find(kind, _token(search)) if search else []
            named = request["url"] if request["method"] == "PUT" else ""
            is_new = not found and named not in self.store.held
            place = found[0] if found else self.store.put(entry["resource"], named)
            places[entry["fullUrl"]] = place
            status = "201 Created" if is_new else "200 OK"
            responses.append({"response": {"status": status, "location": f"{place}/_history/1"}})
        for place in places.values():
            text = json.dumps(self.store.held[place])
            for url, target in places.items():
                text = text.replace(f'"{url}"', f'"{target}"')
            self.store.held[place] = json.loads(text)
        return {"resourceType": "Bundle", "type": "transaction-response", "entry": responses}

    def _capability(self) -> dict[str, Any]:
        codes = ("create", "read") if self.single else ("create", "read", "update", "search-type")
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": "4.0.1",
            "rest": [
                {
                    "mode": "server",
                    "interaction": [] if self.single else [{"code": "transaction"}],
                    "resource": [
                        {
                            "type": name,
                            "interaction": [{"code": code} for code in codes],
                            "conditionalCreate": not self.single,
                            "updateCreate": not self.single,
                            "searchParam": [] if self.single else [{"name": "identifier"}],
                        }
                        for name in self.types
                    ]
                    + ([] if self.single else [_SUBSCRIPTIONS]),
                }
            ],
        }


def _token(search: str) -> str:
    return parse_qs(search).get("identifier", [""])[0]


class KeepAlive(WSGIRequestHandler):
    """Keeps connections open, and says nothing."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--single", action="store_true")
    parser.add_argument("--whole", action="store_true")
    chosen = parser.parse_args()
    end_with_parent(os.getppid())
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server(
        "127.0.0.1",
        chosen.port,
        FaultDial(SmallServer(single=chosen.single, whole=chosen.whole)),
        threaded=True,
        request_handler=KeepAlive,
    )
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}/fhir\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
