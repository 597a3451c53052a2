"""Deliveries that ended badly: what is wrong, what would be sent now, and what a person decides.

A delivery that was refused or given up is made again from its document as it is today; what that
changes is shown first, as places only. One that needs a person is never sent again unless they
say so, or say where the partner holds it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from fhirbridge.bridge import Bridge
from fhirbridge.conversion.packet import Outgoing
from fhirbridge.errors import Conflict, InvalidContent, Issue
from fhirbridge.fhir import bundles, wire
from fhirbridge.fhir.differences import differences
from fhirbridge.handoffs import partners, places, send, view
from fhirbridge.handoffs.endings import end_alert_of
from fhirbridge.handoffs.rounds import was_kept_back
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.client import unreachable
from fhirbridge.partners.http import Answer
from fhirbridge.partners.lookup import NOT_PROVEN
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body, relative
from fhirbridge.storage import handoff_keys, handoffs, outbox_repair, outbox_rows
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.storage.outbox_repair import Decision
from fhirbridge.storage.outbox_rows import OutboxRow
from fhirbridge.storage.session import Session
from fhirbridge.workflow.known import tokens
from fhirbridge.workflow.words import DeliveryState

ENDED_BADLY = (
    DeliveryState.REFUSED,
    DeliveryState.DEAD,
    DeliveryState.NEEDS_PERSON,
    DeliveryState.WITHHELD,
)
# stamped when it is packed, not said by the document
_STAMPED = frozenset({"Task.authoredOn", "Task.lastModified", "Task.text.div"})

# the document of a handoff as it would go out today; None if there is none any more
Remake = Callable[[HandoffRow], Outgoing | None]


@dataclass(frozen=True, slots=True)
class Difference:
    """How one resource differs from what was sent: `elements` are paths, never values."""

    action: str  # added, removed or changed
    resource_type: str
    full_url: str
    elements: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """The difference for programs."""
        return {
            "action": self.action,
            "resourceType": self.resource_type,
            "fullUrl": self.full_url,
            "elements": list(self.elements),
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """A delivery and what sending it now would change; nothing was done yet."""

    delivery: view.Delivery
    outgoing: Outgoing | None
    body: Resource
    differences: tuple[Difference, ...]


def dead_letters(bridge: Bridge, *, partner: str = "", limit: int = 100) -> list[view.Delivery]:
    """Deliveries that ended badly, with their attempts and hints, newest first."""
    found = view.list_deliveries(bridge, states=ENDED_BADLY, partner=partner, limit=limit)
    return [view.show(bridge, str(one.row.id)) for one in found]


def replay(bridge: Bridge, reference: str, remake: Remake) -> Replay:
    """What would be sent now, compared with what was sent.

    Raises NotFound, and Conflict for a delivery that did not end badly.
    """
    delivery = view.show(bridge, reference)
    if delivery.row.state not in ENDED_BADLY:
        words = f"Only deliveries that ended badly are sent again; this one is {delivery.row.state}"
        raise Conflict(Issue("conflict", f"{words}."))
    outgoing = remake(delivery.handoff)
    with bridge.database.read() as session:
        sent = _sent(session, bridge, delivery.row)
        body = sent
        if outgoing is not None:
            partner = partners.load(session, bridge, delivery.row.partner)
            body = send.package(session, bridge, partner, outgoing).bundle
    return Replay(delivery, outgoing, body, compare(sent, body))


def compare(sent: Resource, now: Resource) -> tuple[Difference, ...]:
    """The differences between two Bundles, resource by resource."""
    before = {e.full_url: e.resource for e in bundles.entries_of(sent) if e.resource}
    after = {e.full_url: e.resource for e in bundles.entries_of(now) if e.resource}
    found = [
        Difference("removed", str(one["resourceType"]), url)
        for url, one in before.items()
        if url not in after
    ]
    for url, resource in after.items():
        resource_type = str(resource["resourceType"])
        if url not in before:
            found.append(Difference("added", resource_type, url))
            continue
        elements = tuple(
            path for path in differences(before[url], resource) if path not in _STAMPED
        )
        if elements:
            found.append(Difference("changed", resource_type, url, elements))
    return tuple(found)


def retry(
    bridge: Bridge, reference: str, remake: Remake, *, by: str = "", anyway: bool = False
) -> view.Delivery:
    """Send a delivery again as it is today.

    What needs a person is looked for again, as it was sent, where look-ups were proven meanwhile;
    else it is only sent `anyway`, and then without asking the partner first. Raises Conflict
    without it, and for what was withdrawn; NotFound for an unknown delivery.
    """
    made = replay(bridge, reference, remake)
    row = made.delivery.row
    with bridge.database.read() as session:
        if was_kept_back(session, bridge, made.delivery.handoff):
            words = "It was withdrawn before it was sent. Hand its document over anew."
            raise Conflict(Issue("conflict", words))
        partner = partners.load(session, bridge, row.partner)
    if row.state is DeliveryState.NEEDS_PERSON and not anyway:
        if row.last_error_class == NOT_PROVEN and partner.probe.get("lookUp") is True:
            again = Decision(DeliveryState.QUEUED, "look-again", by, look_first=True)
            return _carry_out(bridge, row, again)
        raise Conflict(
            Issue(
                "conflict",
                "It may have arrived. Ask the partner, then say where it is (--found URL), send it "
                "again at the risk of a second copy (--anyway), or close it (--close REASON). Where"
                " nothing shows yet that it can be looked for, `partner probe --write` tries it.",
            )
        )
    kept = {e.full_url for e in bundles.entries_of(made.body)}
    decision = Decision(
        DeliveryState.QUEUED,
        "anyway" if anyway else "again",
        by,
        {"differences": len(made.differences)},
        result={url: place for url, place in row.result.items() if url in kept},
        body=wire.dump(made.body),
        changed=tuple(one.full_url for one in made.differences if one.action == "changed"),
    )
    return _carry_out(bridge, row, decision, outgoing=made.outgoing)


def close(bridge: Bridge, reference: str, *, reason: str, by: str = "") -> view.Delivery:
    """Give a delivery up, for a stated reason: nothing more is sent."""
    delivery = view.show(bridge, reference)
    if delivery.row.state not in (*ENDED_BADLY, DeliveryState.QUEUED):
        raise Conflict(Issue("conflict", f"A delivery that is {delivery.row.state} stays."))
    if not reason.strip():
        raise InvalidContent(Issue("required", "A delivery is closed for a stated reason."))
    decision = Decision(DeliveryState.DEAD, "given-up", by, {"reason": reason.strip()})
    return _carry_out(bridge, delivery.row, decision)


def found(bridge: Bridge, reference: str, location: str, *, by: str = "") -> view.Delivery:
    """A person found the handoff's Task at the partner: it is delivered, and followed from now on.

    The Task is read there first. Raises InvalidContent if it is no Task of this partner, or that
    of another handoff, PartnerUnreachable if the partner does not answer.
    """
    delivery = view.show(bridge, reference)
    row = delivery.row
    if row.state is not DeliveryState.NEEDS_PERSON:
        raise Conflict(Issue("conflict", f"A delivery that is {row.state} is not looked for."))
    with bridge.database.read() as session:
        partner = partners.load(session, bridge, row.partner)
    place = relative(location)
    task = _task_at(bridge, partner, row.handoff_id, location)
    task_url = str(delivery.handoff.details.get("task"))
    result = {**row.result, task_url: place}
    decision = Decision(
        DeliveryState.DELIVERED, "found", by, {"location": place, "to": partner.base_url}, result
    )
    return _carry_out(bridge, row, decision, task=task, place=place)


def _task_at(bridge: Bridge, partner: Partner, handoff_id: str, location: str) -> Resource:
    fault = InvalidContent(
        Issue("value", f"{partner.name} holds no Task there; give its URL or Task/id.")
    )
    place = relative(location)
    absolute = "://" in location
    if not place.startswith("Task/") or (
        absolute and not location.startswith(f"{partner.base_url}/")
    ):
        raise fault
    with bridge.connect(partner) as client:
        exchange = client.read(place)
    if not isinstance(exchange, Answer) or exchange.status >= 500:
        raise unreachable(exchange, partner.name)
    body = read_body(exchange) if exchange.status == 200 else None
    if body is None or body.get("resourceType") != "Task":
        raise fault
    with bridge.database.read() as session:
        keys = [f"{partner.name} {place}", *tokens(body)]
        owners = handoff_keys.known_as(session, bridge.custodian.id, keys)
    if owners and handoff_id not in owners:
        raise InvalidContent(Issue("value", "The Task there belongs to another handoff."))
    return body


def _carry_out(
    bridge: Bridge,
    row: OutboxRow,
    decision: Decision,
    *,
    task: Resource | None = None,
    place: str = "",
    outgoing: Outgoing | None = None,
) -> view.Delivery:
    custodian_id, now = bridge.custodian.id, bridge.now()
    with bridge.database.transaction() as session:
        if not outbox_repair.decide(session, custodian_id, row, decision, now=now):
            raise Conflict(Issue("conflict", "The delivery has moved on; look at it again."))
        if outgoing is not None:
            handoffs.note_version(
                session, custodian_id, row.handoff_id, version=outgoing.version, now=now
            )
        if task is not None:
            places.note(
                session,
                bridge,
                row.handoff_id,
                task=place,
                order=relative(str((task.get("focus") or {}).get("reference") or "")),
                patient=relative(str((task.get("for") or {}).get("reference") or "")),
            )
        end_alert_of(session, bridge, row)
    return view.show(bridge, str(row.id))


def _sent(session: Session, bridge: Bridge, row: OutboxRow) -> Resource:
    body = outbox_rows.body_of(session, bridge.custodian.id, row.id)
    return wire.parse(body)
