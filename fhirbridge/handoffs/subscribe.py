"""Asking a partner to tell us of changes, by R4 Subscriptions (rest-hook), and keeping them alive.

Polling goes on whatever a partner tells: a lost notification costs time only. No secret is kept,
only its hash; every renewal brings a new one. Source: R4 subscription.html; design.md section 10
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from fhirbridge.bridge import Bridge
from fhirbridge.clock import to_instant
from fhirbridge.errors import BridgeError, Conflict, InvalidContent, Issue, NotFound
from fhirbridge.handoffs import partners
from fhirbridge.jsontypes import JsonObject
from fhirbridge.partners import subscription as terms
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import check_base_url, is_loopback
from fhirbridge.partners.registry import Partner, fetch_capability
from fhirbridge.partners.subscribing import Asking, Held, check, find_all, refresh, remove
from fhirbridge.storage import alerts
from fhirbridge.storage import partners as rows
from fhirbridge.storage.alerts import Alert

DAYS = 30
MOST_DAYS = 365
_CHECK = timedelta(hours=6)
_CHECK_SOON = timedelta(minutes=10)  # after a failure, and what the partner did not confirm yet
_LAST_UNDER_WAY = timedelta(hours=1)  # notifications that still bear the secret before
_SECRET_BYTES = 32
_ALERT = "subscription-lost"


def subscribe(
    bridge: Bridge, name: str, *, with_payload: bool = False, days: int = DAYS, url: str = ""
) -> Partner:
    """Ask a partner to tell us of changes to Tasks and Appointments that we handed over.

    What was asked for before is renewed. `url` is where the partner reaches our notifications, if
    not beside our FHIR base. Raises NotFound, InvalidContent for such an address, Conflict if the
    partner offers no Subscriptions, Forbidden if it refuses, PartnerUnreachable.
    """
    if not 1 <= days <= MOST_DAYS:
        raise InvalidContent(Issue("value", f"A subscription is for 1 to {MOST_DAYS} days."))
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, name)
    endpoint = _endpoint(bridge, partner, url)
    with bridge.connect(partner) as client:
        capability = partners.storable(fetch_capability(client, name))
        with bridge.database.transaction() as session:
            rows.note_capability(
                session, bridge.custodian.id, name, capability=capability, at=bridge.now()
            )
        before = partner.subscription
        if before.get("endpoint") not in (None, endpoint):
            _remove(client, partner, before)
            before = {}
        wanted = {**before, "endpoint": endpoint, "payload": with_payload, "days": days}
        try:
            _renew(bridge, _loaded(bridge, name), client, wanted)
        except _Overtaken as exc:
            words = f"The subscription of {name} was changed meanwhile. Try again."
            raise Conflict(Issue("conflict", words)) from exc
        except BridgeError as error:
            _note_failure(bridge, name, error)
            raise
    return _loaded(bridge, name)


def unsubscribe(bridge: Bridge, name: str) -> list[str]:
    """Remove what we asked a partner for; returns what could not be removed there.

    Our secrets end at once, so that nothing more is taken from it. Raises NotFound,
    PartnerUnreachable: then nothing is known of what is still there, and it ends by itself.
    """
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, name)
    state = partner.subscription
    _note(bridge, name, {})
    _over(bridge, name)
    if not state:
        return []
    try:
        with bridge.connect(partner) as client:
            left = _remove(client, partner, state)
    except BridgeError:
        _note(bridge, name, {**state, "secrets": [], "renewAt": None})  # to be tried again
        raise
    if left:
        _note(bridge, name, {**state, "secrets": [], "renewAt": None, "held": [], "left": left})
    return left


def renew_next(bridge: Bridge) -> str | None:
    """Check or renew the subscription whose turn it is; returns its partner, None if none is due.

    The next turn is entered before the partner is asked, so that several workers share the work.
    What goes wrong is noted, told once, and tried again.
    """
    with bridge.database.read() as session:
        due = _due(rows.settings_of(session, bridge.custodian.id), bridge.now())
    if due is None:
        return None
    with bridge.database.transaction() as session:
        row = rows.get(session, bridge.custodian.id, due, locked=True)
        if row is None or _due({due: row.settings}, bridge.now()) is None:
            return None
        state = {**row.settings["subscription"], "renewAt": _in(bridge, _CHECK_SOON)}
        changes = {"subscription": state}
        rows.note_settings(session, bridge.custodian.id, due, changes, now=bridge.now())
        partner = partners.load(session, bridge, due)
    try:
        with bridge.connect(partner) as client:
            seen = _seen(bridge, partner, client)
            if seen is None:
                _renew(bridge, partner, client, partner.subscription)
            else:
                _replace(bridge, partner, partner.subscription, {**partner.subscription, **seen})
    except _Overtaken:
        pass  # what was said meanwhile counts
    except BridgeError as error:
        if _note_failure(bridge, due, error):
            _tell(bridge, due)
    return due


def shown(partner: Partner) -> JsonObject | None:
    """A partner's subscription for people and programs; None without one."""
    state = partner.subscription
    if not state:
        return None
    return {
        "endpoint": state.get("endpoint"),
        "payload": bool(state.get("payload")),
        "until": state.get("until"),
        "checkedAt": state.get("checkedAt"),
        "held": state.get("held") or [],
        "left": state.get("left") or [],
        "failed": state.get("failed") or None,
    }


def _renew(bridge: Bridge, partner: Partner, client: PartnerClient, state: JsonObject) -> None:
    """Write every Subscription anew, with a new secret, and keep how they stand.

    Raises _Overtaken if somebody else changed what is kept since `partner` was loaded.
    """
    if not partner.abilities.known or "Subscription" not in partner.abilities.create:
        words = (
            f"{partner.name} offers no creation of Subscriptions in its CapabilityStatement; its"
            f" Tasks are looked at every {partner.follow_seconds:g} seconds."
        )
        raise Conflict(Issue("not-supported", words))
    now, days = bridge.now(), timedelta(days=int(state["days"]))
    until, secret = now + days, terms.SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    known = state.get("secrets") or []
    # accepted from now on: the partner may use it before we have its answer
    accepted = terms.with_secret(known, secret, until=until, now=now)
    begun = {**state, "secrets": accepted}
    _replace(bridge, partner, partner.subscription, begun)
    asking = Asking(
        partner.name, str(state["endpoint"]), secret, until, bool(state["payload"]), now
    )
    places = {str(one["what"]): str(one["place"]) for one in state.get("held") or []}
    held = [
        refresh(client, partner.abilities, one, asking, place=places.get(one.what, ""))
        for one in terms.wanted(bridge.settings.base, with_payload=asking.with_payload)
    ]
    made = {
        **state,
        "secrets": terms.only_newest(accepted, until=now + _LAST_UNDER_WAY),
        "held": [one.to_json() for one in held],
        "until": to_instant(until),
        "renewFrom": to_instant(now + days / 2),
        "left": [],
    }
    try:
        _replace(bridge, partner, begun, {**made, **_standing(bridge, partner.name, held)})
    except _Overtaken:
        if not _loaded(bridge, partner.name).subscription:  # it is not wanted any more
            _remove(client, partner, made)
        raise


def _seen(bridge: Bridge, partner: Partner, client: PartnerClient) -> JsonObject | None:
    """How the Subscriptions stand at the partner; None if they have to be renewed."""
    state = partner.subscription
    if str(state["renewFrom"]) <= to_instant(bridge.now()):
        return None
    held = []
    for one in state["held"]:
        known = Held(one["what"], one["place"], one["criteria"], one["status"])
        now = check(client, known) if known.place else known
        if now is None or (known.place and not terms.is_receiving(now.status)):
            return None
        held.append(now)
    told: JsonObject = {"held": [one.to_json() for one in held]}
    return {**told, **_standing(bridge, partner.name, held)}


def _standing(bridge: Bridge, name: str, held: list[Held]) -> JsonObject:
    """When to look again, and that all is well, or that it is not."""
    works = any(terms.is_receiving(one.status) for one in held)
    if works:
        _over(bridge, name)
    else:
        _tell(bridge, name)
    settled = works and all(one.status != "requested" for one in held)
    return {
        "checkedAt": to_instant(bridge.now()),
        "renewAt": _in(bridge, _CHECK if settled else _CHECK_SOON),
        "failed": "" if works else f"{name} tells nothing: it took none of the criteria.",
    }


def _remove(client: PartnerClient, partner: Partner, state: JsonObject) -> list[str]:
    places = [str(one["place"]) for one in state.get("held") or []]
    places += [str(one) for one in state.get("left") or []]
    abilities = partner.abilities
    found = find_all(client, abilities, str(state["endpoint"]), dict.fromkeys(places))
    return remove(client, abilities, found)


def _endpoint(bridge: Bridge, partner: Partner, url: str) -> str:
    """Where this partner notifies us. Raises InvalidContent if it could not, or not safely."""
    root = bridge.settings.own_base.removesuffix("/fhir")
    endpoint = url or f"{root}/notifications/{partner.name}"
    endpoint = check_base_url(endpoint, allow_http=partner.allow_http)
    here = is_loopback(urlsplit(endpoint).hostname or "")
    if here and not is_loopback(urlsplit(partner.base_url).hostname or ""):
        words = (
            f"{partner.name} cannot reach {endpoint}: set FHIRBRIDGE_PUBLIC_URL, or name the"
            " address from outside (--url)."
        )
        raise InvalidContent(Issue("value", words))
    return endpoint


def _due(settings: Mapping[str, JsonObject], now: datetime) -> str | None:
    for name, one in settings.items():
        at = (one.get("subscription") or {}).get("renewAt")
        if at and str(at) <= to_instant(now):
            return name
    return None


def _in(bridge: Bridge, wait: timedelta) -> str:
    return to_instant(bridge.now() + wait)


def _loaded(bridge: Bridge, name: str) -> Partner:
    with bridge.database.read() as session:
        return partners.load(session, bridge, name)


def _note(bridge: Bridge, name: str, state: JsonObject) -> None:
    with bridge.database.transaction() as session:
        changes = {"subscription": state}
        if not rows.note_settings(session, bridge.custodian.id, name, changes, now=bridge.now()):
            raise NotFound(Issue("not-found", f"There is no partner '{name}'."))


class _Overtaken(Exception):
    """What is kept was changed by somebody else meanwhile, perhaps ended."""


def _replace(bridge: Bridge, partner: Partner, known: JsonObject, state: JsonObject) -> None:
    """Keep a state in place of the one that is known. Raises _Overtaken if that was changed."""
    with bridge.database.transaction() as session:
        row = rows.get(session, bridge.custodian.id, partner.name, locked=True)
        if row is None or (row.settings.get("subscription") or {}) != known:
            raise _Overtaken
        changes = {"subscription": state}
        rows.note_settings(session, bridge.custodian.id, partner.name, changes, now=bridge.now())


def _note_failure(bridge: Bridge, name: str, error: BridgeError) -> bool:
    """Keep what went wrong; False if nothing is wanted of the partner any more."""
    with bridge.database.transaction() as session:
        row = rows.get(session, bridge.custodian.id, name, locked=True)
        state = row.settings.get("subscription") if row else None
        if state:
            changes = {"subscription": {**state, "failed": str(error)}}
            rows.note_settings(session, bridge.custodian.id, name, changes, now=bridge.now())
    return bool(state)


def _tell(bridge: Bridge, name: str) -> None:
    """Tell people once that a partner does not tell us any more."""
    alert = Alert(f"{_ALERT} {name}", _ALERT, bridge.now(), partner=name)
    with bridge.database.transaction() as session:
        alerts.raise_once(session, bridge.custodian.id, alert)


def _over(bridge: Bridge, name: str) -> None:
    with bridge.database.transaction() as session:
        alerts.close(session, bridge.custodian.id, f"{_ALERT} {name}", now=bridge.now())
