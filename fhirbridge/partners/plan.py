"""How a Bundle is sent to a partner, from what the partner offers. Pure.

Rungs, best first: one transaction; batches in waves; single conditional creates; search before
create; one document with a Task if it is accepted; paper. A dry run shows this plan, and the
delivery process executes the same object.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import Abilities
from fhirbridge.partners.links import links_of
from fhirbridge.partners.losses import losses
from fhirbridge.partners.planned import Action as Action
from fhirbridge.partners.planned import Held as Held
from fhirbridge.partners.planned import PlannedEntry as PlannedEntry
from fhirbridge.partners.planned import Rung as Rung
from fhirbridge.partners.planned import SendPlan as SendPlan

# Once they are there we never write over them: a Task belongs to whoever works on it, people and
# places to the partner's own registers.
NEVER_UPDATED = frozenset(
    {"Task", "Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization"}
    | {"Location", "HealthcareService", "Endpoint"}
)

# Both sides write these: what was changed at the partner since we wrote it is left as it is there.
SHARED = frozenset({"Appointment"})

# Who is referred to comes before who refers, where links form a ring.
_TYPE_ORDER = (
    "Organization",
    "Location",
    "Practitioner",
    "PractitionerRole",
    "Patient",
    "RelatedPerson",
    "Coverage",
    "Condition",
    "Observation",
    "Medication",
    "Goal",
    "EpisodeOfCare",
    "Consent",
    "CareTeam",
    "CarePlan",
    "ServiceRequest",
)


def plan(
    bundle: Resource, abilities: Abilities, *, held: Mapping[str, Held] | None = None
) -> SendPlan:
    """The best way to send a transaction Bundle to a partner with these abilities.

    `held` says, by fullUrl, what the partner has from an earlier version of the same document.
    """
    entries = [_decide(entry, abilities, held or {}) for entry in bundle.get("entry") or []]
    lower = _lower_rung(entries)
    if lower is not None:
        entries = [_only_document(entry, lower) for entry in entries]
    written = [entry for entry in entries if entry.action in ("create", "update")]
    rung = lower or _rung(written, abilities)
    if rung is Rung.PAPER:
        waves: tuple[tuple[PlannedEntry, ...], ...] = ()
    elif rung is Rung.TRANSACTION:
        waves = (tuple(written),) if written else ()
    else:
        waves = order(written)
        if rung is not Rung.BATCH:
            waves = tuple((entry,) for wave in waves for entry in wave)
    deferring = [entry for wave in waves for entry in wave if entry.deferred]
    relinks = bool(deferring) and all(abilities.can_update(e.resource_type) for e in deferring)
    made = SendPlan(
        rung,
        waves,
        matches=tuple(entry for entry in entries if entry.action == "match"),
        kept=tuple(entry for entry in entries if entry.action == "keep"),
        dropped=tuple(entry for entry in entries if entry.action == "drop"),
        relinks=relinks,
    )
    return replace(made, losses=tuple(losses(made, abilities)))


def _decide(entry: JsonObject, abilities: Abilities, held: Mapping[str, Held]) -> PlannedEntry:
    resource: Resource = entry["resource"]
    resource_type = str(resource["resourceType"])
    full_url = str(entry["fullUrl"])
    request = entry.get("request") or {}
    search = str(request.get("ifNoneExist") or "")
    there = held.get(full_url)
    location = there.location if there else ""
    action: Action
    if there is not None:
        may_update = resource_type not in NEVER_UPDATED and abilities.can_update(resource_type)
        action = "update" if may_update and not there.unchanged else "keep"
    elif request.get("method") == "PUT":
        # without an identifier only an id of ours keeps a second sending from making a second one
        action = "update" if abilities.can_place(resource_type) else "drop"
        location = str(request["url"])
    elif abilities.can_create(resource_type):
        action = "create"
    else:
        action = "match" if search and abilities.can_find(resource_type) else "drop"
    return PlannedEntry(
        full_url,
        resource,
        action,
        search,
        location=location,
        conditional=abilities.can_create_conditionally(resource_type),
        findable=abilities.can_find(resource_type),
        differs=there is not None and not there.unchanged,
        version=there.version if there else "",
    )


_CARRIED_BY_DOCUMENT = ("DocumentReference", "Task")


def _lower_rung(entries: Sequence[PlannedEntry]) -> Rung | None:
    """Document or paper, if the partner can hold no plan and no order; else None."""
    asked = [entry for entry in entries if entry.resource_type in ("CarePlan", "ServiceRequest")]
    if not asked or any(entry.action not in ("drop", "match") for entry in asked):
        return None
    documents = [entry for entry in entries if entry.resource_type == "DocumentReference"]
    is_taken = any(entry.action in ("create", "keep", "update") for entry in documents)
    return Rung.DOCUMENT if is_taken else Rung.PAPER


def _only_document(entry: PlannedEntry, rung: Rung) -> PlannedEntry:
    """Of everything else links become identifiers; the patient is looked for."""
    if rung is Rung.DOCUMENT and entry.resource_type in _CARRIED_BY_DOCUMENT:
        return entry
    if entry.resource_type == "Patient" and entry.lookup and rung is Rung.DOCUMENT:
        return replace(entry, action="match")
    return replace(entry, action="drop")


def _rung(entries: Sequence[PlannedEntry], abilities: Abilities) -> Rung:
    if abilities.transaction:
        return Rung.TRANSACTION
    if abilities.batch:
        return Rung.BATCH
    conditional = all(e.conditional and e.search for e in entries if e.action == "create")
    return Rung.CONDITIONAL_CREATE if conditional else Rung.SEARCH_THEN_CREATE


def order(entries: Sequence[PlannedEntry]) -> tuple[tuple[PlannedEntry, ...], ...]:
    """Put entries into waves, each linking only to earlier ones.

    Where links form a ring, the entry whose type comes first in the usual order goes ahead, and
    its links into the ring are deferred.
    """
    waiting = {entry.full_url: entry for entry in entries}
    wanted = {url: links_of(entry.resource) - {url} for url, entry in waiting.items()}
    waves: list[tuple[PlannedEntry, ...]] = []
    while waiting:
        ready = [url for url in waiting if not wanted[url] & waiting.keys()]
        if ready:
            waves.append(tuple(waiting.pop(url) for url in ready))
            continue
        first = min(waiting, key=lambda url: _precedence(waiting[url]))
        missing = frozenset(wanted[first] & waiting.keys() - {first})
        waves.append((replace(waiting.pop(first), deferred=missing),))
    return tuple(waves)


def _precedence(entry: PlannedEntry) -> int:
    known = entry.resource_type in _TYPE_ORDER
    return _TYPE_ORDER.index(entry.resource_type) if known else len(_TYPE_ORDER)
