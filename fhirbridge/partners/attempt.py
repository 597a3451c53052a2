"""One attempt to carry out a send plan: what it knows, how it ends, and what it writes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from fhirbridge.clock import Clock
from fhirbridge.fhir.references import rewrite
from fhirbridge.jsontypes import JsonObject, Resource
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.links import unlink
from fhirbridge.partners.plan import PlannedEntry, Rung, SendPlan
from fhirbridge.partners.verdict import Placed, Verdict

Locations = Mapping[str, str]
Progress = Callable[[Locations], None]
Looked = Literal["", "found", "not-found", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended.

    `locations` has the partner's references by fullUrl: all that are known once it is delivered,
    until then what was created, to go on from there. `created` has the fullUrls of what this
    attempt made for certain. `looked` says
    what a look-up after an unknown outcome found. `sequence` names, by fullUrl, the entries of
    the last request, so that a finding's entry can be told. `needs_person`: the outcome is
    unknown and this partner offers no way to find out. `versions` are the partner's, by fullUrl;
    `theirs` the fullUrls of what was changed there since and is left as it is.
    """

    verdict: Verdict
    locations: dict[str, str]
    looked: Looked = ""
    created: tuple[str, ...] = ()
    matched: int = 0
    sequence: tuple[str, ...] = ()
    needs_person: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    theirs: frozenset[str] = frozenset()


class Stop(Exception):
    """Ends an attempt with a verdict; never leaves this package."""

    def __init__(self, verdict: Verdict, *, needs_person: bool = False) -> None:
        super().__init__(type(verdict).__name__)
        self.verdict = verdict
        self.needs_person = needs_person


@dataclass(slots=True)
class Attempt:
    """What one attempt knows and has done so far."""

    plan: SendPlan
    client: PartnerClient
    now: Clock
    progress: Progress
    locations: dict[str, str]
    before: dict[str, str]
    is_proven: bool = False  # that a look-up finds what we wrote
    logical: dict[str, JsonObject] = field(default_factory=dict)
    looked: Looked = ""
    created: list[str] = field(default_factory=list)
    matched: int = 0
    sequence: tuple[str, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    theirs: set[str] = field(default_factory=set)

    def placed(self) -> dict[str, str]:
        """What was created so far, by fullUrl. A transaction that failed created nothing."""
        if self.plan.rung is Rung.TRANSACTION:
            return dict(self.before)
        created = (entry.full_url for entry in self.plan.entries if entry.action == "create")
        return {url: self.locations[url] for url in created if url in self.locations}


def body_of(attempt: Attempt, entry: PlannedEntry, *, last: bool = False) -> Resource:
    """The resource as it is written now: links to places, or to identifiers where there is none.

    Links within one transaction stay as they are; the partner resolves them.
    """
    logical = dict(attempt.logical)
    if entry.deferred and not last:
        by_url = {one.full_url: one for one in attempt.plan.everything}
        logical.update((url, by_url[url].identifier) for url in entry.deferred)
    body = rewrite(entry.resource, attempt.locations)
    if logical:
        body = unlink(body, logical)
    place = attempt.locations.get(entry.full_url)
    if place and (entry.action == "update" or last):
        body["id"] = place.rpartition("/")[2]
    return body


def _request_entry(attempt: Attempt, entry: PlannedEntry) -> JsonObject:
    request: JsonObject
    if entry.action == "update":
        request = {"method": "PUT", "url": entry.location}
    else:
        request = {"method": "POST", "url": entry.resource_type}
        if entry.search and entry.conditional:
            request["ifNoneExist"] = entry.search
    return {
        "fullUrl": entry.full_url,
        "resource": body_of(attempt, entry),
        "request": request,
    }


def bundle_of(attempt: Attempt, kind: str, entries: Sequence[PlannedEntry]) -> Resource:
    """A transaction or batch Bundle of these entries."""
    return {
        "resourceType": "Bundle",
        "type": kind,
        "entry": [_request_entry(attempt, entry) for entry in entries],
    }


def note(attempt: Attempt, entries: Sequence[PlannedEntry], placed: Sequence[Placed]) -> None:
    """Keep where entries are now, and count what was made and what was there."""
    for entry, place in zip(entries, placed, strict=True):
        if place.location:
            attempt.locations[entry.full_url] = place.location
        if place.version:
            attempt.versions[entry.full_url] = place.version
        if place.created:
            attempt.created.append(entry.full_url)
        else:
            attempt.matched += 1
