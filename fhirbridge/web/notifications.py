"""`POST /notifications/<partner>`: a partner tells that a Task or an Appointment has changed, or
asks us for something by a message that brings the Task and its order.

Taken is a Bundle in FHIR JSON from the partner's own client, or from our own systems, and what a
rest-hook Subscription of R4 sends: nothing, or the resource, by POST or by PUT to `…/<type>/<id>`.
Of who may not say what a Task says, whatever it brings only makes us look.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Blueprint, Response, request

from fhirbridge.bridge import Bridge
from fhirbridge.consent.purposes import is_same
from fhirbridge.consent.recipient import Recipient
from fhirbridge.disclosure import scopes
from fhirbridge.disclosure.caller import Caller
from fhirbridge.errors import Forbidden, InvalidContent, Issue, NotFound, UnsupportedMedia
from fhirbridge.fhir import wire
from fhirbridge.handoffs import partners
from fhirbridge.handoffs.events import Taken
from fhirbridge.handoffs.messages import asking, take_in
from fhirbridge.handoffs.notify import check, look_again, notify
from fhirbridge.handoffs.readable import refuse, unreadable
from fhirbridge.interactions.answering import answer
from fhirbridge.interactions.messages import FhirRequest
from fhirbridge.jsontypes import Resource
from fhirbridge.web import auth

_TYPES = ("application/fhir+json", "application/json", "")
_TOLD = ("Task", "Appointment")


def blueprint(bridge: Bridge) -> Blueprint:
    """The route of notifications."""
    routes = Blueprint("notifications", __name__)
    limit = bridge.settings.max_body_bytes

    @routes.post("/notifications/<partner>")
    def take_in(partner: str) -> Response:
        _check(bridge, auth.caller(), partner)
        content = request.get_data(cache=False)
        if not content.strip() or not _may_tell(auth.caller()):
            return _answer((), look_again(bridge, partner).to_look_at)
        if (request.mimetype or "") not in _TYPES:
            words = f"The Content-Type of a notification must be {_TYPES[0]}."
            raise UnsupportedMedia(Issue("not-supported", words))
        bundle = wire.parse(content, max_bytes=limit)
        if bundle.get("resourceType") in _TOLD:
            refuse(unreadable(bundle, str(bundle["resourceType"])))
            bundle = _bundle_of(bundle)
        check(bundle)
        return _take(bridge, partner, bundle)

    @routes.put("/notifications/<partner>/<resource_type>/<resource_id>")
    def take_one(partner: str, resource_type: str, resource_id: str) -> Response:
        """What a rest-hook of R4 sends: the resource itself, to its place under our address."""
        _check(bridge, auth.caller(), partner)
        if not _may_tell(auth.caller()):
            return _answer((), look_again(bridge, partner).to_look_at)
        content = request.get_data(cache=False)
        resource = wire.parse(content, max_bytes=limit)
        if (resource.get("resourceType"), resource.get("id")) != (resource_type, resource_id):
            words = "The address names another resource than the body."
            raise InvalidContent(Issue("value", words, expression=(f"{resource_type}.id",)))
        refuse(unreadable(resource, resource_type))
        return _take(bridge, partner, _bundle_of(resource))

    return routes


def _may_tell(caller: Caller) -> bool:
    """True if what a notification says counts."""
    return caller.scopes is None or scopes.scopes_of(caller.scopes).allow("Task", "u")


def _bundle_of(resource: Resource) -> Resource:
    return {"resourceType": "Bundle", "type": "history", "entry": [{"resource": resource}]}


def _take(bridge: Bridge, partner: str, bundle: Resource) -> Response:
    asked_for = _take_orders(bridge, auth.caller(), partner, bundle)
    made = notify(bridge, partner, asked_for.rest)
    return _answer((*asked_for.taken, *made.taken), made.to_look_at)


def _answer(taken: Iterable[Taken], to_look_at: int) -> Response:
    body = {
        "taken": [
            {"handoff": one.handoff_id, "result": one.result, "code": one.code or None}
            for one in taken
        ],
        "toLookAt": to_look_at,
    }
    return Response(
        wire.dump(body),
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


@dataclass(frozen=True, slots=True)
class _Orders:
    """What became of the new orders in a Bundle, and what else it tells."""

    taken: tuple[Taken, ...]
    rest: Resource


def _take_orders(bridge: Bridge, caller: Caller, partner_name: str, bundle: Resource) -> _Orders:
    """Store what asks us for something, as the caller could by REST, with the same permissions."""
    if bundle.get("resourceType") != "Bundle":
        return _Orders((), bundle)
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, partner_name)
    asked = asking(bridge, partner, bundle)
    if asked is None or asked.transaction is None:
        return _Orders((), asked.rest if asked else bundle)
    wanted = FhirRequest(method="POST", resource=asked.transaction)
    answered = answer(wanted, bridge, bridge.settings.own_base, caller)
    stored = wire.parse(answered.body())
    return _Orders(tuple(take_in(bridge, partner, asked, stored)), asked.rest)


def _check(bridge: Bridge, caller: Caller, partner_name: str) -> None:
    """A client speaks for its own organization only; whose partners there are it does not learn."""
    if caller.recipient is None:
        return
    try:
        with bridge.database.read() as session:
            partner = partners.load(session, bridge, partner_name)
        is_theirs = is_same(partner.recipient or Recipient(partner.name), caller.recipient)
    except NotFound:
        is_theirs = False
    if not is_theirs:
        words = "A client notifies of the Tasks of its own organization only."
        raise Forbidden(Issue("forbidden", words))
