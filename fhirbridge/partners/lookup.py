"""Asking a partner what it has, by business identifier: before a send, and after a lost answer."""

from collections.abc import Sequence
from contextlib import suppress

from fhirbridge.consent.classes import DIRECTORY, TYPE_CLASSES
from fhirbridge.jsontypes import Resource
from fhirbridge.partners.attempt import Attempt, Stop
from fhirbridge.partners.client import PartnerClient
from fhirbridge.partners.http import Answer, Exchange
from fhirbridge.partners.plan import SHARED, PlannedEntry, Rung
from fhirbridge.partners.verdict import Refused, Retry, Unknown, judge_create, read_body

NOT_PROVEN = "look-up-not-proven"
_WITHDRAWN = ("cancelled", "entered-in-error")


def place_known(attempt: Attempt) -> None:
    """Take the places of what the partner has, and turn links to what it cannot hold."""
    plan = attempt.plan
    for entry in (*plan.kept, *(one for one in plan.entries if one.action == "update")):
        attempt.locations[entry.full_url] = entry.location
    if plan.matches:
        find(attempt, plan.matches, reading=True)
    for entry in (*plan.matches, *plan.dropped):
        if entry.full_url in attempt.locations:
            continue
        if entry.resource_type == "Patient" and plan.rung is not Rung.DOCUMENT:
            hint = "The partner does not know this patient and does not let us add one."
            raise Stop(Refused("patient-not-known", 404, hint))
        attempt.logical[entry.full_url] = entry.identifier


def leave_theirs(attempt: Attempt) -> None:
    """Find out which updates would overwrite what the partner changed, or removed, since we wrote.

    Only of types that both sides write, and where our own last version is known; what is withdrawn
    here reaches the partner all the same (design.md section 5).
    """
    for entry in attempt.plan.everything:
        if entry.version:
            attempt.versions[entry.full_url] = entry.version
    for entry in attempt.plan.entries:
        if entry.action != "update" or entry.resource_type not in SHARED or not entry.version:
            continue
        if entry.resource.get("status") in _WITHDRAWN:
            continue
        exchange = attempt.client.read(entry.location)
        body = None
        if not isinstance(exchange, Answer) or exchange.status not in (200, 404, 410):
            verdict = judge_create(exchange, now=attempt.now())
            if isinstance(verdict, Retry | Unknown):
                asked_for = verdict.retry_after_seconds
                raise Stop(Retry(verdict.error_class, verdict.status, asked_for))
            continue  # it may not be read: as if nothing had changed
        if exchange.status == 200:
            body = read_body(exchange)
        if body is None or not _is_ours(entry, body):
            attempt.theirs.add(entry.full_url)


def _is_ours(entry: PlannedEntry, there: Resource) -> bool:
    """True if what is there is what we wrote last, or says what we would write now."""
    version = (there.get("meta") or {}).get("versionId") or entry.version
    wanted = entry.resource
    return version == entry.version or all(
        there.get(name) == wanted.get(name) for name in ("status", "start", "end")
    )


def look(attempt: Attempt, anchor: str) -> bool:
    """Ask the partner what arrived. True if the whole of a transaction is there.

    `anchor` is the fullUrl whose presence proves it. Raises Stop when the partner cannot tell,
    now or ever.
    """
    try:
        if attempt.plan.rung is Rung.TRANSACTION:
            whole = _look_for_transaction(attempt, anchor)
            attempt.looked = "found" if whole else "not-found"
            return whole
        attempt.looked = "found" if _look_for_waves(attempt) else "not-found"
    except Stop:
        attempt.looked = "failed"
        raise
    return False


def _look_for_transaction(attempt: Attempt, anchor: str) -> bool:
    """A transaction is there as a whole or not at all, so that its Task tells.

    Without a Task only the presence of all that can be looked up counts, because some of it may
    be older; updates then prove nothing, and repeating them is harmless.
    """
    creates = [entry for entry in attempt.plan.entries if entry.action == "create"]
    known = [entry for entry in creates if entry.lookup]
    proof = [entry for entry in known if entry.full_url == anchor]
    if not proof and len(creates) < len(attempt.plan.entries):
        return False
    proof = proof or known
    if not proof:
        if all(entry.is_repeatable for entry in creates):
            return False
        raise Stop(Unknown("cannot-look-up"), needs_person=True)
    before = dict(attempt.locations)
    find(attempt, proof, reading=False)
    if not all(entry.full_url in attempt.locations for entry in proof):
        attempt.locations = before
        _check_proof(attempt)
        return False
    with suppress(Stop):  # the places of the rest are good to know, not needed
        find(attempt, [entry for entry in known if entry not in proof], reading=False)
    attempt.matched += len(attempt.plan.entries)
    return True


def _look_for_waves(attempt: Attempt) -> int:
    """Find what the interrupted wave placed; later waves were not sent. Returns how many.

    What can be repeated without harm need not be found.
    """
    for wave in attempt.plan.waves:
        missing = [
            entry
            for entry in wave
            if entry.action == "create" and entry.full_url not in attempt.locations
        ]
        if not missing:
            continue
        if any(not entry.lookup and not entry.is_repeatable for entry in missing):
            raise Stop(Unknown("cannot-look-up"), needs_person=True)
        find(attempt, [entry for entry in missing if entry.lookup], reading=False)
        there = [entry for entry in missing if entry.full_url in attempt.locations]
        if len(there) < len(missing):
            _check_proof(attempt)
        attempt.matched += len(there)
        attempt.progress(attempt.placed())
        return len(there)
    return 0


def shows(client: PartnerClient, resource_type: str, token: str, place: str) -> bool:
    """True if a look-up shows us what we wrote about a patient; directories prove nothing."""
    if TYPE_CLASSES.get(resource_type) == DIRECTORY:
        return False
    return place in client.find(resource_type, [token]).references.get(token, ())


def _check_proof(attempt: Attempt) -> None:
    """Raise Stop unless what is not found is known not to be there.

    A partner may hide what we wrote, even from the condition of a create, until somebody there
    has looked at it. What this delivery placed before can prove that it does not.
    """
    if attempt.is_proven:
        return
    for entry in attempt.plan.everything:
        place = attempt.before.get(entry.full_url)
        if (
            place
            and entry.lookup
            and shows(attempt.client, entry.resource_type, entry.token, place)
        ):
            attempt.is_proven = True
            return
    raise Stop(Unknown(NOT_PROVEN), needs_person=True)


def find(attempt: Attempt, entries: Sequence[PlannedEntry], *, reading: bool) -> None:
    """Look entries up by identifier and note their places."""
    by_type: dict[str, list[PlannedEntry]] = {}
    for entry in entries:
        by_type.setdefault(entry.resource_type, []).append(entry)
    for resource_type, group in by_type.items():
        found = attempt.client.find(resource_type, [entry.token for entry in group])
        if found.failed is not None:
            raise _lookup_failed(attempt, found.failed, group, reading=reading)
        for entry in group:
            references = found.references.get(entry.token, ())
            if len(references) > 1:
                hint = "The partner holds several resources with one identifier."
                raise Stop(Refused("several-matches", 412, hint))
            if references:
                attempt.locations[entry.full_url] = references[0]


def _lookup_failed(
    attempt: Attempt, exchange: Exchange, group: Sequence[PlannedEntry], *, reading: bool
) -> Stop:
    """A look-up that failed for now is repeated; one that never works needs another way."""
    verdict = judge_create(exchange, now=attempt.now())
    if isinstance(verdict, Retry | Unknown):
        kind = Retry if reading else Unknown
        return Stop(kind(verdict.error_class, verdict.status, verdict.retry_after_seconds))
    if reading:
        hint = "The partner cannot be searched by identifier; fetch its capabilities again."
        status = verdict.status if isinstance(verdict, Refused) else 200
        return Stop(Refused("cannot-look-up", status, hint))
    return Stop(Unknown("cannot-look-up"), needs_person=True)
