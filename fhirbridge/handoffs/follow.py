"""Following a handoff: the partner's Task, read and turned into our status words.

Source: domain.md 1.5, 4.4; R4 http.html#history for the order of versions.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from fhirbridge.bridge import Bridge
from fhirbridge.fhir import bundles, references
from fhirbridge.handoffs import partners
from fhirbridge.handoffs.events import Event, take
from fhirbridge.handoffs.readable import GONE, Fault, unreadable
from fhirbridge.handoffs.releasing import settle_gone
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer, Exchange
from fhirbridge.partners.registry import Partner
from fhirbridge.partners.verdict import read_body, relative, retry_after
from fhirbridge.storage import handoffs
from fhirbridge.storage.handoffs import HandoffRow
from fhirbridge.workflow.words import REFERRAL, ReferralState

CLOSED = tuple(state.value for state, row in REFERRAL.items() if not row.next_states)
_MAX_VISITS = 20
_REST_SECONDS = 300.0
_LONGEST_REST_SECONDS = 86_400.0
_MOST_ISSUES = 5
_NOT_THERE = (404, 410)


@dataclass(frozen=True, slots=True)
class Followed:
    """What a look at a partner's Task told; `result` is "unreachable" if it told nothing."""

    handoff_id: str
    result: str
    state: ReferralState


def follow(bridge: Bridge, handoff_id: str) -> Followed | None:
    """Read the Task of one handoff at its partner now; None if there is no Task to read."""
    with bridge.database.read() as session:
        handoff = handoffs.get(session, bridge.custodian.id, handoff_id)
        if handoff is None or not handoff.task_reference:
            return None
        partner = partners.load(session, bridge, handoff.partner)
    return _follow(bridge, partner, handoff)


def follow_next(bridge: Bridge, *, due_by: datetime | None = None) -> Followed | None:
    """Look at the Task whose turn it is by now, or was by then; None if none is due.

    The next look is entered before the partner is asked, so that several workers share the work.
    """
    now = bridge.now()
    with bridge.database.read() as session:
        due_at = handoffs.follow_due_at(session, bridge.custodian.id, CLOSED)
    if due_at is None or due_at > (due_by or now):
        return None
    with bridge.database.transaction() as session:
        handoff = handoffs.next_to_follow(session, bridge.custodian.id, CLOSED, now=due_by or now)
        if handoff is None:
            return None
        partner = partners.load(session, bridge, handoff.partner)
        again_at = now + timedelta(seconds=partner.follow_seconds)
        handoffs.follow_again(session, bridge.custodian.id, handoff.id, at=again_at)
    return _follow(bridge, partner, handoff)


def _follow(bridge: Bridge, partner: Partner, handoff: HandoffRow) -> Followed:
    state = ReferralState(handoff.status)
    place = str(handoff.task_reference)
    visits: list[Event] = []
    with bridge.connect(partner) as client:
        exchange = client.read(place)
        if not isinstance(exchange, Answer) or exchange.status not in (200, *_NOT_THERE):
            _rest(bridge, partner, exchange)
            return Followed(handoff.id, "unreachable", state)
        event = _seen(exchange, place, partner)
        if event.fault is None:
            event = replace(event, history=_history(client, handoff, event.resource))
            visits = _visits(client, handoff, event.resource, partner)
    result = "same"
    with bridge.database.transaction() as session:
        if event.fault is None:
            settle_gone(bridge, session, handoff.id, reference=place)
        for one in (event, *visits):
            taken = take(bridge, session, handoff.id, one, profile=partner.profile)
            if taken is not None:
                state = taken.state
                result = taken.result if result in ("same", "stale") else result
    return Followed(handoff.id, result, state)


def _rest(bridge: Bridge, partner: Partner, exchange: Exchange) -> None:
    """Look at nothing of a partner that does not answer, or asks for time, for a while: whoever
    waits for one has no time for the others."""
    now, seconds = bridge.now(), min(partner.follow_seconds, _REST_SECONDS)
    if isinstance(exchange, Answer):
        if exchange.status < 500 and exchange.status != 429:
            return
        asked_for = retry_after(exchange.headers, now) or 0.0
        seconds = max(seconds, min(asked_for, _LONGEST_REST_SECONDS))
    with bridge.database.transaction() as session:
        until = now + timedelta(seconds=seconds)
        handoffs.follow_later(session, bridge.custodian.id, partner.name, until=until)


def _seen(answer: Answer, place: str, partner: Partner) -> Event:
    """What a read told: the resource, or why it is none that can be read."""
    resource_type, _, resource_id = place.partition("/")
    nothing: Resource = {"resourceType": resource_type, "id": resource_id}
    event = Event(nothing, "polling", "theirs", partner.name, base=partner.base_url)
    if answer.status in _NOT_THERE:
        words = f"The partner has no such {resource_type}, or hides it (HTTP {answer.status})."
        return replace(event, fault=Fault(f"{resource_type.lower()}{GONE}", words))
    body = read_body(answer)
    if body is None or (body.get("resourceType"), body.get("id")) != (resource_type, resource_id):
        words = f"The partner answered with something else than this {resource_type}."
        return replace(event, content=answer.body, fault=Fault("unreadable", words))
    found = list(islice(unreadable(body, resource_type), _MOST_ISSUES))
    if found:
        named = " ".join(f"{one.expression[0]}: {one.diagnostics}" for one in found)
        return replace(event, content=answer.body, fault=Fault("unreadable", named))
    return replace(event, resource=body)


def _visits(
    client: PartnerClient, handoff: HandoffRow, task: Resource, partner: Partner
) -> list[Event]:
    """The Appointments that a Task names as its output, or that are based on the order."""
    named = [
        references.parse(str((one.get("valueReference") or {}).get("reference") or ""))
        for one in task.get("output") or []
    ]
    places = {
        references.write("Appointment", one.resource_id)
        for one in named
        if one.resource_type == "Appointment" and references.is_local(one, partner.base_url)
    }
    places |= {one for one in handoff.details.get("visits") or {} if one.startswith("Appointment/")}
    order = handoff.order_reference or ""
    if order and partner.abilities.can_search("Appointment", "based-on"):
        matches = client.search_all("Appointment", [("based-on", order)])
        if isinstance(matches, list):
            places |= {f"Appointment/{one['id']}" for one in matches if _has_id(one)}
    found = []
    for place in sorted(places)[:_MAX_VISITS]:
        exchange = client.read(place)
        if isinstance(exchange, Answer) and exchange.status == 200:
            found.append(_seen(exchange, place, partner))
    return found


def _has_id(resource: Resource) -> bool:
    return relative(f"Appointment/{resource.get('id')}") != ""


def _history(client: PartnerClient, handoff: HandoffRow, task: Resource) -> tuple[str, ...]:
    """The Task's version ids, newest first, where numbers do not already tell their order."""
    offered = str((task.get("meta") or {}).get("versionId") or "")
    known = handoff.task_version or ""
    if not known or not offered or offered == known or (offered.isdecimal() and known.isdecimal()):
        return ()
    exchange = client.history(str(handoff.task_reference))
    bundle = (
        read_body(exchange) if isinstance(exchange, Answer) and exchange.status == 200 else None
    )
    if bundle is None or bundle.get("type") != "history":
        return ()
    versions = [
        (one.get("meta") or {}).get("versionId")
        for one in bundles.resources_of(bundle, "Task")
        if not any(unreadable(one, "Task"))
    ]
    return tuple(version for version in versions if isinstance(version, str))
