"""A new order inside a partner's message (BSeR's referral message, or any Bundle with one).

The Task that asks us, its order and all that the Bundle brings with them are stored here, once,
as the partner could have written them by REST. Source: domain.md 1.5; R4 messaging.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4, uuid5

from fhirbridge.bridge import Bridge
from fhirbridge.fhir import bundles, references, wire
from fhirbridge.fhir.bundles import BundleEntry
from fhirbridge.fhir.definitions import definitions
from fhirbridge.fhir.shapes import misshapen
from fhirbridge.handoffs import inbound
from fhirbridge.handoffs.events import Event, Taken
from fhirbridge.handoffs.feed import owners_of
from fhirbridge.handoffs.readable import refuse
from fhirbridge.handoffs.tasks import read
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.registry import Partner
from fhirbridge.storage import handoff_keys, handoffs
from fhirbridge.storage.session import Session
from fhirbridge.workflow.words import read_task

URL = "urn:ietf:rfc:3986"  # the system of identifiers that are URLs
_FOR_TRANSPORT = frozenset({"MessageHeader", "OperationOutcome", "Parameters", "Provenance"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A Bundle that asks us for something: what is to be stored, and what else it tells.

    `transaction` is None if all of it was taken in before. `tasks` are the asking Tasks: their
    places among its entries, and what they are called at the partner.
    """

    transaction: Resource | None
    tasks: Mapping[int, str]
    rest: Resource


def asking(bridge: Bridge, partner: Partner, bundle: Resource) -> Asked | None:
    """What a partner's Bundle asks of us; None if it only tells of what is known.

    Its Tasks have been checked (`notify.check`). Raises InvalidContent for others to be stored
    whose form cannot be read.
    """
    entries = [one for one in bundles.entries_of(bundle) if one.resource is not None]
    with bridge.database.read() as session:
        found = {
            one.index: owners_of(bridge, session, _event(one, partner))
            for one in entries
            if _asks(one, bundle)
        }
        fresh = {index for index, owners in found.items() if not owners}
        again = {index for index, owners in found.items() if _all_inbound(bridge, session, owners)}
    if not fresh and not again:
        return None
    listed = bundle.get("entry") or []
    kept = [one for index, one in enumerate(listed) if index not in fresh | again]
    rest = {**bundle, "entry": kept}
    if not fresh:
        return Asked(None, {}, rest)
    known = [
        one
        for one in entries
        if str(one.resource and one.resource.get("resourceType")) not in _FOR_TRANSPORT
        and one.index not in again
    ]
    refuse(
        issue
        for one in known
        for issue in misshapen(one.resource or {}, f"Bundle.entry[{one.index}].resource")
    )
    places = {
        number: _event(one, partner).reference
        for number, one in enumerate(known)
        if one.index in fresh
    }
    return Asked(_transaction(bridge, partner, known), places, rest)


def take_in(bridge: Bridge, partner: Partner, asked: Asked, stored: Resource) -> list[Taken]:
    """Recognise the Tasks that were stored; `stored` is the response to the transaction."""
    answers = stored.get("entry") or []
    taken = []
    with bridge.database.transaction() as session:
        for number, name in asked.tasks.items():
            place = references.parse(str(answers[number]["response"].get("location") or ""))
            task = read(session, bridge, references.write("Task", place.resource_id))
            if task is None:
                continue
            event = Event(
                wire.parse(task.content),
                "notification",
                "ours",
                partner.name,
                base=bridge.settings.own_base,
            )
            owners = owners_of(bridge, session, event)  # if the delivery process was faster
            made = None if owners else inbound.recognise(bridge, session, event)
            if made is not None:
                taken.append(made)
                owners = [made.handoff_id]
            for handoff_id in owners if name else ():
                handoff_keys.note(
                    session, bridge.custodian.id, handoff_id, [f"{partner.name} {name}"]
                )
    return taken


def _event(entry: BundleEntry, partner: Partner) -> Event:
    resource = entry.resource or {}
    return Event(resource, "notification", "theirs", partner.name, base=partner.base_url)


def _asks(entry: BundleEntry, bundle: Resource) -> bool:
    """True for a Task that nobody answered yet and whose order is in the Bundle with it."""
    task = entry.resource or {}
    if task.get("resourceType") != "Task":
        return False
    reading = read_task(task, inbound.profile_of(task))
    if reading is None or reading.state not in inbound.FRESH:
        return False
    focus = str((task.get("focus") or {}).get("reference") or "")
    order = bundles.resolve(bundle, focus, from_full_url=entry.full_url) if focus else None
    return order is not None and order.get("resourceType") in inbound.KINDS


def _all_inbound(bridge: Bridge, session: Session, owners: list[str]) -> bool:
    """True if a Task came in before, as a request to us."""
    rows = [handoffs.get(session, bridge.custodian.id, one) for one in owners]
    return bool(rows) and all(
        row is not None and row.details.get("direction") == "inbound" for row in rows
    )


def _transaction(bridge: Bridge, partner: Partner, entries: list[BundleEntry]) -> Resource:
    """Conditional creates of the entries, linked to each other by names that are new here."""
    names: dict[str, str] = {}
    for one in entries:
        resource = one.resource or {}
        there = _place(one, partner)
        if not there:
            continue
        name = uuid5(bridge.custodian.namespace, f"{partner.name} {there}").urn
        names[there] = name
        if resource.get("id"):
            names.setdefault(f"{resource['resourceType']}/{resource['id']}", name)
    return bundles.transaction(_create(one, names, partner) for one in entries)


def _place(entry: BundleEntry, partner: Partner) -> str:
    """What an entry is called there; "" for one without a name, to which nothing refers."""
    resource = entry.resource or {}
    if entry.full_url or not resource.get("id"):
        return entry.full_url
    return f"{partner.base_url}/{resource['resourceType']}/{resource['id']}"


def _create(entry: BundleEntry, names: Mapping[str, str], partner: Partner) -> JsonObject:
    resource = dict(entry.resource or {})
    resource_type = str(resource["resourceType"])
    there = _place(entry, partner)
    resource = references.rewrite(resource, _links(resource, entry.full_url, names, partner))
    meta = {
        name: one
        for name, one in (resource.pop("meta", None) or {}).items()
        if name not in ("versionId", "lastUpdated")
    }
    if meta:
        resource["meta"] = meta
    resource.pop("id", None)
    condition = ""
    element = definitions().elements(resource_type).get("identifier")
    if element is not None:
        value = resource.get("identifier")
        listed = value if isinstance(value, list) else [value] if value else []
        told = next((one for one in listed if one.get("system") and one.get("value")), None)
        if told is None and there:
            told = {"system": URL, "value": there}
            resource["identifier"] = told if element.max == 1 else [*listed, told]
        if told is not None:
            value = quote(told["value"], safe="")
            condition = f"identifier={quote(told['system'], safe=':/')}|{value}"
    full_url = names.get(there) or uuid4().urn
    return bundles.create_entry(resource, full_url=full_url, if_none_exist=condition)


def _links(
    resource: Resource, full_url: str, names: Mapping[str, str], partner: Partner
) -> dict[str, str]:
    """What each reference of an entry becomes: a name in the transaction, or an absolute URL."""
    base = references.parse(full_url).base if full_url else ""
    links = {}
    for found in references.walk(resource):
        text = str(found.reference.get("reference") or "")
        parsed = references.parse(text)
        plain = references.write(parsed.resource_type, parsed.resource_id)
        if text in names:
            links[text] = names[text]
        elif parsed.kind == "relative":
            there = f"{base or partner.base_url}/{plain}"
            links[text] = names.get(there) or names.get(plain) or there
    return links
