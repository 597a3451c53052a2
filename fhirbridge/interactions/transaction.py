"""transaction: all entries or none. Source: R4 http.html#transaction, http.html#trules

The identity of every entry is known before anything is written, so that references can be
rewritten in one step and two entries for one resource are noticed.
"""

from dataclasses import replace
from functools import partial
from typing import TypeAlias

from fhirbridge.errors import BridgeError, InvalidContent, Issue, NotFound, PreconditionFailed
from fhirbridge.fhir import bundles
from fhirbridge.interactions import conditional, gate
from fhirbridge.interactions.context import Context, Handle, Unit
from fhirbridge.interactions.entries import (
    WITH_RESOURCE,
    Entry,
    place_of,
    read_entry,
    respond,
    within,
)
from fhirbridge.interactions.identities import Identity, refuse_collisions
from fhirbridge.interactions.linking import ConditionalReferences, links_between
from fhirbridge.interactions.messages import FhirRequest, FhirResponse, Preferences
from fhirbridge.interactions.update import refuse_taken
from fhirbridge.jsontypes import Resource

Responses: TypeAlias = dict[int, FhirResponse]


def transaction(
    request: FhirRequest, context: Context, bundle: Resource, handle: Handle
) -> FhirResponse:
    """Carry out all entries, in the order DELETE, POST, PUT and PATCH, GET, or none of them.

    Raises the error of the first entry that fails; its issues name the entry.
    """
    entries = _read(bundle, _quiet(request.preferences))
    _check_contents(entries, context)
    with context.writing() as unit:
        work = _Work(replace(context, unit=unit), unit, handle)
        responses = work.run(entries)
    listed = [respond(entry, responses[entry.index], context.base) for entry in entries]
    return FhirResponse(status=200, resource=bundles.transaction_response(listed))


def _quiet(preferences: Preferences) -> Preferences:
    """Entries are answered without bodies, unless the caller prefers them."""
    return preferences if preferences.returned else replace(preferences, returned="minimal")


def _read(bundle: Resource, preferences: Preferences) -> list[Entry]:
    issues: list[Issue] = []
    entries: list[Entry] = []
    seen: set[str] = set()
    for found in bundles.entries_of(bundle):
        try:
            entries.append(read_entry(found, preferences))
        except BridgeError as exc:
            issues.extend(within(exc, found.index).issues)
        if found.full_url and found.full_url in seen:
            issues.append(
                Issue(
                    "invalid",
                    f"Entry {found.index}: another entry has the same fullUrl.",
                    expression=(f"{place_of(found.index)}.fullUrl",),
                )
            )
        seen.add(found.full_url)
    if issues:
        raise InvalidContent(*issues)
    return entries


def _check_contents(entries: list[Entry], context: Context) -> None:
    """The gate, for all entries at once and before the database is touched."""
    issues: list[Issue] = []
    for entry in entries:
        resource = entry.request.resource
        interaction = entry.route.interaction.name
        if resource is None or interaction not in WITH_RESOURCE:
            continue
        is_patch = entry.request.method == "PATCH"  # its result is checked, once it is known
        faults = [] if is_patch else gate.faults(resource, entry.route.resource_type)
        found = faults or gate.findings(resource, context)
        errors = [issue for issue in found if issue.is_error]
        if errors:
            issues.extend(within(InvalidContent(*errors), entry.index).issues)
    if issues:
        raise InvalidContent.of(issues)


class _Work:
    """One transaction under way."""

    def __init__(self, context: Context, unit: Unit, handle: Handle) -> None:
        self._context = context
        self._unit = unit
        self._handle = handle
        self._responses: Responses = {}

    def run(self, entries: list[Entry]) -> Responses:
        """Carry out the entries; the responses are by index."""
        by_method = {
            method: [e for e in entries if e.request.method == method]
            for method in ("DELETE", "POST", "PUT", "PATCH", "GET")
        }
        searches = [e for e in by_method["POST"] if e.route.interaction.name != "create"]
        changes = [*by_method["PUT"], *by_method["PATCH"]]
        creates = [e for e in by_method["POST"] if e.route.interaction.name == "create"]
        removed = [found for e in by_method["DELETE"] if (found := self._delete(e))]
        identities = [self._identify(entry) for entry in [*creates, *changes]]
        refuse_collisions([*removed, *identities])
        for identity in [*removed, *identities]:
            self._unit.places[identity.reference] = identity.entry.index
        links = links_between([(i.entry.full_url, i.reference) for i in identities])
        linked = []
        for identity in identities:
            entry = identity.entry
            resource = entry.request.resource
            if identity.exists or resource is None:
                continue
            made = _resolved(identity, links.apply(resource, entry.full_url))
            if made.method == "PATCH":
                # A JSON Patch says of no value what it is: its result does.
                made = replace(made, relink=partial(links.apply, full_url=entry.full_url))
            linked.append(replace(entry, request=made))
        self._write(linked)
        self._check_conditions(identities)
        for entry in [*searches, *by_method["GET"]]:
            self._carry_out(entry)
        return self._responses

    def _delete(self, entry: Entry) -> Identity | None:
        """Delete at once: what is created later must not find it."""
        resource_type = entry.route.resource_type
        resource_id = entry.route.resource_id
        if not resource_id:
            match = self._match(entry, entry.request.query)
            if match is None:
                self._responses[entry.index] = FhirResponse(status=204)
                return None
            resource_id = match.partition("/")[2]
        request = replace(entry.request, path=(resource_type, resource_id), query=())
        self._carry_out(replace(entry, request=request))
        return Identity(entry, f"{resource_type}/{resource_id}")

    def _identify(self, entry: Entry) -> Identity:
        resource_type = entry.route.resource_type
        if entry.route.interaction.name in ("update", "patch"):
            return Identity(entry, f"{resource_type}/{entry.route.resource_id}")
        is_create = entry.route.interaction.name == "create"
        criteria = (
            entry.request.conditions.get("if-none-exist") if is_create else entry.request.query
        )
        match = self._match(entry, criteria) if criteria is not None else None
        resource = entry.request.resource or {}
        if entry.request.method == "PATCH":
            return Identity(entry, self._patched(entry, match))
        if match is None:
            given = "" if is_create else resource.get("id", "")
            if given:
                self._refuse_taken(entry, given)
            return Identity(entry, f"{resource_type}/{given or self._context.bridge.new_id()}")
        if is_create:
            # The match is the answer; nothing is written for this entry.
            self._carry_out(entry)
            return Identity(entry, match, exists=True)
        if "id" in resource and f"{resource_type}/{resource['id']}" != match:
            raise within(
                InvalidContent(
                    Issue("invalid", "The body has another id than the one match of the search.")
                ),
                entry.index,
            )
        return Identity(entry, match)

    def _patched(self, entry: Entry, match: str | None) -> str:
        if match is None:
            error = NotFound(Issue("not-found", "The conditional criteria match nothing to patch."))
            raise within(error, entry.index)
        return match

    def _refuse_taken(self, entry: Entry, resource_id: str) -> None:
        try:
            refuse_taken(self._unit, entry.route.resource_type, resource_id)
        except BridgeError as exc:
            raise within(exc, entry.index) from exc

    def _match(self, entry: Entry, criteria: conditional.Criteria) -> str | None:
        """The reference of the one match of an entry's search."""
        try:
            version = conditional.one_match(
                self._unit, self._context, entry.route.resource_type, criteria=criteria
            )
        except BridgeError as exc:
            raise within(exc, entry.index) from exc
        return version.reference if version else None

    def _write(self, entries: list[Entry]) -> None:
        """Write all; conditional references may name what a later entry writes.

        Source: R4 http.html#trules (conditional references are resolved last)
        """
        resolver = ConditionalReferences(self._unit, self._context)
        waiting = entries
        while waiting:
            held = []
            for entry in waiting:
                resolved = self._resolve(resolver, entry)
                if resolved is None:
                    held.append(entry)
                    continue
                self._carry_out(replace(entry, request=replace(entry.request, resource=resolved)))
            if len(held) == len(waiting):
                raise within(resolver.unresolved(held[0].request.resource or {}), held[0].index)
            waiting = held
        resolver.confirm()

    def _resolve(self, resolver: ConditionalReferences, entry: Entry) -> Resource | None:
        try:
            return resolver.resolve(entry.request.resource or {})
        except BridgeError as exc:
            raise within(exc, entry.index) from exc

    def _check_conditions(self, identities: list[Identity]) -> None:
        """A conditional create must still be alone: two entries may describe one resource."""
        for identity in identities:
            entry = identity.entry
            criteria = entry.request.conditions.get("if-none-exist")
            if criteria is None or identity.exists:
                continue
            match = self._match(entry, criteria)
            if match not in (None, identity.reference):
                raise within(
                    PreconditionFailed(
                        Issue("duplicate", "Another entry makes a resource that matches as well.")
                    ),
                    entry.index,
                )

    def _carry_out(self, entry: Entry) -> None:
        try:
            self._responses[entry.index] = self._handle(entry.request, self._context)
        except BridgeError as exc:
            raise within(exc, entry.index) from exc


def _resolved(identity: Identity, resource: Resource) -> FhirRequest:
    """The request of an entry once its identity is known."""
    request = identity.entry.request
    resource_type, _, resource_id = identity.reference.partition("/")
    if request.method == "POST":
        # Its search is done, and what it creates may meanwhile match.
        conditions = {k: v for k, v in request.conditions.items() if k != "if-none-exist"}
        return replace(
            request,
            resource=resource,
            checked=True,
            assigned_id=resource_id,
            conditions=conditions,
        )
    if request.method == "PATCH":
        return replace(request, path=(resource_type, resource_id), query=(), resource=resource)
    if not request.query:
        return replace(request, resource=resource, checked=True)
    whole = replace(request, resource={**resource, "id": resource_id}, checked=True)
    return replace(whole, path=(resource_type, resource_id), query=(), assigned_id=resource_id)
