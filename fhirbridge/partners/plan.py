"""How a Bundle is sent to a partner, from what the partner offers. Pure.

Rungs, best first: one transaction; batches in waves; single conditional creates; search before
create. A dry run shows this plan, and the delivery process executes the same object.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal
from urllib.parse import parse_qsl

from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.abilities import Abilities
from fhirbridge.partners.links import links_of


class Rung(StrEnum):
    """A way of sending, from the safest to the most laborious."""

    TRANSACTION = "transaction"
    BATCH = "batch"
    CONDITIONAL_CREATE = "conditional-create"
    SEARCH_THEN_CREATE = "search-then-create"


Action = Literal["create", "update", "keep", "match", "drop"]

# Once they are there we never write over them: a Task belongs to whoever works on it, people and
# places to the partner's own registers.
NEVER_UPDATED = frozenset(
    {"Task", "Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "Organization"}
    | {"Location", "HealthcareService", "Endpoint"}
)

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


@dataclass(frozen=True, slots=True)
class Held:
    """A resource that the partner has from an earlier version, and whether it is still the same."""

    location: str
    unchanged: bool


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One entry and what is done with it.

    `search` is its ifNoneExist; `location` where the partner holds it already (update, keep);
    `deferred` the fullUrls whose links are written only after all is there; `differs` that the
    partner holds an older content.
    """

    full_url: str
    resource: Resource
    action: Action
    search: str = ""
    location: str = ""
    conditional: bool = False
    deferred: frozenset[str] = frozenset()
    differs: bool = False

    @property
    def resource_type(self) -> str:
        """The type of the resource."""
        return str(self.resource["resourceType"])

    @property
    def token(self) -> str:
        """`system|value` of the identifier it is known by, or "" if there is none."""
        return dict(parse_qsl(self.search)).get("identifier", "")

    @property
    def identifier(self) -> JsonObject:
        """The same as an Identifier, {} if there is none."""
        system, bar, value = self.token.rpartition("|")
        if not value:
            return {}
        return {"system": system, "value": value} if bar and system else {"value": value}


@dataclass(frozen=True, slots=True)
class SendPlan:
    """What would be sent, in waves; every wave links only to earlier ones."""

    rung: Rung
    waves: tuple[tuple[PlannedEntry, ...], ...]
    matches: tuple[PlannedEntry, ...] = ()
    kept: tuple[PlannedEntry, ...] = ()
    dropped: tuple[PlannedEntry, ...] = ()
    losses: tuple[str, ...] = ()
    relinks: bool = False

    @property
    def entries(self) -> tuple[PlannedEntry, ...]:
        """All entries that are written, in order."""
        return tuple(entry for wave in self.waves for entry in wave)

    @property
    def everything(self) -> tuple[PlannedEntry, ...]:
        """Every entry of the Bundle, also those that are not written."""
        return (*self.entries, *self.matches, *self.kept, *self.dropped)

    def to_json(self) -> JsonObject:
        """The plan for people and programs: types, counts and ways; nothing of the record."""
        return {
            "rung": self.rung.value,
            "requests": 1 if self.rung is Rung.TRANSACTION else len(self.waves),
            "entries": [
                {
                    "fullUrl": one.full_url,
                    "resourceType": one.resource_type,
                    "action": one.action,
                    "ifNoneExist": bool(one.search and one.conditional),
                }
                for one in self.everything
            ],
            "counts": dict(sorted(Counter(e.resource_type for e in self.entries).items())),
            "losses": list(self.losses),
        }


def plan(
    bundle: Resource, abilities: Abilities, *, held: Mapping[str, Held] | None = None
) -> SendPlan:
    """The best way to send a transaction Bundle to a partner with these abilities.

    `held` says, by fullUrl, what the partner has from an earlier version of the same document.
    """
    entries = [_decide(entry, abilities, held or {}) for entry in bundle.get("entry") or []]
    written = [entry for entry in entries if entry.action in ("create", "update")]
    rung = _rung(written, abilities)
    if rung is Rung.TRANSACTION:
        waves: tuple[tuple[PlannedEntry, ...], ...] = (tuple(written),) if written else ()
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
    return replace(made, losses=tuple(_losses(made, abilities)))


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
        differs=there is not None and not there.unchanged,
    )


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


def _counted(entries: Iterable[PlannedEntry]) -> str:
    counts = Counter(entry.resource_type for entry in entries)
    return ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))


def _losses(made: SendPlan, abilities: Abilities) -> Iterable[str]:
    if not abilities.known:
        yield "The partner's capabilities are not known; a transaction is tried."
    if made.rung is Rung.BATCH:
        yield (
            f"The partner takes no transactions: {len(made.waves)} batches are sent, so that for "
            "a moment a part is there without the rest."
        )
    elif made.rung is not Rung.TRANSACTION:
        yield (
            f"The partner takes neither transactions nor batches: {len(made.entries)} resources "
            "are created one by one, so that for a moment a part is there without the rest."
        )
    creates = [entry for entry in made.entries if entry.action == "create"]
    blind = [entry for entry in creates if not (entry.conditional and entry.search)]
    if blind:
        yield (
            f"No conditional create for {_counted(blind)}: the partner is asked before each one; "
            "another sender at the same instant could make a second copy."
        )
    lost = [
        e
        for e in creates
        if not e.search or not (e.conditional or abilities.can_find(e.resource_type))
    ]
    if lost and made.rung is not Rung.TRANSACTION:
        yield (
            f"{_counted(lost)} cannot be looked up at the partner: after a lost answer a person "
            "has to decide."
        )
    if made.matches:
        yield (
            f"{_counted(made.matches)} cannot be created at the partner; what it already has "
            "under the same identifier is used."
        )
    if made.dropped:
        yield (
            f"{_counted(made.dropped)} cannot be stored at the partner; links become identifiers."
        )
    updates = [entry for entry in made.entries if entry.action == "update" and entry.differs]
    if updates:
        yield f"{_counted(updates)} at the partner are replaced by the newer version."
    older = [entry for entry in made.kept if entry.differs and entry.resource_type != "Task"]
    if older:
        yield f"{_counted(older)} at the partner may be older and are left as they are there."
    deferring = [entry for entry in made.entries if entry.deferred]
    if deferring and not made.relinks:
        yield (
            f"Links that form a ring are kept in one direction only, because the partner offers "
            f"no update of {_counted(deferring)}."
        )
