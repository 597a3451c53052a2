"""Hostile requests to two servers whose stores differ only in what is withheld from the caller.

    python -m benchmarks.interference --requests 3000 --seed 1

Both answer over HTTP with a token; every answer must be the same, byte for byte, once ids and times
that a server makes are masked. What differs is printed with the request that shows it.
"""

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import requests

from benchmarks.interference_requests import Asked, Hostile
from benchmarks.timing import ROOT, commit, machine
from fhirbridge import bridge as bridges
from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.config import Settings
from fhirbridge.consent.classes import CLASSES
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import OWN
from fhirbridge.documents.stored import accept
from fhirbridge.interactions.answering import answer
from fhirbridge.interactions.messages import FhirRequest, parse_query
from fhirbridge.native.documents import KINDS, OWN_IDS, Kind
from fhirbridge.web.app import create_app
from tests.callers import Clock, System, register
from tests.served import Server

CLINIC = Recipient("Springfield Example Clinic", classes=("TREATER",), covered_entity=True)
# With --labels the clinic sees every class, but nothing that has this label.
_LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "HIV"}
PERMITTED = ["identity", "treatment-plan", "appointments", "medications"]
_BASE = "http://localhost/fhir"
_TOKEN_SECONDS = 120
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_INSTANT = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_MARK = re.compile(r"(_cursor|_before)=([A-Za-z0-9_\-]+)")
_UNCOMPARED = frozenset({"date", "x-request-id", "server", "etag", "last-modified", "location"})


class Store:
    """A database in a folder, written to by its custodian."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        url = f"sqlite:///{folder / 'fhirbridge.db'}"
        self.bridge: Bridge = bridges.build(Settings(database_url=url), now=Clock())

    def own(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        where, _, query = path.partition("?")
        request = FhirRequest(
            method=method,
            path=tuple(filter(None, where.split("/"))),
            query=parse_query(query),
            body=json.dumps(body).encode() if body is not None else b"",
        )
        response = answer(request, self.bridge, _BASE, OWN)
        found: dict[str, Any] = json.loads(response.body() or b"{}")
        return found

    def put(self, resource: dict[str, Any]) -> None:
        self.own("PUT", f"{resource['resourceType']}/{resource['id']}", resource)

    def everything(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        path = "?_count=500"
        while path:
            page = self.own("GET", path)
            found += [entry["resource"] for entry in page.get("entry", ())]
            links = {each["relation"]: each["url"] for each in page["link"]}
            path = links.get("next", "").removeprefix(_BASE).removeprefix("/")
        return found


def document(kind: Kind, **changes: Any) -> dict[str, Any]:
    text = (ROOT / f"fixtures/{kind}/maximal/native.json").read_bytes()
    return {**json.loads(text), **changes}


def show(store: Store, *, labels: bool) -> None:
    """What both stores have: a record of which the clinic may see a part."""
    for kind in KINDS:
        given = document(kind)
        for consent in given["consents"]:
            if consent["type"] == "tpo":
                consent["infoScope"] = list(CLASSES) if labels else PERMITTED
        accept(store.bridge, kind, given)
    if not labels:
        return
    patient = next(each for each in store.everything() if each["resourceType"] == "Patient")
    store.put(
        {
            "resourceType": "Consent",
            "id": "restriction",
            "status": "active",
            "scope": {"coding": [{"code": "patient-privacy"}]},
            "category": [{"text": "restriction"}],
            "policyRule": {"text": "42 CFR Part 2"},
            "patient": {"reference": f"Patient/{patient['id']}"},
            "provision": {"type": "deny", "securityLabel": [_LABEL]},
        }
    )


def hide(store: Store, *, labels: bool) -> None:
    """What only one has: another patient, hidden resources, and hidden elements of shown ones."""
    ended = {"status": "revoked", "revokedAt": "2026-03-01T12:00:00-06:00"}
    for kind in KINDS:
        name = f"hidden-{kind}"
        of = {"enrollmentId": "hidden-enrollment", OWN_IDS[kind]: name}
        other = document(kind, recordId=name)
        other |= {key: value for key, value in of.items() if key in other}
        other["consents"] = [{**each, **ended} for each in other["consents"]]
        other["patient"] = {**other["patient"], "mrn": "HIDDEN-1", "priorMrns": []}
        accept(store.bridge, kind, other)
    known = store.everything()
    theirs = {each["id"] for each in known if _is_about(each, "HIDDEN-1")}
    patient = next(
        each for each in known if each["resourceType"] == "Patient" and each["id"] not in theirs
    )
    meta = {"meta": {"security": [_LABEL]}} if labels else {}
    for number, made in enumerate(_hidden(f"Patient/{patient['id']}", known)):
        store.put({**made, **meta, "id": f"hidden-{number}"})
    reason = [{"text": "withheld", "coding": [{"system": "urn:withheld", "code": "w"}]}]
    for resource in known:
        changed = _with_hidden(deepcopy(resource), [] if labels else reason)
        if changed is not None:
            store.put(changed)
    store.put(
        {
            **_hidden_condition(f"Patient/{patient['id']}"),
            **meta,
            "id": "hidden-0",
            "note": [{"text": "x"}],
        }
    )
    store.own("DELETE", "Observation/hidden-1")


def _is_about(resource: dict[str, Any], mrn: str) -> bool:
    identifiers = resource.get("identifier")
    return resource["resourceType"] == "Patient" and any(
        each.get("value") == mrn for each in identifiers or ()
    )


def _hidden_condition(patient: str) -> dict[str, Any]:
    coding = {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "F33.1"}
    return {
        "resourceType": "Condition",
        "subject": {"reference": patient},
        "code": {"coding": [coding], "text": "withheld"},
    }


def _hidden(patient: str, known: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Resources of classes that are withheld, which refer to what is shown."""
    shown = {each["resourceType"]: f"{each['resourceType']}/{each['id']}" for each in known}
    about = {"subject": {"reference": patient}}
    lab = {"category": [{"coding": [{"code": "laboratory"}]}], "code": {"text": "withheld"}}
    yield _hidden_condition(patient)
    yield {"resourceType": "Observation", "status": "final", **lab, **about}
    for name in ("Goal", "CarePlan", "Appointment", "ServiceRequest", "MedicationRequest"):
        target = {"reference": shown[name]}
        yield {
            "resourceType": "Observation",
            "status": "final",
            **lab,
            **about,
            "focus": [target],
            "effectiveDateTime": "2026-03-05T10:00:00Z",
        }
        yield {
            "resourceType": "Communication",
            "status": "completed",
            **about,
            "about": [target],
            "sent": "2026-03-05T10:00:00Z",
        }
        yield {
            "resourceType": "Provenance",
            "target": [{"reference": "Condition/hidden-0"}],
            "recorded": "2026-03-05T10:00:00Z",
            "agent": [{"who": {"reference": shown["Organization"]}}],
        }


def _with_hidden(resource: dict[str, Any], reason: list[Any]) -> dict[str, Any] | None:
    """A shown resource with elements that are withheld; None for types that have none.

    Without a `reason` these are references to what is hidden, only.
    """
    condition = {"reference": "Condition/hidden-0"}
    match resource["resourceType"]:
        case "ServiceRequest" | "MedicationRequest" | "Task" | "Appointment" if not reason:
            return None
        case "ServiceRequest" | "MedicationRequest" | "Task":
            name = "reasonCode"
            resource[name] = reason[0] if resource["resourceType"] == "Task" else reason
        case "Appointment":
            resource["reasonCode"], resource["comment"] = reason, "withheld"
        case "Goal":
            resource["addresses"] = [*resource.get("addresses", ()), condition]
        case "CarePlan":
            resource["addresses"] = [*resource.get("addresses", ()), condition]
            hidden = {"reference": "Observation/hidden-2"}
            resource["supportingInfo"] = [*resource.get("supportingInfo", ()), hidden]
        case "Encounter":
            resource["reasonReference"] = [*resource.get("reasonReference", ()), condition]
        case _:
            return None
    return resource


@dataclass
class Side:
    """One of the two servers, asked as the clinic."""

    url: str
    system: System
    session: requests.Session = field(default_factory=requests.Session)
    headers: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    renewed_at: float = -1e9

    def ask(self, asked: Asked, since: str) -> str:
        if time.monotonic() - self.renewed_at > _TOKEN_SECONDS:
            self.headers = self.system.headers("system/*.cruds system/Consent.cruds")
            self.renewed_at = time.monotonic()
        found = self.session.request(
            asked.method,
            f"{self.url}/fhir/{asked.path}",
            data=json.dumps(asked.body) if asked.body is not None else None,
            headers={**self.headers, **asked.headers},
            timeout=60,
        )
        headers = {name.lower(): value for name, value in found.headers.items()}
        made = "".join(f"{name} {headers.get(name, '')}\n" for name in ("etag", "location"))
        text = self._masked(made + found.text, since)
        # A length tells something only where nothing in it was made by the server itself.
        is_made = text != made + found.text or asked.method == "HEAD"
        left = _UNCOMPARED | {"content-length"} if is_made else _UNCOMPARED
        shown = sorted(pair for pair in headers.items() if pair[0] not in left)
        return f"{found.status_code}\n{shown}\n{text}"

    def _masked(self, text: str, since: str) -> str:
        text = _ID.sub(lambda one: self.ids.setdefault(one[0], f"id-{len(self.ids)}"), text)
        text = _INSTANT.sub(lambda one: one[0] if one[0] < since else "later", text)
        return _MARK.sub(lambda one: f"{one[1]}=…{len(one[2])}", text)


def run(
    folder: Path, *, number: int, seed: int, writes: float, labels: bool = False
) -> tuple[list[str], Counter[str]]:
    """The findings, and how many answers had which status."""
    first, second = folder / "with", folder / "without"
    first.mkdir()
    shared = Store(first)
    show(shared, labels=labels)
    web = create_app(shared.bridge).test_client()
    client = register(shared.bridge, web, recipient=CLINIC, scopes="system/*.cruds")
    before = shared.everything()
    shared.bridge.close()
    shutil.copytree(first, second)
    between = datetime.now(UTC) + timedelta(seconds=1)
    time.sleep(2)
    stores = Store(first), Store(second)
    hide(stores[0], labels=labels)
    time.sleep(1)
    since = to_instant(datetime.now(UTC))
    hidden = stores[0].everything()
    hostile = Hostile(Random(seed), before, hidden, times=(to_instant(between), since))
    findings: list[str] = []
    statuses: Counter[str] = Counter()
    settings = {"FHIRBRIDGE_AUTH": "smart", "FHIRBRIDGE_PUBLIC_URL": "https://bridge.example"}
    with Server(first, **settings) as one, Server(second, **settings) as two:
        sides = [
            Side(
                url,
                System(create_app(store.bridge).test_client(), client.client, client.key, Clock()),
            )
            for store, url in zip(stores, (one.url, two.url), strict=True)
        ]
        for asked in hostile.requests(number, writes=writes):
            answers = [side.ask(asked, since) for side in sides]
            statuses[answers[0].partition("\n")[0]] += 1
            if answers[0] != answers[1]:
                findings.append(f"{asked}\n{_difference(*answers)}")
    for store in stores:
        store.bridge.close()
    return findings, statuses


def _difference(one: str, other: str) -> str:
    """Where two answers begin to differ."""
    pairs = enumerate(zip(one, other, strict=False))
    at = next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
    start = max(at - 200, 0)
    shown = [f"{each[:3]} …{each[start : at + 200]}" for each in (one, other)]
    return f"  with:    {shown[0]}\n  without: {shown[1]}"


def main() -> int:
    """Run, print what differs, and answer 1 if anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--writes", type=float, default=0.12, help="share of requests")
    parser.add_argument(
        "--labels",
        action="store_true",
        help="withhold by a label of single resources, not by class",
    )
    given = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        findings, statuses = run(
            Path(folder),
            number=given.requests,
            seed=given.seed,
            writes=given.writes,
            labels=given.labels,
        )
    for finding in findings[:40]:
        print(finding, "\n")
    seconds = time.monotonic() - started
    print(
        f"seed {given.seed}, {given.requests} requests in {seconds:.0f} s, {commit()}, {machine()}"
    )
    print(f"answers: {dict(sorted(statuses.items()))}; different: {len(findings)}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
