"""Notifications of partners: a Bundle with Tasks and Appointments of theirs, or only their names.

Taken are: a subscription notification (R4 backport: `history` with a status Parameters), a message,
a collection, a transaction or a searchset. What only names a Task makes us look at it at once; what
names nothing (R4 subscription.html, rest-hook without payload), at all that are open there.
"""

from dataclasses import dataclass
from datetime import timedelta

from fhirbridge.bridge import Bridge
from fhirbridge.errors import InvalidContent, Issue
from fhirbridge.fhir import bundles, references
from fhirbridge.fhir.bundles import BundleEntry
from fhirbridge.fhir.shapes import misshapen
from fhirbridge.handoffs import partners
from fhirbridge.handoffs.events import Event, Taken
from fhirbridge.handoffs.feed import route
from fhirbridge.handoffs.follow import CLOSED
from fhirbridge.handoffs.readable import TYPES, refuse, unreadable
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.storage import changes, handoff_keys, handoffs
from fhirbridge.workflow.known import tokens

_MOST_ENTRIES = 500
_APART_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Notified:
    """What a notification led to: events taken in, and how many Tasks will be looked at now."""

    taken: tuple[Taken, ...]
    to_look_at: int


def check(bundle: Resource) -> None:
    """Refuse Tasks and Appointments that cannot be read. Raises InvalidContent."""
    told = (
        issue
        for entry in bundles.entries_of(bundle)
        if entry.resource is not None
        for issue in unreadable(entry.resource, f"Bundle.entry[{entry.index}].resource")
    )
    refuse(told)


def notify(bridge: Bridge, partner_name: str, bundle: Resource) -> Notified:
    """Take a partner's notification in. Raises NotFound, or InvalidContent if it is no Bundle."""
    if bundle.get("resourceType") != "Bundle":
        raise InvalidContent(Issue("structure", "A notification is a Bundle.", expression=("$",)))
    entries = list(bundles.entries_of(bundle))
    if len(entries) > _MOST_ENTRIES:
        words = f"A notification has at most {_MOST_ENTRIES} entries."
        raise InvalidContent(Issue("too-long", words, expression=("Bundle.entry",)))
    with bridge.database.transaction() as session:
        partner = partners.load(session, bridge, partner_name)
        taken: list[Taken] = []
        told: set[str] = set()
        # appointments after tasks: they say the finer thing
        for resource_type in TYPES:
            for entry in entries:
                resource = entry.resource
                if resource and resource.get("resourceType") == resource_type:
                    event = Event(
                        resource,
                        "notification",
                        "theirs",
                        partner.name,
                        base=partner.base_url,
                        persons=_persons(bundle, entry),
                    )
                    told.add(event.reference)
                    taken += route(bridge, session, event)
        named = {name for name in _named(bundle, partner.base_url) if name not in told}
        looked = handoff_keys.known_as(
            session, bridge.custodian.id, [f"{partner.name} {name}" for name in named]
        )
        for handoff_id in looked:
            handoffs.follow_again(session, bridge.custodian.id, handoff_id, at=bridge.now())
    return Notified(tuple(taken), len(looked))


def look_again(bridge: Bridge, partner_name: str) -> Notified:
    """Something has changed there, and we are not told what: all that is open there is looked at,
    at most once in some seconds, however often that is said. Raises NotFound.
    """
    custodian_id, now = bridge.custodian.id, round(bridge.now().timestamp() * 1000)
    with bridge.database.transaction() as session:
        partner = partners.load(session, bridge, partner_name)
        reader = f"told by {partner.name}"
        known = changes.position(session, custodian_id, reader)
        due = known  # such a look is still to come
        if known <= now:
            due = max(known + _APART_SECONDS * 1000, now)
            changes.advance(session, custodian_id, reader, known=known, seq=due)
        at = bridge.now() + timedelta(milliseconds=due - now)
        count = handoffs.follow_all_by(session, custodian_id, partner.name, CLOSED, at=at)
    return Notified((), count)


def _persons(bundle: Resource, entry: BundleEntry) -> tuple[str, ...]:
    """Identifiers of the patient of a Task or an Appointment who came in the Bundle with it."""
    resource = entry.resource or {}
    found: list[str] = []
    for one in (resource.get("for") or {}, *map(_actor, resource.get("participant") or [])):
        text = str(one.get("reference") or "")
        person = bundles.resolve(bundle, text, from_full_url=entry.full_url) if text else None
        if person and person.get("resourceType") == "Patient" and not any(misshapen(person, "")):
            found += tokens(person)
    return tuple(found)


def _actor(participant: JsonObject) -> JsonObject:
    actor: JsonObject = participant.get("actor") or {}
    return actor


def _named(bundle: Resource, base_url: str) -> set[str]:
    """The Tasks that a notification names without carrying them."""
    texts = [entry.full_url for entry in bundles.entries_of(bundle)]
    texts += [str(entry.request.get("url") or "") for entry in bundles.entries_of(bundle)]
    for resource in bundles.resources_of(bundle):
        texts += [
            str(found.reference.get("reference") or "") for found in references.walk(resource)
        ]
    found = set()
    for text in texts:
        parsed = references.parse(text.removeprefix(f"{base_url}/"))
        if parsed.resource_type == "Task":
            found.add(references.write("Task", parsed.resource_id))
    return found
