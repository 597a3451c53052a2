"""Probing a partner: what it says it can do, and whether a look-up finds what was just written.

The trial writes one tagged Task about nobody, twice, and removes what it made. What it shows
decides whether a lost answer can be settled by machine.
"""

import threading
import time
from dataclasses import dataclass, field, replace
from uuid import uuid4

from fhirbridge import clock
from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.handoffs import partners
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import abilities_of
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer
from fhirbridge.partners.registry import Partner, fetch_capability
from fhirbridge.partners.verdict import Delivered, judge_create
from fhirbridge.storage import partners as rows

_TRIES = 8
_FIRST_PAUSE = 0.1
_TEST = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}


@dataclass(slots=True)
class Probe:
    """What a trial showed; None is "not asked". `left_behind` could not be removed."""

    conditional_create: bool | None = None
    look_up: bool | None = None
    lag_seconds: float | None = None
    left_behind: list[str] = field(default_factory=list)
    words: str = ""

    def to_json(self) -> JsonObject:
        """As it is kept with the partner."""
        return {
            "conditionalCreate": self.conditional_create,
            "lookUp": self.look_up,
            "lagSeconds": self.lag_seconds,
            "leftBehind": self.left_behind,
            "words": self.words,
        }


def probe(bridge: Bridge, name: str, *, write: bool) -> Partner:
    """Fetch the CapabilityStatement, try the look-up if writing is allowed, and keep both.

    Raises NotFound, PartnerUnreachable.
    """
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, name)
    found: JsonObject = dict(partner.probe)
    with bridge.connect(partner) as client:
        capability = partners.storable(fetch_capability(client, partner.name))
        if write:
            tried = try_look_up(client, capability, base=bridge.settings.base)
            found = {**tried.to_json(), "at": to_instant(bridge.now())}
    now, custodian_id = bridge.now(), bridge.custodian.id
    with bridge.database.transaction() as session:
        rows.note_capability(session, custodian_id, name, capability=capability, at=now)
        rows.note_settings(session, custodian_id, name, {"probe": found}, now=now)
        partners.note_answer(session, bridge, name)
    return replace(partner, capability=capability, capability_at=now, probe=found)


def try_look_up(client: PartnerClient, capability: Resource, *, base: str) -> Probe:
    """Write one tagged Task conditionally, find it, write it again, and clean up."""
    abilities = abilities_of(capability)
    shown = Probe()
    if abilities.known and not abilities.can_create("Task"):
        shown.words = "The partner takes no Task, which is what we look for."
        return shown
    token = f"{base}/probe|{uuid4()}"
    task = _task(token, base)
    search = f"identifier={token}"
    made: list[str] = []
    try:
        first = _create(client, task, search)
        if first is None:
            shown.words = "The partner did not take the test Task."
            return shown
        made.append(first)
        shown.lag_seconds = _found_after(client, token, first)
        shown.look_up = shown.lag_seconds is not None
        again = _create(client, task, search)
        if again is not None and again not in made:
            made.append(again)
        shown.conditional_create = again == first
        if not shown.look_up:
            shown.words = (
                "The partner took the test Task and does not show it to us by its identifier: it "
                "may have stayed there, and a lost answer would have to be settled by a person."
            )
    finally:
        if shown.look_up:
            made += [
                one
                for one in client.find("Task", [token]).references.get(token, ())
                if one not in made
            ]
        was_seen = bool(shown.look_up)
        shown.left_behind = [one for one in made if not _deleted(client, one, was_seen=was_seen)]
    return shown


def _task(token: str, base: str) -> Resource:
    system, _, value = token.rpartition("|")
    return {
        "resourceType": "Task",
        "meta": {
            "security": [_TEST],
            "tag": [{"system": f"{base}/CodeSystem/tag", "code": "probe"}],
        },
        "identifier": [{"system": system, "value": value}],
        "status": "draft",
        "intent": "proposal",
        "description": "Test of a connection; about nobody; may be deleted.",
    }


def _create(client: PartnerClient, task: Resource, search: str) -> str | None:
    exchange = client.create(task, if_none_exist=search)
    verdict = judge_create(exchange, now=clock.now())
    if isinstance(verdict, Delivered) and verdict.placed and verdict.placed[0].location:
        return verdict.placed[0].location
    return None


def _found_after(client: PartnerClient, token: str, place: str) -> float | None:
    """Seconds until a search by identifier finds the Task, None if it never does."""
    began, pause = time.monotonic(), _FIRST_PAUSE
    waiting = threading.Event()
    for _ in range(_TRIES):
        found = client.find("Task", [token])
        if place in found.references.get(token, ()):
            return round(time.monotonic() - began, 2)
        if isinstance(found.failed, Answer) and 400 <= found.failed.status < 500:
            return None
        waiting.wait(pause)
        pause *= 2
    return None


def _deleted(client: PartnerClient, place: str, *, was_seen: bool) -> bool:
    """True if it is gone; a server without deletion may say that there is no such address.

    Where it was never to be seen, only the answer to its deletion tells.
    """
    answer = client.delete(place)
    if not was_seen:
        return isinstance(answer, Answer) and (answer.status < 300 or answer.status == 410)
    seen = client.read(place)
    return isinstance(seen, Answer) and seen.status in (404, 410)
