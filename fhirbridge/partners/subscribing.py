"""Creating, renewing and removing our Subscriptions at a partner; what is there is looked for.

A partner that cannot evaluate criteria refuses them, or sets the Subscription to `error`: then the
next alternative is tried. What went wrong is told with its place, never with the partner's text.
Source: R4 subscription.html, http.html
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fhirbridge.errors import Forbidden, Issue, PartnerUnreachable
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import Abilities
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer, Exchange
from fhirbridge.partners.subscription import Wanted, is_about, subscription
from fhirbridge.partners.verdict import Delivered, Refused, judge_create, read_body

_TYPE = "Subscription"
_NOT_FOR_ME = (400, 422)  # the criteria, it seems


@dataclass(frozen=True, slots=True)
class Asking:
    """What all our Subscriptions at a partner have in common."""

    partner: str
    endpoint: str
    secret: str
    until: datetime
    with_payload: bool
    now: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """A Subscription at the partner; `status` is its own, or `refused` with no place."""

    what: str
    place: str
    criteria: str
    status: str

    def to_json(self) -> JsonObject:
        """As it is kept and shown."""
        return {
            "what": self.what,
            "place": self.place,
            "criteria": self.criteria,
            "status": self.status,
        }


def refresh(
    client: PartnerClient, abilities: Abilities, wanted: Wanted, asking: Asking, *, place: str = ""
) -> Held:
    """Renew what is there, else create it; `place` is where it was last.

    Raises PartnerUnreachable without an answer that tells, Forbidden if the partner refuses.
    """
    there = _there(client, abilities, wanted, asking, place)
    keeping = there[0] if there and abilities.can_update(_TYPE) else None
    known = str(keeping.get("criteria")) if keeping else ""
    ordered = sorted(wanted.criteria, key=lambda one: one != known)
    held = None
    for criteria in ordered:
        held = _put(client, wanted.what, criteria, asking, keeping)
        if held is not None:
            break
    kept = held.place if held else ""
    remove(client, abilities, (f"{_TYPE}/{one['id']}" for one in there), but=kept)
    return held or Held(wanted.what, "", "", "refused")


def check(client: PartnerClient, held: Held) -> Held | None:
    """A Subscription as it is now; None if it is there no more. Raises PartnerUnreachable."""
    exchange = client.read(held.place)
    if isinstance(exchange, Answer) and exchange.status in (404, 410):
        return None
    body = read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    if body is None or body.get("resourceType") != _TYPE:
        raise _no_answer(client, exchange, "GET", held.place)
    return Held(held.what, held.place, held.criteria, _status_of(body))


def find_all(
    client: PartnerClient, abilities: Abilities, endpoint: str, places: Iterable[str]
) -> list[str]:
    """The places of all our Subscriptions to this endpoint. Raises PartnerUnreachable."""
    found = [one for one in places if one]
    if abilities.can_search(_TYPE, "url"):
        for one in _search(client, endpoint):
            place = f"{_TYPE}/{one['id']}"
            if place not in found:
                found.append(place)
    return found


def remove(
    client: PartnerClient, abilities: Abilities, places: Iterable[str], *, but: str = ""
) -> list[str]:
    """Delete Subscriptions, or switch them off; returns the places where one may tell us still."""
    return [one for one in places if one != but and not _is_silent(client, abilities, one)]


def _put(
    client: PartnerClient, what: str, criteria: str, asking: Asking, keeping: Resource | None
) -> Held | None:
    """Write one Subscription; None if the partner cannot do it for these criteria."""
    body = subscription(
        criteria,
        endpoint=asking.endpoint,
        secret=asking.secret,
        until=asking.until,
        with_payload=asking.with_payload,
    )
    place, method, at = "", "POST", _TYPE
    if keeping is None:
        exchange = client.create(body)
    else:
        place = at = f"{_TYPE}/{keeping['id']}"
        method = "PUT"
        version = str((keeping.get("meta") or {}).get("versionId") or "")
        exchange = client.update(place, {**body, "id": keeping["id"]}, if_match=version)
    verdict = judge_create(exchange, now=asking.now, location=place)
    if isinstance(verdict, Refused) and verdict.status in _NOT_FOR_ME:
        return None
    if isinstance(verdict, Refused):
        words = f"{asking.partner} refuses {method} {at}: {verdict.error_class}. {verdict.hint}"
        raise Forbidden(Issue("forbidden", words))
    placed = verdict.placed[0].location if isinstance(verdict, Delivered) else ""
    if not placed:
        raise _no_answer(client, exchange, method, at)
    held = check(client, Held(what, placed, criteria, ""))
    if held is None:
        raise _no_answer(client, exchange, "GET", placed)
    if held.status == "error":
        if keeping is None:
            client.delete(placed)
        return None
    return held


def _there(
    client: PartnerClient, abilities: Abilities, wanted: Wanted, asking: Asking, place: str
) -> list[Resource]:
    """Our Subscriptions of one kind at the partner, the one that we know of first."""
    found = []
    if place:
        exchange = client.read(place)
        body = (
            read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
        )
        if body and is_about(body, wanted.what, asking.endpoint):
            found.append({**body, "id": place.partition("/")[2]})
    if abilities.can_search(_TYPE, "url"):
        known = {one["id"] for one in found}
        found += [
            one
            for one in _search(client, asking.endpoint)
            if one["id"] not in known and is_about(one, wanted.what, asking.endpoint)
        ]
    return found


def _search(client: PartnerClient, endpoint: str) -> list[Resource]:
    matches = client.search_all(_TYPE, [("url", endpoint)])
    if not isinstance(matches, list):
        raise _no_answer(client, matches, "GET", f"{_TYPE}?url")
    return [
        one
        for one in matches
        if isinstance(one.get("id"), str)
        and isinstance(channel := one.get("channel"), dict)
        and channel.get("endpoint") == endpoint
    ]


def _is_silent(client: PartnerClient, abilities: Abilities, place: str) -> bool:
    """Delete one, or set it to `off`; True if it certainly tells nothing more."""
    client.delete(place)
    seen = client.read(place)
    if isinstance(seen, Answer) and seen.status in (404, 410):
        return True
    body = read_body(seen) if isinstance(seen, Answer) and seen.status == 200 else None
    if body is None or body.get("resourceType") != _TYPE or not abilities.can_update(_TYPE):
        return False
    client.update(place, {**body, "status": "off"})
    seen = client.read(place)
    body = read_body(seen) if isinstance(seen, Answer) and seen.status == 200 else None
    return body is not None and _status_of(body) == "off"


def _status_of(body: Resource) -> str:
    status = body.get("status")
    return status if status in ("requested", "active", "error", "off") else "error"


def _no_answer(
    client: PartnerClient, exchange: Exchange, method: str, at: str
) -> PartnerUnreachable:
    if isinstance(exchange, Answer):
        what = f"HTTP {exchange.status}, which tells nothing,"
    else:
        what = f"no whole answer ({exchange.error_class})"
    words = f"{client.base_url} gave {what} to {method} {at}. Try again: what is there is renewed."
    return PartnerUnreachable(Issue("transient", words))
