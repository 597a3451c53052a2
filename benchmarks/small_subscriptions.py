"""The rest-hooks of the small partner: Subscriptions are activated, and their endpoints told.

Criteria are of the kinds `Type?identifier=system|,…`, `Type?code=…` and
`Type?based-on:ServiceRequest.identifier=system|`; others end in `error`, as R4 says. Notifications
leave in the order of the changes, from a thread of their own; after three failures in a row the
Subscription is in `error`. With the fault `twice` each leaves twice; with `late` one is kept back
until the one after it has left. Source: R4 subscription.html
"""

import json
import queue
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import requests

_TRIES = 3
_PAUSE_SECONDS = 0.2
_TIMEOUT_SECONDS = 10

Resource = dict[str, Any]


class Hooks:
    """Tells endpoints of changes in the resources held; `log` has method, URL and status."""

    def __init__(self, held: Mapping[str, Resource]) -> None:
        self._held = held
        self._waiting: queue.Queue[tuple[Resource, Resource]] = queue.Queue()
        self.log: list[list[Any]] = []
        self.fault = ""
        self._session = requests.Session()
        self._session.trust_env = False
        threading.Thread(target=self._deliver, daemon=True).start()

    def changed(self, resource: Resource) -> None:
        """A resource was written."""
        if resource["resourceType"] == "Subscription":
            if resource.get("status") == "requested":
                resource["status"] = "active" if _is_known(resource["criteria"]) else "error"
            return
        for one in list(self._held.values()):
            is_active = one["resourceType"] == "Subscription" and one.get("status") == "active"
            if is_active and self._meets(resource, one["criteria"]):
                self._waiting.put((one, json.loads(json.dumps(resource))))

    def _meets(self, resource: Resource, criteria: str) -> bool:
        kind, _, search = criteria.partition("?")
        if kind != resource["resourceType"]:
            return False
        name, _, value = unquote(search).partition("=")
        if name == "code":
            system, _, code = value.partition("|")
            return {"system": system, "code": code} in resource.get("code", {}).get("coding", [])
        about = [resource]
        if name != "identifier":
            orders = [one.get("reference", "") for one in resource.get("basedOn", [])]
            about = [self._held[one] for one in orders if one in self._held]
        systems = {one.rstrip("|") for one in value.split(",")}
        return any(
            each.get("system") in systems for one in about for each in one.get("identifier", [])
        )

    def _deliver(self) -> None:
        kept: list[tuple[Resource, Resource]] = []
        while True:
            waiting = self._waiting.get()
            if self.fault == "late" and not kept:
                kept.append(waiting)
                continue
            for one in (waiting, waiting) if self.fault == "twice" else (waiting, *kept):
                self._send(*one)
            kept.clear()

    def _send(self, subscription: Resource, resource: Resource) -> None:
        for _ in range(_TRIES):
            if self._told(subscription, resource):
                return
            threading.Event().wait(_PAUSE_SECONDS)
        subscription["status"] = "error"

    def _told(self, subscription: Resource, resource: Resource) -> bool:
        channel = subscription["channel"]
        url, method, body = channel["endpoint"], "POST", b""
        if payload := channel.get("payload"):
            url, method = f"{url}/{resource['resourceType']}/{resource['id']}", "PUT"
            body = json.dumps(resource).encode()
        headers = dict(one.split(": ", 1) for one in channel.get("header", []))
        if payload:
            headers["Content-Type"] = payload
        try:
            status = self._session.request(
                method, url, data=body, headers=headers, timeout=_TIMEOUT_SECONDS
            ).status_code
        except requests.RequestException:
            status = 0
        self.log.append([method, url, status])
        return 200 <= status < 300


def _is_known(criteria: str) -> bool:
    search = unquote(criteria).partition("?")[2]
    known = ("identifier=", "code=", "based-on:ServiceRequest.identifier=")
    return search.startswith(known)
