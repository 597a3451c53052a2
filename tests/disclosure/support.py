"""A custodian's store, and requests of callers who are not the custodian."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from fhirbridge.bridge import Bridge
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure.caller import OWN, Caller
from fhirbridge.documents.stored import accept
from fhirbridge.errors import BridgeError
from fhirbridge.fhir.outcome import to_outcome
from fhirbridge.interactions.answering import answer
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, parse_query
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.native.documents import Kind

BASE = "http://localhost/fhir"
CLINIC = Caller(
    client_id="clinic",
    recipient=Recipient("Springfield Example Clinic", classes=("TREATER",), covered_entity=True),
    purpose="TREAT",
)
STRANGER = Caller(client_id="stranger", recipient=Recipient("Nobody's Hospital"), purpose="TREAT")


@dataclass
class Answered:
    """Status, headers and body of an answer; errors have their OperationOutcome."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def references(self) -> list[str]:
        """What is in a Bundle, outcomes left out."""
        resources = [each.get("resource", {}) for each in self.body.get("entry", ())]
        return [
            f"{each['resourceType']}/{each['id']}"
            for each in resources
            if each.get("resourceType") not in (None, "OperationOutcome")
        ]


@dataclass
class Store:
    """One custodian's database, asked without HTTP."""

    bridge: Bridge

    def ask(
        self,
        method: str,
        path: str,
        body: Resource | None = None,
        *,
        caller: Caller = CLINIC,
        **conditions: str,
    ) -> Answered:
        where, _, query = path.partition("?")
        request = FhirRequest(
            method=method,
            path=tuple(part for part in where.split("/") if part),
            query=parse_query(query),
            body=json.dumps(body).encode() if body is not None else b"",
            conditions={name.replace("_", "-"): value for name, value in conditions.items()},
        )
        try:
            response = answer(request, self.bridge, BASE, caller)
        except BridgeError as exc:
            return Answered(exc.http_status, to_outcome(exc.issues))
        return Answered(response.status, _body(response), _headers(response))

    def get(self, path: str, caller: Caller = CLINIC, **conditions: str) -> Answered:
        return self.ask("GET", path, caller=caller, **conditions)

    def own(self, method: str, path: str, body: Resource | None = None) -> Answered:
        """The custodian itself asks."""
        return self.ask(method, path, body, caller=OWN)

    def put(self, *resources: Resource) -> None:
        """Store resources under their ids, as the custodian."""
        for resource in resources:
            found = self.own("PUT", f"{resource['resourceType']}/{resource['id']}", resource)
            assert found.status in (200, 201), found.body

    def receive(self, kind: Kind, document: JsonObject) -> str:
        """Store a document; returns the reference of its patient."""
        return accept(self.bridge, kind, document).received.patient


def _body(response: FhirResponse) -> Any:
    text = response.body()
    return json.loads(text) if text else {}


def _headers(response: FhirResponse) -> dict[str, str]:
    return {**response.headers, "etag": response.etag, "location": response.location}


def caller(base: Caller, **changes: Any) -> Caller:
    return replace(base, **changes)


Change = Callable[[JsonObject], None]
